"""What is checked: a metric with its name, and what several checks ask of it once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor

from benchmarks.conformance.cases import case
from benchmarks.conformance.meter import Passes, metered
from benchmarks.explained import Explained

Metric = Callable[[Explained], Tensor]


class Fails(Exception):
    """The metric breaks what it promises; the sentence says how."""


class DoesNotApply(Exception):
    """The metric promises nothing of the kind; the sentence says what to declare."""


@dataclass(frozen=True, eq=False)
class Company:
    """All metrics together on one batch, as in a cell."""

    metrics: Mapping[str, Metric]

    @cached_property
    def batch(self) -> Explained:
        return case()

    @cached_property
    def scores(self) -> dict[str, Tensor]:
        """Last name first, so that what is shared comes from another metric than in alphabetical order."""
        found = {}
        for name, metric in sorted(self.metrics.items(), reverse=True):
            try:
                found[name] = metric(self.batch)
            except Exception:  # a failing metric fails in its own checks
                continue
        return found


@dataclass(frozen=True, eq=False)
class Subject:
    """A metric under test."""

    name: str
    metric: Metric
    answers: tuple[str, ...] = ()  # modules with known answers, beside ours
    company: Company = field(default_factory=lambda: Company({}))

    def __call__(self, e: Explained) -> Tensor:
        """Score a batch; one number per image is the least that every check asks for."""
        score = self.metric(e)
        if not isinstance(score, Tensor) or score.shape != (len(e.x),):
            given = f"shape {tuple(score.shape)}" if isinstance(score, Tensor) else type(score).__name__
            raise Fails(f"{len(e.x)} images need {len(e.x)} scores; it gives {given}")
        return score

    @cached_property
    def plain(self) -> Tensor:
        """The scores of six images on a random network."""
        return self(case())

    @cached_property
    def two(self) -> Passes:
        return metered(self, 2)

    @cached_property
    def six(self) -> Passes:
        return metered(self, 6)

    def fact(self, name: str) -> object:
        """Return what the metric states of itself."""
        if not hasattr(self.metric, name):
            raise DoesNotApply(f"declare `{name}` to have it checked")
        return getattr(self.metric, name)

    def promises(self, invariance: str) -> None:
        """Go on only where the metric declares the invariance."""
        if invariance not in self.fact("invariant"):
            raise DoesNotApply(f'`invariant` does not hold "{invariance}"')

    def needs(self, what: str) -> bool:
        return what in getattr(self.metric, "needs", ())

    def settings(self, **values: object) -> Metric:
        """Return the metric with those of the values whose field it has."""
        return replace(self.metric, **{k: v for k, v in values.items() if hasattr(self.metric, k)})

    def same(self, got: Tensor, expected: Tensor, when: str, within: float = 1e-5) -> None:
        """Fail unless equal within 1e-5; of a score without an upper bound, within 1e-4 of itself."""
        unbounded = getattr(self.metric, "bounds", (0, torch.inf))[1] == torch.inf
        near = torch.isclose(got, expected, rtol=10 * within if unbounded else 0, atol=within, equal_nan=True)
        if not near.all():
            i = int((~near).nonzero()[0])
            raise Fails(f"image {i} scores {got[i]:.6g} {when}, where {expected[i]:.6g} is expected")


def require(holds: object, sentence: str) -> None:
    """Fail with the sentence unless it holds."""
    if not bool(holds):
        raise Fails(sentence)
