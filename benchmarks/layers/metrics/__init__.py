"""Metrics of layers, in one module for each group of entries: probes, representations, importances."""
