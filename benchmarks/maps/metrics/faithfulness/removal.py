"""Scores of the curves that arise when pixels are removed or inserted in the order of the map."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from benchmarks.explained import Explained
from benchmarks.metrics.faithfulness import curves
from benchmarks.metrics.fields import filled, number, whole


@dataclass(frozen=True)
class Deletion:
    """Area under the target's probability while pixels are removed, largest first [Petsiuk et al. 2018].

    Trapezoid rule over the fractions k / steps, both ends included: a constant probability is its own score. Step k
    removes round(k N / steps) of the N pixels, all channels at once, which become `baseline`.
    """

    category: ClassVar[str] = "faithfulness"
    higher_is_better: ClassVar[bool] = False
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    version: ClassVar[int] = 2
    needs: ClassVar[tuple[str, ...]] = ()
    undefined: ClassVar[str] = "the probability is not a number"
    cites: ClassVar[str] = "Petsiuk et al. 2018"

    steps: int
    baseline: str
    seed: int

    def __post_init__(self) -> None:
        whole(self, steps=1)
        filled(self)

    @property
    def invariant(self) -> tuple[str, ...]:
        return curves.sized(self.baseline, "scale", "order", "steps")

    @property
    def passes(self) -> tuple[int, int, int]:
        return self.steps - 1, 1, 0

    def __call__(self, explained: Explained) -> Tensor:
        return curves.area(self.curve(explained)[1])

    def curve(self, explained: Explained) -> tuple[Tensor, Tensor]:
        """Return the removed fractions (steps + 1,) and the probabilities (n, steps + 1)."""
        logits = curves.removal(explained, self.steps, self.baseline, self.seed)
        return curves.fractions(self.steps, explained), curves.probability(explained, logits)


@dataclass(frozen=True)
class Insertion:
    """Area under the target's probability while pixels are inserted, largest first [Petsiuk et al. 2018].

    From `baseline` to the image; steps, ends and rule are those of `Deletion`.
    """

    category: ClassVar[str] = "faithfulness"
    higher_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    version: ClassVar[int] = 2
    needs: ClassVar[tuple[str, ...]] = ()
    invariant: ClassVar[tuple[str, ...]] = ("scale", "order", "steps")
    undefined: ClassVar[str] = "the probability is not a number"
    cites: ClassVar[str] = "Petsiuk et al. 2018"

    steps: int
    baseline: str
    seed: int

    def __post_init__(self) -> None:
        whole(self, steps=1)
        filled(self)

    @property
    def passes(self) -> tuple[int, int, int]:
        return self.steps - 1, 1, 0

    def __call__(self, explained: Explained) -> Tensor:
        return curves.area(self.curve(explained)[1])

    def curve(self, explained: Explained) -> tuple[Tensor, Tensor]:
        """Return the inserted fractions (steps + 1,) and the probabilities (n, steps + 1)."""
        logits = curves.insertion(explained, self.steps, self.baseline, self.seed)
        return curves.fractions(self.steps, explained), curves.probability(explained, logits)


@dataclass(frozen=True)
class Aopc:
    """Mean fall of the target's probability over the deletion curve [Samek et al. 2017].

    1 / (L + 1) sum over k = 0..L of f(x_0) - f(x_k), most relevant first, until the share `removed` of the pixels is
    gone: L = round(removed steps). The paper's 100 regions of 9 x 9 are 16 % of an image; over the whole image the mean
    would rank like `Deletion`. Departs from the paper: pixels in place of regions, and a named baseline. With the
    settings of `Deletion` it needs no pass of its own.
    """

    category: ClassVar[str] = "faithfulness"
    higher_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    version: ClassVar[int] = 2
    needs: ClassVar[tuple[str, ...]] = ()
    undefined: ClassVar[str] = "the probability is not a number"
    cites: ClassVar[str] = "Samek et al. 2017"

    steps: int
    removed: float
    baseline: str
    seed: int

    def __post_init__(self) -> None:
        whole(self, steps=1)
        filled(self)
        number(self, "removed", "of at least one step and at most 1", lambda r: 0.5 / self.steps < r <= 1)

    @property
    def invariant(self) -> tuple[str, ...]:
        return curves.sized(self.baseline, "scale", "order")

    @property
    def passes(self) -> tuple[int, int, int]:
        return self.steps - 1, 1, 0

    def __call__(self, explained: Explained) -> Tensor:
        logits = curves.removal(explained, self.steps, self.baseline, self.seed)
        probability = curves.probability(explained, logits).double()[:, : round(self.removed * self.steps) + 1]
        return (probability[:, :1] - probability).mean(1).float()


@dataclass(frozen=True)
class Abpc:
    """Area between the curves of the smallest and the largest pixels first [Samek et al. 2017].

    Of the target's probability while pixels are removed. An order that says nothing has about 0, whatever the removal
    does to the image; the paper compares ways of removal by it. Departs from the paper: pixels in place of regions, and
    the trapezoid rule of `Deletion` in place of the sum over steps. The curve of the largest first is `Deletion`'s.
    """

    category: ClassVar[str] = "faithfulness"
    higher_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ()
    undefined: ClassVar[str] = "the probability is not a number"
    cites: ClassVar[str] = "Samek et al. 2017"

    steps: int
    baseline: str
    seed: int

    def __post_init__(self) -> None:
        whole(self, steps=1)
        filled(self)

    @property
    def invariant(self) -> tuple[str, ...]:
        return curves.sized(self.baseline, "scale", "order", "steps")

    @property
    def passes(self) -> tuple[int, int, int]:
        return 2 * (self.steps - 1), 1, 0

    def __call__(self, explained: Explained) -> Tensor:
        return curves.area(self.curve(explained)[1])

    def curve(self, explained: Explained) -> tuple[Tensor, Tensor]:
        """Return the removed fractions (steps + 1,) and the gap between the curves (n, steps + 1)."""
        largest_first = curves.removal(explained, self.steps, self.baseline, self.seed)
        smallest_first = curves.insertion(explained, self.steps, self.baseline, self.seed).flip(1)
        gap = curves.probability(explained, smallest_first) - curves.probability(explained, largest_first)
        return curves.fractions(self.steps, explained), gap
