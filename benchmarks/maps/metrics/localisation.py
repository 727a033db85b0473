"""Does the map point at the object?"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from benchmarks.explained import Explained
from benchmarks.metrics.fields import number
from benchmarks.metrics.ranking import top


@dataclass(frozen=True)
class PointingGame:
    """Whether the map's largest pixel lies on the object [Zhang et al. 2018].

    Without the paper's tolerance of 15 pixels. Where several pixels share the maximum, the share of them on the object:
    the expected hit, so that a constant map scores the object's share of the image.
    """

    category: ClassVar[str] = "localisation"
    higher_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    version: ClassVar[int] = 2
    needs: ClassVar[tuple[str, ...]] = ("mask",)
    invariant: ClassVar[tuple[str, ...]] = ("scale", "order", "size")
    undefined: ClassVar[str] = "no mask of the explained class"
    passes: ClassVar[tuple[int, int, int]] = (0, 0, 0)
    cites: ClassVar[str] = "Zhang et al. 2018"

    def __call__(self, explained: Explained) -> Tensor:
        mask = explained.mask.flatten(1)
        hit = (top(explained.maps, 1) * mask).sum(1)
        return torch.where(mask.any(1), hit, torch.nan).float()


@dataclass(frozen=True)
class EnergyInMask:
    """Share of the map's positive part on the object: energy-based pointing game [Wang et al. 2020]."""

    category: ClassVar[str] = "localisation"
    higher_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ("mask",)
    invariant: ClassVar[tuple[str, ...]] = ("scale", "size")
    undefined: ClassVar[str] = "no mask of the explained class, or no positive value in the map"
    passes: ClassVar[tuple[int, int, int]] = (0, 0, 0)
    cites: ClassVar[str] = "Wang et al. 2020"

    def __call__(self, explained: Explained) -> Tensor:
        mask = explained.mask.flatten(1)
        energy = explained.maps.flatten(1).double().clamp(min=0)
        total = energy.sum(1)
        return torch.where(mask.any(1) & (total > 0), (energy * mask).sum(1) / total, torch.nan).float()


@dataclass(frozen=True)
class RelevanceRank:
    """Relevance rank accuracy: share on the object of K pixels of the K largest [Arras et al. 2022].

    Ties at the K-th place count by their expected share, so that a constant map scores the object's share of the image.
    """

    category: ClassVar[str] = "localisation"
    higher_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    version: ClassVar[int] = 2
    needs: ClassVar[tuple[str, ...]] = ("mask",)
    invariant: ClassVar[tuple[str, ...]] = ("scale", "order", "size")
    undefined: ClassVar[str] = "no mask of the explained class"
    passes: ClassVar[tuple[int, int, int]] = (0, 0, 0)
    cites: ClassVar[str] = "Arras et al. 2022"

    def __call__(self, explained: Explained) -> Tensor:
        mask = explained.mask.flatten(1)
        size = mask.sum(1, keepdim=True)
        hits = (top(explained.maps, size) * mask).sum(1)
        return torch.where(size[:, 0] > 0, hits / size[:, 0], torch.nan).float()


@dataclass(frozen=True)
class TopKInMask:
    """Share on the object of the `fraction` of largest pixels: top-k intersection [Theiner et al. 2022].

    Where the fraction is no whole number of pixels, the last counts in part. Ties there count by their expected share,
    so that a constant map scores the object's share of the image. An object smaller than the fraction cannot reach 1.
    """

    fraction: float

    category: ClassVar[str] = "localisation"
    higher_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ("mask",)
    invariant: ClassVar[tuple[str, ...]] = ("scale", "order", "size")
    undefined: ClassVar[str] = "no mask of the explained class"
    passes: ClassVar[tuple[int, int, int]] = (0, 0, 0)
    cites: ClassVar[str] = "Theiner et al. 2022"

    def __post_init__(self) -> None:
        number(self, "fraction", "in (0, 1]", lambda share: 0 < share <= 1)

    def __call__(self, explained: Explained) -> Tensor:
        mask = explained.mask.flatten(1)
        count = self.fraction * mask.shape[1]
        hits = (top(explained.maps, count) * mask).sum(1)
        return torch.where(mask.any(1), hits / count, torch.nan).float()


@dataclass(frozen=True)
class GridPointing:
    """Share of the map's positive part in the cell of its class in a 2 x 2 mosaic [Boehle et al. 2021].

    Chance is .25. A map without a positive value scores 0 in the authors' code; here it is undefined, and counted and
    bounded as such, because such a map points at no cell rather than at a wrong one.
    """

    category: ClassVar[str] = "localisation"
    higher_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ("mask",)
    invariant: ClassVar[tuple[str, ...]] = ("scale", "size")
    undefined: ClassVar[str] = "the mask is no single cell of a 2 x 2 mosaic, or no positive value in the map"
    passes: ClassVar[tuple[int, int, int]] = (0, 0, 0)
    cites: ClassVar[str] = "Boehle et al. 2021"

    def __call__(self, explained: Explained) -> Tensor:
        mask, energy = explained.mask, explained.maps.double().clamp(min=0)
        h, w = mask.shape[1:]
        corners = [mask[:, rows, columns] for rows in halves(h) for columns in halves(w)]
        full = torch.stack([corner.all(2).all(1) for corner in corners], 1).sum(1)
        cell = h * w / 4 if h % 2 == w % 2 == 0 else torch.nan
        one_cell = (full == 1) & (mask.sum((1, 2)) == cell)
        total = energy.sum((1, 2))
        return torch.where(one_cell & (total > 0), (energy * mask).sum((1, 2)) / total, torch.nan).float()


def halves(side: int) -> tuple[slice, slice]:
    return slice(side // 2), slice(side - side // 2, side)
