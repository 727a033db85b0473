"""Surrogates: how well simple models of some size imitate a network."""
