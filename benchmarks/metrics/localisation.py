"""Does the map point at the object?"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from benchmarks.explained import Explained
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
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ("mask",)
    invariant: ClassVar[tuple[str, ...]] = ("scale", "order")
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
    invariant: ClassVar[tuple[str, ...]] = ("scale",)
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
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ("mask",)
    invariant: ClassVar[tuple[str, ...]] = ("scale", "order")
    undefined: ClassVar[str] = "no mask of the explained class"
    passes: ClassVar[tuple[int, int, int]] = (0, 0, 0)
    cites: ClassVar[str] = "Arras et al. 2022"

    def __call__(self, explained: Explained) -> Tensor:
        mask = explained.mask.flatten(1)
        size = mask.sum(1, keepdim=True)
        hits = (top(explained.maps, size) * mask).sum(1)
        return torch.where(size[:, 0] > 0, hits / size[:, 0], torch.nan).float()
