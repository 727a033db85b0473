"""What a metric of given concepts sees: claims of concepts and classes, and the measured effects of the concepts."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from torch import Tensor, nn

from entries import once


class Truth(NamedTuple):
    """Measured effects (w, k) in standard deviations of the class's logit, with the ends of their 95 % intervals."""

    mean: Tensor
    low: Tensor
    high: Tensor


@dataclass(frozen=True, eq=False)
class Claimed:
    """Claims of all concepts and classes. `measure` raises Inapplicable where no effect can be measured."""

    model: nn.Module
    x: Tensor  # (n, 3, h, w) images of all classes, normalised for the model
    words: tuple[str, ...]
    factors: tuple[str, ...]  # of each word; words of one factor exclude each other; the word itself where unknown
    classes: tuple[str, ...]
    claims: object  # methods.concepts.cavs.Claims
    measure: Callable[[], Truth]
    delta: float  # the smallest effect that counts
    alpha: float
    store: Callable | None = field(default=None, repr=False)  # `benchmarks.store.Store`
    shared: dict[Hashable, object] = field(default_factory=dict, repr=False)
    once = once

    @property
    def significant(self) -> Tensor:
        """Return which claims (w, k) hold at level alpha, adjusted for the number of pairs."""
        return self.claims.adjusted <= self.alpha

    @cached_property
    def truth(self) -> Truth:
        return self.measure()

    @property
    def relevant(self) -> Tensor:
        """Return which pairs (w, k) have an effect that counts: the whole interval lies beyond delta."""
        return (self.truth.low > self.delta) | (self.truth.high < -self.delta)

    @property
    def irrelevant(self) -> Tensor:
        """Return which pairs (w, k) have none: the whole interval lies within delta. Other pairs are undecided."""
        return (self.truth.low >= -self.delta) & (self.truth.high <= self.delta)
