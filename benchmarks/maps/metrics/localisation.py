"""Does the map point at the object, and how far do both cover each other?"""

from functools import partial, partialmethod

import torch
from torch import Tensor

from benchmarks.explained import Explained
from benchmarks.maps.metrics.ranking import TIE, average_ranks, constant, top
from benchmarks.maps.metrics.similarity import pearson
from entries import number, scores

localises = partial(scores, "localisation", higher_is_better=True, bounds=(0.0, 1.0), needs=("mask",))
ORDER = "scale", "order", "size"
NO_MASK = "no mask of the explained class"
ONE_SIDE = f"{NO_MASK}, or one of the whole image"
NOTHING_POSITIVE = f"{NO_MASK}, or no positive value in the map"


@localises(cites="Zhang et al. 2018", version=2, invariant=ORDER, undefined=NO_MASK)
class PointingGame:
    """Whether the map's largest pixel lies on the object [Zhang et al. 2018].

    The paper's tolerance of 15 pixels is left out. Of several pixels that share the maximum, the share on the object
    counts, so a constant map scores the object's share of the image.
    """

    def __call__(self, explained: Explained) -> Tensor:
        mask = explained.mask.flatten(1)
        hit = (top(explained.maps, 1) * mask).sum(1)
        return torch.where(mask.any(1), hit, torch.nan).float()


@localises(cites="Wang et al. 2020", invariant=("scale", "size"), undefined=NOTHING_POSITIVE)
class EnergyInMask:
    """Energy-based pointing game: share of the map's positive part on the object [Wang et al. 2020]."""

    def __call__(self, explained: Explained) -> Tensor:
        mask = explained.mask.flatten(1)
        energy = explained.maps.flatten(1).double().clamp(min=0)
        total = energy.sum(1)
        return torch.where(mask.any(1) & (total > 0), (energy * mask).sum(1) / total, torch.nan).float()


@localises(cites="Arras et al. 2022", version=2, invariant=ORDER, undefined=NO_MASK)
class RelevanceRank:
    """Relevance rank accuracy: share of the K largest pixels on the object of K [Arras et al. 2022].

    Ties at the K-th place count by their expected share, so a constant map scores the object's share of the image.
    """

    def __call__(self, explained: Explained) -> Tensor:
        mask = explained.mask.flatten(1)
        size = mask.sum(1, keepdim=True)
        hits = (top(explained.maps, size) * mask).sum(1)
        return torch.where(size[:, 0] > 0, hits / size[:, 0], torch.nan).float()


@localises(cites="Theiner et al. 2022", invariant=ORDER, undefined=NO_MASK)
class TopKInMask:
    """Share of the `fraction` of largest pixels on the object: top-k intersection [Theiner et al. 2022].

    Where the fraction is no whole number of pixels, the last pixel counts in part. Ties there count by their expected
    share, so a constant map scores the object's share of the image. A smaller object cannot reach 1.
    """

    fraction: float
    __post_init__ = partialmethod(number, "fraction", "in (0, 1]", lambda share: 0 < share <= 1)

    def __call__(self, explained: Explained) -> Tensor:
        mask = explained.mask.flatten(1)
        count = self.fraction * mask.shape[1]
        hits = (top(explained.maps, count) * mask).sum(1)
        return torch.where(mask.any(1), hits / count, torch.nan).float()


@localises(
    cites="Boehle et al. 2021",
    invariant=("scale", "size"),
    undefined="the mask is no single cell of a 2 x 2 mosaic, or no positive value in the map",
)
class GridPointing:
    """Share of the map's positive part in the cell of its class in a 2 x 2 mosaic [Boehle et al. 2021].

    Chance is .25. A map without a positive value scores 0 in the authors' code. Here it is undefined, since it points
    at no cell.
    """

    def __call__(self, explained: Explained) -> Tensor:
        mask = explained.mask
        h, w = mask.shape[1:]
        corners = [mask[:, rows, columns] for rows in halves(h) for columns in halves(w)]
        full = torch.stack([corner.all(2).all(1) for corner in corners], 1).sum(1)
        cell = h * w / 4 if h % 2 == w % 2 == 0 else torch.nan
        one_cell = (full == 1) & (mask.sum((1, 2)) == cell)
        return torch.where(one_cell, EnergyInMask()(explained), torch.nan)


@localises(cites="Zhou et al. 2016", invariant=("scale", "size"), undefined=NOTHING_POSITIVE)
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
class MaskCorrelation:
    """Pearson's correlation of map and mask: CC, or PCC [Bylinskii et al. 2019, with a map of fixations]."""

    def __call__(self, explained: Explained) -> Tensor:
        correlation = pearson(explained.maps.flatten(1), explained.mask.flatten(1))
        return torch.where(constant(explained.maps), torch.nan, correlation).float()


@localises(cites="Bylinskii et al. 2019", invariant=("scale", "size"), undefined=NOTHING_POSITIVE)
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


def halves(side: int) -> tuple[slice, slice]:
    return slice(side // 2), slice(side - side // 2, side)
