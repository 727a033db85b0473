"""Scores of the curves that arise when pixels are removed or inserted in the order of the map."""

from dataclasses import dataclass

from torch import Tensor

from benchmarks.explained import Explained
from benchmarks.maps.metrics.baselines import filled
from benchmarks.maps.metrics.faithfulness import curves
from benchmarks.maps.metrics.faithfulness.curves import faithful
from entries import number


@faithful(higher_is_better=False, cites="Petsiuk et al. 2018", bounds=(0.0, 1.0), version=2)
@dataclass(frozen=True)
class Deletion:
    """Area under the target's probability while pixels are removed, largest first [Petsiuk et al. 2018].

    The trapezoid rule integrates over the fractions k / steps with both ends, so a constant probability is its own
    score. Step k removes round(k N / steps) of the N pixels with all their channels; they become `baseline`.
    """

    steps: int
    baseline: str
    seed: int
    invariant = curves.sized("scale", "order", "steps")
    passes = property(lambda self: (self.steps - 1, 1, 0))
    __post_init__ = curves.stepped
    __call__ = curves.area_under

    def curve(self, explained: Explained) -> tuple[Tensor, Tensor]:
        """Return the removed fractions (steps + 1,) and the probabilities (n, steps + 1)."""
        logits = curves.removal(explained, self.steps, self.baseline, self.seed)
        return curves.fractions(self.steps, explained), curves.probability(explained, logits)


@faithful(higher_is_better=True, cites="Petsiuk et al. 2018", bounds=(0.0, 1.0), version=2)
@dataclass(frozen=True)
class Insertion:
    """Area under the target's probability while pixels are inserted, largest first [Petsiuk et al. 2018].

    The curve leads from `baseline` to the image; steps, ends and rule are those of `Deletion`.
    """

    steps: int
    baseline: str
    seed: int
    invariant = ("scale", "order", "steps")
    passes = property(lambda self: (self.steps - 1, 1, 0))
    __post_init__ = curves.stepped
    __call__ = curves.area_under

    def curve(self, explained: Explained) -> tuple[Tensor, Tensor]:
        """Return the inserted fractions (steps + 1,) and the probabilities (n, steps + 1)."""
        logits = curves.removal(explained, self.steps, self.baseline, self.seed, keep=True)
        return curves.fractions(self.steps, explained), curves.probability(explained, logits)


@faithful(higher_is_better=True, cites="Samek et al. 2017", bounds=(-1.0, 1.0), version=2)
@dataclass(frozen=True)
class Aopc:
    """Mean fall of the target's probability over the deletion curve [Samek et al. 2017].

    The score is 1 / (L + 1) times the sum over k = 0..L of f(x_0) - f(x_k), most relevant first, until the share
    `removed` of the pixels is gone: L = round(removed steps). The paper's 100 regions of 9 x 9 are 16 % of an image;
    over the whole image the mean would rank like `Deletion`. Departs from the paper: pixels in place of regions, and a
    named baseline. With the settings of `Deletion` it needs no pass of its own.
    """

    steps: int
    removed: float
    baseline: str
    seed: int
    invariant = curves.sized("scale", "order")
    passes = property(lambda self: (self.steps - 1, 1, 0))

    def __post_init__(self) -> None:
        filled(self, steps=1)
        number(self, "removed", "of at least one step and at most 1", lambda r: 0.5 / self.steps < r <= 1)

    def __call__(self, explained: Explained) -> Tensor:
        logits = curves.removal(explained, self.steps, self.baseline, self.seed)
        probability = curves.probability(explained, logits).double()[:, : round(self.removed * self.steps) + 1]
        return (probability[:, :1] - probability).mean(1).float()


@faithful(higher_is_better=True, cites="Samek et al. 2017", bounds=(-1.0, 1.0))
@dataclass(frozen=True)
class Abpc:
    """Area between the curves of the smallest and the largest pixels first [Samek et al. 2017].

    The curves are those of the target's probability while pixels are removed. An order that says nothing scores about
    0, whatever the removal does to the image; the paper compares ways of removal by it. Departs from the paper: pixels
    in place of regions, and the trapezoid rule of `Deletion` in place of the sum over steps.
    """

    steps: int
    baseline: str
    seed: int
    invariant = curves.sized("scale", "order", "steps")
    passes = property(lambda self: (2 * (self.steps - 1), 1, 0))
    __post_init__ = curves.stepped
    __call__ = curves.area_under

    def curve(self, explained: Explained) -> tuple[Tensor, Tensor]:
        """Return the removed fractions (steps + 1,) and the gap between the curves (n, steps + 1)."""
        largest_first = curves.removal(explained, self.steps, self.baseline, self.seed)
        smallest_first = curves.removal(explained, self.steps, self.baseline, self.seed, keep=True).flip(1)
        gap = curves.probability(explained, smallest_first) - curves.probability(explained, largest_first)
        return curves.fractions(self.steps, explained), gap
