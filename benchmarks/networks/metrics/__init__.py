"""Metrics of whole networks: scores of an image that no explanation changes, and how attacks change explanations."""
