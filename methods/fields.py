"""Checks of a method's fields: what is wrong is said in one sentence that names the field and what was given."""

from collections.abc import Callable


def whole(method: object, **least: int) -> None:
    """Refuse fields that are not whole numbers of at least so much: `whole(self, samples=1, seed=0)`."""
    for name, bound in least.items():
        if type(value := getattr(method, name)) is not int or value < bound:
            need = f"{type(method).__name__} needs a whole number {name} >= {bound}"
            raise ValueError(f"{need}; {name}={value!r} was given")


def number(method: object, name: str, need: str, good: Callable[[float], bool]) -> None:
    """Refuse a field that is no finite number or not `good`: `number(self, "noise", ">= 0", lambda n: n >= 0)`."""
    value = getattr(method, name)
    if type(value) not in (int, float) or not abs(value) < float("inf") or not good(value):
        raise ValueError(f"{type(method).__name__} needs a number {name} {need}; {name}={value!r} was given")


def layered(method: object) -> None:
    """Refuse a `layer` that is no name."""
    if not isinstance(method.layer, str) or not method.layer:
        raise ValueError(f"{type(method).__name__} needs the name of a layer; layer={method.layer!r} was given")
