"""Scores of the map's sums over random subsets of pixels against what the model loses without them."""

from functools import partial

import torch
from torch import Tensor

from benchmarks.explained import Explained, draws
from benchmarks.maps.metrics.baselines import filled, imputed
from benchmarks.maps.metrics.ranking import constant
from benchmarks.maps.metrics.similarity import pearson
from entries import number, refuse, scores

EQUAL = 2.0**-36  # of the map's sum of magnitudes: sums in float64 that differ less are equal but for rounding
STILL = 2.0**-20  # of the largest logit: a target logit that moves less does not move but by rounding
correlates = partial(scores, "faithfulness", higher_is_better=True, bounds=(-1.0, 1.0), invariant=("scale",))


@correlates(cites="Bhatt et al. 2020", undefined="the map or its sum is constant, or the target logit does not move")
class FaithfulnessCorrelation:
    """Correlation of the map's sum over random pixels with the target logit's fall [Bhatt et al. 2020].

    Pearson's correlation is taken over `subsets` sets of round(`fraction` N) of the N pixels, which become `baseline`.
    The sets are the same for all images and methods, and are passed once for all methods.
    """

    subsets: int
    fraction: float
    baseline: str
    seed: int
    passes = property(lambda self: (0, self.subsets, 0))

    def __post_init__(self) -> None:
        number(self, "fraction", "between 0 and 1", lambda f: 0 < f < 1)
        filled(self, subsets=2)

    def __call__(self, explained: Explained) -> Tensor:
        return correlation(explained, self.pixel_sets(explained), self.falls(explained)).float()

    def pixel_sets(self, explained: Explained) -> Tensor:
        """Draw the sets (subsets, h, w) bool."""
        key, rng = ("pixel sets", self.subsets, self.fraction, self.seed), torch.Generator().manual_seed(self.seed)
        return explained.once(key, lambda: random_sets(explained, self.subsets, self.fraction, rng))

    def falls(self, explained: Explained) -> Tensor:
        """Return by how much the target logit falls without each set, (n, subsets) float64."""
        key = "falls without pixel sets", self.subsets, self.fraction, self.baseline, self.seed
        sets = self.pixel_sets(explained)
        return explained.for_all(key, lambda: falls_without(explained, sets, self.baseline, self.seed))


@correlates(
    cites="Ancona et al. 2018",
    undefined="at one of the sizes, the map's sum is constant or the target logit does not move",
)
class SensitivityN:
    """Correlation of map sums with the target logit's fall, over set sizes [Ancona et al. 2018].

    For each of `fractions`, Pearson's correlation is taken over `subsets` sets of n = round(fraction N) of the N
    pixels, image by image. The score is the mean over the sizes, and the curve has each of them. The sets are
    independent of one another and the same for all images and methods. The paper draws 100 sets for each of more sizes.
    """

    subsets: int
    fractions: tuple[float, ...]
    baseline: str
    seed: int
    passes = property(lambda self: (0, self.subsets * len(self.fractions), 0))

    def __post_init__(self) -> None:
        listed = isinstance(self.fractions, list | tuple) and self.fractions
        if not listed or not all(type(item) is float and 0 < item < 1 for item in self.fractions):
            refuse(self, "fractions", "a list of numbers between 0 and 1 as fractions")
        object.__setattr__(self, "fractions", tuple(self.fractions))
        filled(self, subsets=2)

    def __call__(self, explained: Explained) -> Tensor:
        return self.curve(explained)[1].double().mean(1).float()

    def curve(self, explained: Explained) -> tuple[Tensor, Tensor]:
        """Return the fractions (k,) and the correlation at each (n, k)."""
        pairs = zip(self.pixel_sets(explained), self.falls(explained), strict=True)
        values = torch.stack([correlation(explained, sets, falls) for sets, falls in pairs], 1)
        return explained.maps.new_tensor(self.fractions), values.float()

    def pixel_sets(self, explained: Explained) -> list[Tensor]:
        """Draw the sets (subsets, h, w) bool of each size."""
        key, rng = ("pixel sets", self.subsets, self.fractions, self.seed), draws(self.seed, "pixel sets")
        return explained.once(key, lambda: [random_sets(explained, self.subsets, f, rng) for f in self.fractions])

    def falls(self, explained: Explained) -> list[Tensor]:
        """Return by how much the target logit falls without each set, (n, subsets) float64 for each size."""
        key = "falls without pixel sets", self.subsets, self.fractions, self.baseline, self.seed
        sizes, settings = self.pixel_sets(explained), (self.baseline, self.seed)
        return explained.for_all(key, lambda: [falls_without(explained, sets, *settings) for sets in sizes])


def random_sets(explained: Explained, subsets: int, fraction: float, rng: torch.Generator) -> Tensor:
    """Draw sets (subsets, h, w) bool of round(fraction N) of the N pixels, at least one."""
    h, w = explained.x.shape[2:]
    sets, size = torch.zeros(subsets, h * w, dtype=torch.bool), max(1, round(fraction * h * w))
    for row in sets:
        row[torch.randperm(h * w, generator=rng)[:size]] = True
    return sets.view(subsets, h, w).to(explained.x.device)


def falls_without(explained: Explained, sets: Tensor, baseline: str, seed: int) -> Tensor:
    """Return by how much the target logit falls without each set of pixels (k, h, w), (n, k) float64."""
    clean, n = explained.clean_logits(), len(explained.x)
    lost = [clean - explained.logits(imputed(explained, part.expand(n, -1, -1), baseline, seed)) for part in sets]
    return torch.stack([fall.gather(1, explained.target[:, None])[:, 0] for fall in lost], 1).double()


def rounding(explained: Explained) -> Tensor:
    """Return the largest fall (n,) that may be nothing but rounding."""
    return STILL * explained.clean_logits().abs().amax(1)


def correlation(explained: Explained, sets: Tensor, falls: Tensor) -> Tensor:
    """Correlate the map's sums over the sets (k, h, w) with the falls (n, k), (n,) float64."""
    maps = explained.maps.flatten(1).double()
    sums = maps @ sets.flatten(1).double().T
    equal = sums.amax(1) - sums.amin(1) <= EQUAL * maps.abs().sum(1)
    still = falls.amax(1) - falls.amin(1) <= rounding(explained)
    return torch.where(still | equal | constant(explained.maps), torch.nan, pearson(sums, falls))
