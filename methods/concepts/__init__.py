"""Concepts in a layer of a network: directions of given concepts and what they claim, and concepts that are found."""
