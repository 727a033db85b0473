"""How a mistake is planted in a copy of a metric, and the list of all mistakes that are."""

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch

from benchmarks.conformance.subject import Metric
from benchmarks.maps.metrics.faithfulness import curves


@dataclass(frozen=True)
class Mistake:
    """What is planted in which metric, and the checks that must fail."""

    name: str
    number: int  # in METRICS.md's list of mistakes that other suites make; 0 for a mistake that is not in it
    metric: str
    plant: Callable[[Metric], Metric]
    caught: tuple[str, ...]


MISTAKES: list[Mistake] = []


def altered(metric: Metric, **members: object) -> Metric:
    """Return a copy with other methods or facts."""
    kind = type(type(metric).__name__, (type(metric),), {"__doc__": type(metric).__doc__, **members})
    return kind(**{f.name: getattr(metric, f.name) for f in fields(metric)})


def call(change: Callable) -> Callable[[Metric], Metric]:
    """Plant another `__call__`: `change(metric, explained, right)` is given the right one."""

    def plant(metric: Metric) -> Metric:
        right = type(metric).__call__
        return altered(metric, __call__=lambda self, e: change(self, e, lambda e: right(self, e)))

    return plant


def curve(states: Callable) -> Callable[[Metric], Metric]:
    """Plant other images of the states of a deletion: `states(metric, explained)` gives a list of (n, c, h, w)."""

    def change(self, e):
        logits = torch.stack([e.logits(image) for image in states(self, e)], 1)
        return curves.fractions(self.steps, e), curves.probability(e, logits)

    return lambda metric: altered(metric, curve=change)


def metric(plant: Callable) -> Callable[[Metric], Metric]:
    """Plant by a function that takes the metric and returns the wrong one."""
    return plant


def mistake(name: str, *caught: str, number: int = 0, by: Callable = call) -> Callable:
    """Add a mistake, called like the function, in the metric `name`; the checks `caught` must fail."""

    def add(change: Callable) -> Callable:
        MISTAKES.append(Mistake(change.__name__, number, name, by(change), caught))
        return change

    return add


def wrong_fact(name: str, caught: str, number: int = 0, **facts: object) -> None:
    """Add a mistake in what the metric `name` declares of itself."""
    title = f"declares_{'_'.join(facts)}_wrongly"
    MISTAKES.append(Mistake(title, number, name, lambda metric: altered(metric, **facts), (caught,)))
