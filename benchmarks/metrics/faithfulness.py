"""Does the model rely on what the map marks?"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from benchmarks.explained import Explained
from benchmarks.metrics.baselines import BASELINES, baseline, baseline_logits
from benchmarks.metrics.ranking import constant, pixel_order
from benchmarks.metrics.similarity import pearson

STILL = 2.0**-20  # of the largest logit: a target logit that moves less does not move but by rounding


@dataclass(frozen=True)
class Deletion:
    """Area under the target's probability while pixels are removed, largest first [Petsiuk et al. 2018].

    Trapezoid rule over the fractions k / steps, both ends included: a constant probability is its own score. Step k
    removes round(k N / steps) of the N pixels, all channels at once, which become `baseline`.
    """

    category: ClassVar[str] = "faithfulness"
    higher_is_better: ClassVar[bool] = False
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ()
    undefined: ClassVar[str] = "the probability is not a number"
    cites: ClassVar[str] = "Petsiuk et al. 2018"

    steps: int
    baseline: str
    seed: int

    def __post_init__(self) -> None:
        check_curve(self)

    def __call__(self, explained: Explained) -> Tensor:
        return area(self.curve(explained)[1])

    def curve(self, explained: Explained) -> tuple[Tensor, Tensor]:
        """Return the removed fractions (steps + 1,) and the probabilities (n, steps + 1)."""
        return removal_curve(explained, self.steps, self.baseline, self.seed)


@dataclass(frozen=True)
class Insertion:
    """Area under the target's probability while pixels are inserted, largest first [Petsiuk et al. 2018].

    From `baseline` to the image; steps, ends and rule are those of `Deletion`.
    """

    category: ClassVar[str] = "faithfulness"
    higher_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ()
    undefined: ClassVar[str] = "the probability is not a number"
    cites: ClassVar[str] = "Petsiuk et al. 2018"

    steps: int
    baseline: str
    seed: int

    def __post_init__(self) -> None:
        check_curve(self)

    def __call__(self, explained: Explained) -> Tensor:
        return area(self.curve(explained)[1])

    def curve(self, explained: Explained) -> tuple[Tensor, Tensor]:
        """Return the inserted fractions (steps + 1,) and the probabilities (n, steps + 1)."""
        key, x = ("insertion", self.steps, self.baseline, self.seed), explained.x
        start = baseline(explained, self.baseline, self.seed)
        ends = baseline_logits(explained, self.baseline, self.seed), explained.clean_logits()
        return explained.once(key, lambda: replaced(explained, self.steps, self.seed, start, x, ends))


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
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ()
    undefined: ClassVar[str] = "the probability is not a number"
    cites: ClassVar[str] = "Samek et al. 2017"

    steps: int
    removed: float
    baseline: str
    seed: int

    def __post_init__(self) -> None:
        check_curve(self)
        if type(self.removed) not in (int, float) or not 0.5 / self.steps < self.removed <= 1:
            raise ValueError(f"Aopc needs at least one step in removed <= 1; removed={self.removed!r} was given")

    def __call__(self, explained: Explained) -> Tensor:
        probability = removal_curve(explained, self.steps, self.baseline, self.seed)[1].double()
        probability = probability[:, : round(self.removed * self.steps) + 1]
        return (probability[:, :1] - probability).mean(1).float()


@dataclass(frozen=True)
class FaithfulnessCorrelation:
    """Correlation of the map's sum over random pixels with the target logit's fall [Bhatt et al. 2020].

    Pearson's, over `subsets` sets of round(`fraction` N) of the N pixels, set to `baseline`; the same sets for all
    images and methods, and passed once for all of a batch's metrics.
    """

    category: ClassVar[str] = "faithfulness"
    higher_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ()
    undefined: ClassVar[str] = "the map is constant or the target logit does not move"
    cites: ClassVar[str] = "Bhatt et al. 2020"

    subsets: int
    fraction: float
    baseline: str
    seed: int

    def __post_init__(self) -> None:
        if type(self.subsets) is not int or self.subsets < 2:
            raise ValueError(f"FaithfulnessCorrelation needs 2 or more subsets; subsets={self.subsets!r} was given")
        if type(self.fraction) not in (int, float) or not 0 < self.fraction < 1:
            raise ValueError(f"FaithfulnessCorrelation needs 0 < fraction < 1; fraction={self.fraction!r} was given")
        check_baseline(self)

    def __call__(self, explained: Explained) -> Tensor:
        sets = explained.once((*self.key(), "sets"), lambda: self.pixel_sets(explained))
        falls, still = explained.once((*self.key(), "falls"), lambda: self.falls(explained, sets))
        sums = explained.maps.flatten(1).double() @ sets.flatten(1).double().T
        return torch.where(still | constant(explained.maps), torch.nan, pearson(sums, falls)).float()

    def key(self) -> tuple:
        return "pixel sets", self.subsets, self.fraction, self.baseline, self.seed

    def pixel_sets(self, explained: Explained) -> Tensor:
        """Draw the sets (subsets, h, w) bool."""
        h, w = explained.x.shape[2:]
        rng, size = torch.Generator().manual_seed(self.seed), max(1, round(self.fraction * h * w))
        sets = torch.zeros(self.subsets, h * w, dtype=torch.bool)
        for row in sets:
            row[torch.randperm(h * w, generator=rng)[:size]] = True
        return sets.view(self.subsets, h, w).to(explained.x.device)

    def falls(self, explained: Explained, sets: Tensor) -> tuple[Tensor, Tensor]:
        """Return the falls (n, subsets) float64, and for which images they are but rounding, (n,) bool."""
        fill = baseline(explained, self.baseline, self.seed)
        clean = explained.clean_logits()
        falls = [clean - explained.logits(torch.where(pixels, fill, explained.x)) for pixels in sets]
        falls = torch.stack([fall.gather(1, explained.target[:, None])[:, 0] for fall in falls], 1).double()
        return falls, falls.amax(1) - falls.amin(1) <= STILL * clean.abs().amax(1)


def removal_curve(explained: Explained, steps: int, name: str, seed: int) -> tuple[Tensor, Tensor]:
    """Return fractions and probabilities while pixels become the baseline, passed once per batch."""
    key, x, fill = ("removal", steps, name, seed), explained.x, baseline(explained, name, seed)
    ends = explained.clean_logits(), baseline_logits(explained, name, seed)
    return explained.once(key, lambda: replaced(explained, steps, seed, x, fill, ends))


def replaced(
    explained: Explained, steps: int, seed: int, old: Tensor, new: Tensor, ends: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """Return fractions (steps + 1,) and probabilities (n, steps + 1) from `old` to `new`.

    `ends` are the logits of both.
    """
    maps, pixels = explained.maps, explained.maps[0].numel()
    rank = explained.once(("pixel order", seed), lambda: pixel_order(explained, maps, seed))
    first, last = (logits.softmax(1).gather(1, explained.target[:, None])[:, 0] for logits in ends)
    counts = (round(k * pixels / steps) for k in range(1, steps))
    between = [explained.score(torch.where((rank < count)[:, None], new, old)) for count in counts]
    return torch.linspace(0, 1, steps + 1, device=maps.device), torch.stack([first, *between, last], 1)


def area(probability: Tensor) -> Tensor:
    """Integrate (n, steps + 1) values over [0, 1] by the trapezoid rule."""
    return (torch.trapezoid(probability.double(), dim=1) / (probability.shape[1] - 1)).float()


def check_curve(metric: Deletion | Insertion | Aopc) -> None:
    if type(metric.steps) is not int or metric.steps < 1:
        raise ValueError(f"{type(metric).__name__} needs a whole steps >= 1; steps={metric.steps!r} was given")
    check_baseline(metric)


def check_baseline(metric: Deletion | Insertion | Aopc | FaithfulnessCorrelation) -> None:
    name = type(metric).__name__
    if metric.baseline not in BASELINES:
        raise ValueError(f"{name} needs a baseline of {', '.join(BASELINES)}; baseline={metric.baseline!r} was given")
    if type(metric.seed) is not int or metric.seed < 0:
        raise ValueError(f"{name} needs a whole seed >= 0; seed={metric.seed!r} was given")
