"""Metrics of examples, in one module for each group of entries: examples, prototypes, counterfactuals."""
