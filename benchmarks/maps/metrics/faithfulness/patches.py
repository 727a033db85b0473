"""Scores of single patches, each removed alone: one set of passes for all metrics and methods."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from benchmarks.explained import Explained
from benchmarks.metrics.faithfulness.curves import sized
from benchmarks.metrics.faithfulness.subsets import falls_without, rounding
from benchmarks.metrics.fields import filled, number, whole
from benchmarks.metrics.ranking import TIE, constant, extent, grouped
from benchmarks.metrics.similarity import pearson


@dataclass(frozen=True)
class SingleDeletion:
    """Rank correlation of patch sums of the map with the target logit's falls [Hesse et al. 2024].

    Spearman's over the patches of a `grid` x `grid` grid, each of which alone becomes `baseline`; ties, rounding apart,
    at their mean rank. The paper has a grid of 4, the mean colour, and networks fitted with patches removed (here those
    called in_domain); on others it is the paper's single deletion score without "in-domain". The authors' code drops
    undefined images from the mean.
    """

    category: ClassVar[str] = "faithfulness"
    higher_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ()
    undefined: ClassVar[str] = "the map is constant, or its sums or the falls are the same for all patches"
    cites: ClassVar[str] = "Hesse et al. 2024"

    grid: int
    baseline: str
    seed: int

    def __post_init__(self) -> None:
        whole(self, grid=2)
        filled(self)

    @property
    def invariant(self) -> tuple[str, ...]:
        return sized(self.baseline, "scale")  # size: where the grid divides the image's side

    @property
    def passes(self) -> tuple[int, int, int]:
        return 0, self.grid**2, 0

    def __call__(self, explained: Explained) -> Tensor:
        falls = ranks(self.falls(explained), rounding(explained))
        largest = patch_sums(explained.maps.abs(), self.grid).amax(1)
        sums = ranks(patch_sums(explained.maps, self.grid), TIE * largest)
        return torch.where(constant(explained.maps), torch.nan, pearson(sums, falls)).float()

    def falls(self, explained: Explained) -> Tensor:
        """Return by how much the target logit falls without each patch, (n, grid^2) float64."""
        return falls_without_patches(explained, self)


@dataclass(frozen=True)
class NonSensitivity:
    """Share of patches where only one holds: map zero, model still [Nguyen & Martinez 2020].

    On the patches of `SingleDeletion`, with its passes. The map is zero where a patch has at most `tolerance` of the
    magnitude of the largest patch, summed over its pixels; the model is still where the target logit moves, up or down,
    by at most `tolerance` of its largest move; both but for rounding. The paper counts features with exact zeros: of a
    network that reads the whole image no patch is still, so that noise would get 0 and the object alone almost 1.
    """

    category: ClassVar[str] = "axiomatic"
    higher_is_better: ClassVar[bool] = False
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ()
    undefined: ClassVar[str] = "the target logit is not a number"
    cites: ClassVar[str] = "Nguyen & Martinez 2020"

    grid: int
    tolerance: float
    baseline: str
    seed: int

    def __post_init__(self) -> None:
        whole(self, grid=2)
        number(self, "tolerance", "in [0, 1)", lambda t: 0 <= t < 1)
        filled(self)

    @property
    def invariant(self) -> tuple[str, ...]:
        return sized(self.baseline, "scale")  # size: where the grid divides the image's side

    @property
    def passes(self) -> tuple[int, int, int]:
        return 0, self.grid**2, 0

    def __call__(self, explained: Explained) -> Tensor:
        mass, moves = patch_sums(explained.maps.abs(), self.grid), self.falls(explained).abs()
        zero = mass <= (self.tolerance + TIE) * mass.amax(1, keepdim=True)
        least = self.tolerance * moves.amax(1) + rounding(explained)
        share = (zero != (moves <= least[:, None])).double().mean(1)
        return torch.where(moves.isnan().any(1), torch.nan, share).float()

    def falls(self, explained: Explained) -> Tensor:
        """Return by how much the target logit falls without each patch, (n, grid^2) float64."""
        return falls_without_patches(explained, self)


def patches(side: int, grid: int) -> Tensor:
    """Return which pixels of a side are in each of the `grid` parts, as even as can be, (grid, side) bool."""
    if side < grid:
        raise ValueError(f"grid={grid} needs images of at least as many pixels on a side; {side} is given")
    return torch.arange(grid)[:, None] == torch.arange(side) * grid // side


def patch_sums(maps: Tensor, grid: int) -> Tensor:
    """Sum maps (n, h, w) over each patch, (n, grid^2) float64."""
    rows, columns = (patches(side, grid).to(maps.device).double() for side in maps.shape[1:])
    return (rows @ maps.double() @ columns.T).flatten(1)


def falls_without_patches(explained: Explained, metric: SingleDeletion | NonSensitivity) -> Tensor:
    """Return the falls (n, grid^2), passed once for both metrics and for all methods."""

    def compute() -> Tensor:
        rows, columns = (patches(side, metric.grid) for side in explained.x.shape[2:])
        single = (rows[:, None, :, None] & columns[None, :, None]).flatten(0, 1).to(explained.x.device)
        return falls_without(explained, single, metric.baseline, metric.seed)

    return explained.for_all(("falls without patches", metric.grid, metric.baseline, metric.seed), compute)


def ranks(values: Tensor, equal: Tensor) -> Tensor:
    """Rank values (n, d) upwards, ties at their mean rank; tied are those of a group at most `equal` (n,) wide."""
    size, last = extent(grouped(values, equal))
    return torch.where(values.isnan().any(1, keepdim=True), torch.nan, last - (size - 1) / 2)
