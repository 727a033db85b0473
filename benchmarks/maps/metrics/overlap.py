"""How far do map and object cover each other?"""

from dataclasses import dataclass
from functools import partialmethod

import torch
from torch import Tensor

from benchmarks.explained import Explained
from benchmarks.maps.metrics.localisation import NO_MASK, NOTHING_POSITIVE, ORDER, localises
from benchmarks.maps.metrics.ranking import TIE, average_ranks, constant
from benchmarks.maps.metrics.similarity import pearson
from entries import number

ONE_SIDE = f"{NO_MASK}, or one of the whole image"


@localises(cites="Zhou et al. 2016", invariant=("scale", "size"), undefined=NOTHING_POSITIVE)
@dataclass(frozen=True)
class MaskIou:
    """Intersection over union of the object and the map's largest values [after Zhou et al. 2016].

    The largest values are those of at least `threshold` times the map's maximum. Zhou et al. use .2 of the maximum,
    too, but they compare boxes around the largest connected part.
    """

    threshold: float
    __post_init__ = partialmethod(number, "threshold", "in (0, 1]", lambda share: 0 < share <= 1)

    def __call__(self, explained: Explained) -> Tensor:
        mask, maps = explained.mask.flatten(1), explained.maps.flatten(1).double()
        largest = maps.amax(1, keepdim=True)
        rounding = TIE * maps.abs().amax(1, keepdim=True)
        chosen = maps >= self.threshold * largest - rounding
        iou = (chosen & mask).sum(1).double() / (chosen | mask).sum(1)
        return torch.where(mask.any(1) & (largest[:, 0] > 0), iou, torch.nan).float()


@localises(cites="Fawcett 2006", invariant=ORDER, undefined=ONE_SIDE)
@dataclass(frozen=True)
class MaskAuc:
    """Area under the ROC curve of the map as a detector of object pixels [Fawcett 2006].

    This is the chance that a pixel of the object has a larger value than a pixel beside it; a tie counts one half.
    """

    def __call__(self, explained: Explained) -> Tensor:
        mask = explained.mask.flatten(1)
        inside, outside = mask.sum(1).double(), (~mask).sum(1).double()
        ranks = (average_ranks(explained.maps) * mask).sum(1)
        return ((ranks - inside * (inside + 1) / 2) / (inside * outside)).float()  # 0 / 0 where a side is empty


@localises(
    cites="Bylinskii et al. 2019",
    bounds=(-1.0, 1.0),
    invariant=("scale", "size"),
    undefined=f"{ONE_SIDE}, or a constant map",
)
@dataclass(frozen=True)
class MaskCorrelation:
    """Pearson's correlation of map and mask: CC, or PCC [Bylinskii et al. 2019, with a map of fixations]."""

    def __call__(self, explained: Explained) -> Tensor:
        correlation = pearson(explained.maps.flatten(1), explained.mask.flatten(1))
        return torch.where(constant(explained.maps), torch.nan, correlation).float()


@localises(cites="Bylinskii et al. 2019", invariant=("scale", "size"), undefined=NOTHING_POSITIVE)
@dataclass(frozen=True)
class MaskSimilarity:
    """What the map's positive part and the mask share as distributions: SIM [Bylinskii et al. 2019].

    Both are divided by their sums, and the score is the sum over pixels of the smaller value. The authors' code shifts
    a map so that its minimum is 0; here negative values, which speak against the class, count as 0.
    """

    def __call__(self, explained: Explained) -> Tensor:
        mask = explained.mask.flatten(1).double()
        evidence = explained.maps.flatten(1).double().clamp(min=0)
        shares = (side / side.sum(1, keepdim=True) for side in (evidence, mask))  # 0 / 0 where one is empty
        return torch.minimum(*shares).sum(1).float()
