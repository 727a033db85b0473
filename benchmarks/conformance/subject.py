"""The metric that is checked, with what several checks ask of it."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, wraps
from types import ModuleType

import torch
from torch import Tensor

from benchmarks.conformance.cases import Batch
from benchmarks.conformance.kinds import brought, default
from benchmarks.conformance.meter import Price, metered
from benchmarks.preparation import kind_of

Metric = Callable[[Batch], Tensor]


class Fails(Exception):
    """The metric breaks what it promises; the sentence says how."""


class DoesNotApply(Exception):
    """The metric does not promise what is checked; the sentence says what to declare."""


def check(trait: str = "") -> Callable[[Callable], Callable]:
    """Make a function, which takes a metric and raises a sentence where it breaks a promise, a check.

    It is for metrics of a kind with the trait: "batch", which every kind with a conformance.py has, or one of TRAITS.
    """

    def limit(function: Callable[["Subject"], None]) -> Callable[["Subject"], None]:
        @wraps(function)
        def checked(subject: "Subject") -> None:
            if trait not in subject.traits:
                raise DoesNotApply(f'benchmarks/{subject.kind}/conformance.py does not bring the trait "{trait}"')
            function(subject)

        checked.trait = trait
        return checked

    return limit


def kind(metric: Metric) -> str:
    """Return the kind in whose folder a metric stands, and for one of the user's own the kind that runs by default."""
    return kind_of(metric) or default()


def score(metric: Metric, batch: Batch) -> Tensor:
    """Score a batch as a run does."""
    own = getattr(brought(kind(metric)), "score", None)
    return own(metric, batch) if own else metric(batch)


@dataclass(frozen=True, eq=False)
class Company:
    """All metrics together on one batch, as in a cell."""

    metrics: Mapping[str, Metric]
    batches: dict[str, Batch] = field(default_factory=dict)

    def batch(self, of: str) -> Batch:
        """Return a batch of a kind after all metrics of the kind have scored it."""
        if of not in self.batches:
            self.batches[of] = brought(of).case(n=6)
            for metric in self.metrics.values():
                with suppress(Exception):  # a failing metric fails in its own checks
                    if kind(metric) == of:
                        score(metric, self.batches[of])
        return self.batches[of]


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
        if not self.suits:
            return scores
        if not isinstance(scores, Tensor) or scores.shape != (len(batch.x),):
            given = f"shape {tuple(scores.shape)}" if isinstance(scores, Tensor) else type(scores).__name__
            raise Fails(f"{len(batch.x)} images need {len(batch.x)} scores; it gives {given}")
        return scores

    @property
    def kind(self) -> str:
        return kind(self.metric)

    @property
    def brought(self) -> ModuleType | None:
        return brought(self.kind)

    @property
    def traits(self) -> set[str]:
        return {"", "batch", *getattr(self.brought, "TRAITS", ())} if self.brought and self.suits else {""}

    @property
    def suits(self) -> bool:
        """Return whether the metric scores images; others of its kind score a network once."""
        return getattr(self.brought, "suits", lambda metric: True)(self.metric)

    def case(self, n: int = 6) -> Batch:
        """Return a batch of what the metric reads."""
        return self.brought.case(n=n)

    def part(self, batch: Batch, index: list[int]) -> Batch:
        return self.brought.part(batch, index)

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
