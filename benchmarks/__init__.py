"""Benchmarks: what is asked of a model and a method, and how the answers are recorded."""
