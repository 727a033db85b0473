"""Metrics of concepts, in one module for each group of entries: given concepts, and discovered ones."""
