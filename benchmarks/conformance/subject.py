"""The metric that is checked, with what several checks ask of it."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, wraps

import torch
from torch import Tensor

from benchmarks.conformance.cases import Batch, case, path_case
from benchmarks.conformance.meter import Price, metered
from benchmarks.loop import kind_of

Metric = Callable[[Batch], Tensor]


class Fails(Exception):
    """The metric breaks what it promises; the sentence says how."""


class DoesNotApply(Exception):
    """The metric does not promise what is checked; the sentence says what to declare."""


def check(*kinds: str) -> Callable[[Callable], Callable]:
    """Make a function, which takes a metric and raises a sentence where it breaks a promise, a check of these kinds."""

    def limit(function: Callable[["Subject"], None]) -> Callable[["Subject"], None]:
        @wraps(function)
        def checked(subject: "Subject") -> None:
            if subject.kind not in kinds:
                raise DoesNotApply(f"it is for metrics of {' and '.join(kinds)}; this one is of {subject.kind}")
            function(subject)

        checked.kinds = kinds
        return checked

    return limit


def kind(metric: Metric) -> str:
    """Return what a metric reads: maps, paths, networks."""
    return kind_of(metric) or "maps"


def score(metric: Metric, batch: Batch) -> Tensor:
    """Score a batch as a run does: a metric of networks gets neither maps nor method."""
    if kind(metric) == "networks":
        batch = replace(batch, maps=batch.x.new_empty(0), method=None)
    return metric(batch)


@dataclass(frozen=True, eq=False)
class Company:
    """All metrics together on one batch, as in a cell."""

    metrics: Mapping[str, Metric]

    @cached_property
    def batches(self) -> dict[str, Batch]:
        """A batch of each kind, after all metrics have scored it."""
        maps = case()
        batches = {"maps": maps, "networks": maps, "paths": path_case()}
        for metric in self.metrics.values():
            with suppress(Exception):  # a failing metric fails in its own checks
                score(metric, batches[kind(metric)])
        return batches


@dataclass(frozen=True, eq=False)
class Subject:
    """A metric under test."""

    name: str
    metric: Metric
    answers: tuple[str, ...] = ()  # modules with known answers
    company: Company = field(default_factory=lambda: Company({}))

    def __call__(self, batch: Batch) -> Tensor:
        """Score a batch; one number per image is the least that every check asks for."""
        scores = score(self.metric, batch)
        if not isinstance(scores, Tensor) or scores.shape != (len(batch.x),):
            given = f"shape {tuple(scores.shape)}" if isinstance(scores, Tensor) else type(scores).__name__
            raise Fails(f"{len(batch.x)} images need {len(batch.x)} scores; it gives {given}")
        return scores

    @property
    def kind(self) -> str:
        return kind(self.metric)

    def case(self, n: int = 6) -> Batch:
        """Return a batch of what the metric reads."""
        return path_case(n) if self.kind == "paths" else case(n=n)

    @cached_property
    def plain(self) -> Tensor:
        """The scores of six images on a random network."""
        return self(self.case())

    @cached_property
    def prices(self) -> tuple[Price, Price]:
        """The prices of two images and of six."""
        return metered(self, 2), metered(self, 6)

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
        """Fail unless equal within 1e-5; a score without an upper bound may differ by 1e-4 of itself."""
        unbounded = getattr(self.metric, "bounds", (0, torch.inf))[1] == torch.inf
        near = torch.isclose(got, expected, rtol=10 * within if unbounded else 0, atol=within, equal_nan=True)
        if not near.all():
            i = int((~near).nonzero()[0])
            raise Fails(f"image {i} scores {got[i]:.6g} {when}, where {expected[i]:.6g} is expected")


def require(holds: object, sentence: str) -> None:
    """Fail with the sentence unless it holds."""
    if not bool(holds):
        raise Fails(sentence)
