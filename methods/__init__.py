"""Explanation methods: frozen dataclasses called as `method(model, x, target) -> maps`."""


class Inapplicable(ValueError):
    """The method does not apply to this model; the sentence names both sides."""
