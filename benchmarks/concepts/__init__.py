"""Concepts: which of those given decide a class, and which are found in a layer."""
