"""Checks of a method's fields, and of what it is called with: one sentence says what is needed and what was given."""

from collections.abc import Callable

from torch import Tensor

from methods import Inapplicable


def whole(method: object, **least: int) -> None:
    """Refuse fields that are not whole numbers of at least so much: `whole(self, samples=1, seed=0)`."""
    for name, bound in least.items():
        if type(value := getattr(method, name)) is not int or value < bound:
            need = f"{type(method).__name__} needs a whole number {name} >= {bound}"
            raise ValueError(f"{need}; {name}={value!r} was given")


def number(
    method: object, name: str, need: str = "that is finite", good: Callable[[float], bool] = lambda _: True
) -> None:
    """Refuse a field that is no finite number or not `good`: `number(self, "noise", ">= 0", lambda n: n >= 0)`."""
    value = getattr(method, name)
    if type(value) not in (int, float) or not abs(value) < float("inf") or not good(value):
        raise ValueError(f"{type(method).__name__} needs a number {name} {need}; {name}={value!r} was given")


def layered(method: object) -> None:
    """Refuse a `layer` that is no name."""
    if not isinstance(method.layer, str) or not method.layer:
        raise ValueError(f"{type(method).__name__} needs the name of a layer; layer={method.layer!r} was given")


def flag(method: object, name: str) -> None:
    """Refuse a field that is neither true nor false."""
    if not isinstance(value := getattr(method, name), bool):
        raise ValueError(f"{type(method).__name__} needs {name} to be true or false; {name}={value!r} was given")


def needed(method: object, what: str, given: Tensor | None) -> Tensor:
    """Return what a method needs of the data set beside images; refuse a data set that gives none."""
    if given is None or not len(given):
        raise Inapplicable(f"{type(method).__name__} needs a data set with {what}; this one gives none")
    return given
