"""How far do map and object cover each other?"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from benchmarks.explained import Explained
from benchmarks.metrics.fields import number
from benchmarks.metrics.ranking import TIE, average_ranks, constant
from benchmarks.metrics.similarity import pearson


@dataclass(frozen=True)
class MaskIou:
    """Intersection over union of object and the pixels of at least `threshold` times the map's maximum.

    Zhou et al. 2016 cut their maps at .2 of the maximum, but compare boxes around the largest connected part.
    """

    threshold: float

    category: ClassVar[str] = "localisation"
    higher_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ("mask",)
    invariant: ClassVar[tuple[str, ...]] = ("scale", "size")
    undefined: ClassVar[str] = "no mask of the explained class, or no positive value in the map"
    passes: ClassVar[tuple[int, int, int]] = (0, 0, 0)
    cites: ClassVar[str] = "Zhou et al. 2016"

    def __post_init__(self) -> None:
        number(self, "threshold", "in (0, 1]", lambda share: 0 < share <= 1)

    def __call__(self, explained: Explained) -> Tensor:
        mask, maps = explained.mask.flatten(1), explained.maps.flatten(1).double()
        largest = maps.amax(1, keepdim=True)
        rounding = TIE * maps.abs().amax(1, keepdim=True)
        chosen = maps >= self.threshold * largest - rounding
        iou = (chosen & mask).sum(1).double() / (chosen | mask).sum(1)
        return torch.where(mask.any(1) & (largest[:, 0] > 0), iou, torch.nan).float()


@dataclass(frozen=True)
class MaskAuc:
    """Area under the ROC curve of the map as a detector of object pixels [Fawcett 2006].

    The chance that a pixel of the object has a larger value than one beside it; a tie counts one half.
    """

    category: ClassVar[str] = "localisation"
    higher_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ("mask",)
    invariant: ClassVar[tuple[str, ...]] = ("scale", "order", "size")
    undefined: ClassVar[str] = "no mask of the explained class, or one of the whole image"
    passes: ClassVar[tuple[int, int, int]] = (0, 0, 0)
    cites: ClassVar[str] = "Fawcett 2006"

    def __call__(self, explained: Explained) -> Tensor:
        mask = explained.mask.flatten(1)
        inside, outside = mask.sum(1).double(), (~mask).sum(1).double()
        ranks = (average_ranks(explained.maps) * mask).sum(1)
        return ((ranks - inside * (inside + 1) / 2) / (inside * outside)).float()  # 0 / 0 where a side is empty


@dataclass(frozen=True)
class MaskCorrelation:
    """Pearson's correlation of map and mask: CC, or PCC [Bylinskii et al. 2019, with a map of fixations]."""

    category: ClassVar[str] = "localisation"
    higher_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ("mask",)
    invariant: ClassVar[tuple[str, ...]] = ("scale", "size")
    undefined: ClassVar[str] = "no mask of the explained class, or one of the whole image, or a constant map"
    passes: ClassVar[tuple[int, int, int]] = (0, 0, 0)
    cites: ClassVar[str] = "Bylinskii et al. 2019"

    def __call__(self, explained: Explained) -> Tensor:
        correlation = pearson(explained.maps.flatten(1), explained.mask.flatten(1))
        return torch.where(constant(explained.maps), torch.nan, correlation).float()


@dataclass(frozen=True)
class MaskSimilarity:
    """What the map's positive part and the mask share as distributions: SIM [Bylinskii et al. 2019].

    The sum over pixels of the smaller of both, each of sum 1. The authors' code shifts a map so that its minimum is 0;
    here negative values, which speak against the class, count as 0.
    """

    category: ClassVar[str] = "localisation"
    higher_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ("mask",)
    invariant: ClassVar[tuple[str, ...]] = ("scale", "size")
    undefined: ClassVar[str] = "no mask of the explained class, or no positive value in the map"
    passes: ClassVar[tuple[int, int, int]] = (0, 0, 0)
    cites: ClassVar[str] = "Bylinskii et al. 2019"

    def __call__(self, explained: Explained) -> Tensor:
        mask = explained.mask.flatten(1).double()
        evidence = explained.maps.flatten(1).double().clamp(min=0)
        shares = (side / side.sum(1, keepdim=True) for side in (evidence, mask))  # 0 / 0 where one is empty
        return torch.minimum(*shares).sum(1).float()
