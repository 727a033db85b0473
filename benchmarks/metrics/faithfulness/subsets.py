"""Scores of the map's sums over random subsets of pixels against what the model loses without them."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from benchmarks.explained import Explained
from benchmarks.metrics.baselines import baseline
from benchmarks.metrics.fields import filled, number, whole
from benchmarks.metrics.ranking import constant
from benchmarks.metrics.similarity import pearson

STILL = 2.0**-20  # of the largest logit: a target logit that moves less does not move but by rounding


@dataclass(frozen=True)
class FaithfulnessCorrelation:
    """Correlation of the map's sum over random pixels with the target logit's fall [Bhatt et al. 2020].

    Pearson's, over `subsets` sets of round(`fraction` N) of the N pixels, set to `baseline`; the same sets for all
    images and methods, and passed once for all methods.
    """

    category: ClassVar[str] = "faithfulness"
    higher_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ()
    invariant: ClassVar[tuple[str, ...]] = ("scale",)
    undefined: ClassVar[str] = "the map is constant or the target logit does not move"
    cites: ClassVar[str] = "Bhatt et al. 2020"

    subsets: int
    fraction: float
    baseline: str
    seed: int

    def __post_init__(self) -> None:
        whole(self, subsets=2)
        number(self, "fraction", "between 0 and 1", lambda f: 0 < f < 1)
        filled(self)

    @property
    def passes(self) -> tuple[int, int, int]:
        return 0, self.subsets, 0

    def __call__(self, explained: Explained) -> Tensor:
        sets = explained.once((*self.key(), "sets"), lambda: self.pixel_sets(explained))
        falls, still = explained.for_all((*self.key(), "falls"), lambda: self.falls(explained, sets))
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
