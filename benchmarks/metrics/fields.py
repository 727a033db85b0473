"""Checks of a metric's fields: one sentence says what is needed and what was given."""

from collections.abc import Callable, Collection

from benchmarks.metrics.baselines import BASELINES


def whole(metric: object, **least: int) -> None:
    """Refuse fields that are not whole numbers of at least so much: `whole(self, steps=1, seed=0)`."""
    for name, bound in least.items():
        if type(value := getattr(metric, name)) is not int or value < bound:
            need = f"{type(metric).__name__} needs a whole number {name} >= {bound}"
            raise ValueError(f"{need}; {name}={value!r} was given")


def number(metric: object, name: str, need: str, good: Callable[[float], bool]) -> None:
    """Refuse a field that is no number or not `good`: `number(self, "radius", "in (0, 1]", lambda r: 0 < r <= 1)`."""
    value = getattr(metric, name)
    if type(value) not in (int, float) or not good(value):
        raise ValueError(f"{type(metric).__name__} needs a number {name} {need}; {name}={value!r} was given")


def choice(metric: object, name: str, known: Collection[str]) -> None:
    """Refuse a field that is none of the known names."""
    value = getattr(metric, name)
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"{type(metric).__name__} needs {name} of {', '.join(known)}; {name}={value!r} was given")


def filled(metric: object) -> None:
    """Refuse a baseline that has no name, or a wrong seed of its noise."""
    choice(metric, "baseline", BASELINES)
    whole(metric, seed=0)
