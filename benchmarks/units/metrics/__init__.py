"""Metrics of units, in one module for each group of entries: visualisations and labellings."""
