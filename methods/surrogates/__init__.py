"""Surrogates: simple models that imitate a network, fitted to what it says of images."""
