"""Layers of a network: what they predict, how their features correlate, and which filters matter."""
