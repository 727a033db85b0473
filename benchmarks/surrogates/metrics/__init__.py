"""Metrics of surrogates."""
