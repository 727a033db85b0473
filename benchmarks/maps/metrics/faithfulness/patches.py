"""Scores of single patches, each removed alone: one set of passes for all metrics and methods."""

from functools import partialmethod

import torch
from torch import Tensor

from benchmarks.explained import Explained
from benchmarks.maps.metrics.baselines import filled
from benchmarks.maps.metrics.faithfulness.curves import faithful, sized
from benchmarks.maps.metrics.faithfulness.subsets import falls_without, rounding
from benchmarks.maps.metrics.ranking import TIE, constant, extent, grouped
from benchmarks.maps.metrics.similarity import pearson
from entries import number, scores


def falls(metric: object, explained: Explained) -> Tensor:
    """Return by how much the target logit falls without each patch, (n, grid^2), passed once for all methods."""

    def compute() -> Tensor:
        rows, columns = (patches(side, metric.grid) for side in explained.x.shape[2:])
        single = (rows[:, None, :, None] & columns[None, :, None]).flatten(0, 1).to(explained.x.device)
        return falls_without(explained, single, metric.baseline, metric.seed)

    return explained.for_all(("falls without patches", metric.grid, metric.baseline, metric.seed), compute)


@faithful(
    higher_is_better=True,
    cites="Hesse et al. 2024",
    bounds=(-1.0, 1.0),
    undefined="the map is constant, or its sums or the falls are the same for all patches",
)
class SingleDeletion:
    """Rank correlation of patch sums of the map with the target logit's falls [Hesse et al. 2024].

    Spearman's correlation is taken over the patches of a `grid` x `grid` grid, each of which alone becomes `baseline`;
    ties, apart from rounding, have their mean rank. The paper has a grid of 4, the mean colour, and networks fitted
    with patches removed (here those called in_domain). On other networks this is the paper's single deletion score
    without "in-domain". The authors' code drops undefined images from the mean.
    """

    grid: int
    baseline: str
    seed: int
    invariant = sized("scale")  # size: where the grid divides the image's side
    passes = property(lambda self: (0, self.grid**2, 0))
    __post_init__ = partialmethod(filled, grid=2)

    def __call__(self, explained: Explained) -> Tensor:
        lost = ranks(falls(self, explained), rounding(explained))
        largest = patch_sums(explained.maps.abs(), self.grid).amax(1)
        sums = ranks(patch_sums(explained.maps, self.grid), TIE * largest)
        return torch.where(constant(explained.maps), torch.nan, pearson(sums, lost)).float()


@scores(
    "axiomatic",
    higher_is_better=False,
    cites="Nguyen & Martinez 2020",
    bounds=(0.0, 1.0),
    undefined="the target logit is not a number",
)
class NonSensitivity:
    """Share of patches where only one holds: map zero, model still [Nguyen & Martinez 2020].

    The patches are those of `SingleDeletion`, with its passes. The map is zero where a patch has at most `tolerance` of
    the magnitude of the largest patch, summed over its pixels. The model is still where the target logit moves, up or
    down, by at most `tolerance` of its largest move. Rounding is taken off both. The paper counts features with exact
    zeros. By that count, noise would score 0 and the object alone almost 1 where a network reads the whole image.
    """

    grid: int
    tolerance: float
    baseline: str
    seed: int
    invariant = sized("scale")  # size: where the grid divides the image's side
    passes = property(lambda self: (0, self.grid**2, 0))

    def __post_init__(self) -> None:
        number(self, "tolerance", "in [0, 1)", lambda t: 0 <= t < 1)
        filled(self, grid=2)

    def __call__(self, explained: Explained) -> Tensor:
        mass, moves = patch_sums(explained.maps.abs(), self.grid), falls(self, explained).abs()
        zero = mass <= (self.tolerance + TIE) * mass.amax(1, keepdim=True)
        least = self.tolerance * moves.amax(1) + rounding(explained)
        share = (zero != (moves <= least[:, None])).double().mean(1)
        return torch.where(moves.isnan().any(1), torch.nan, share).float()


def patches(side: int, grid: int) -> Tensor:
    """Return which pixels of a side are in each of the `grid` parts, as even as can be, (grid, side) bool."""
    if side < grid:
        raise ValueError(f"grid={grid} needs images of at least as many pixels on a side; {side} is given")
    return torch.arange(grid)[:, None] == torch.arange(side) * grid // side


def patch_sums(maps: Tensor, grid: int) -> Tensor:
    """Sum maps (n, h, w) over each patch, (n, grid^2) float64."""
    rows, columns = (patches(side, grid).to(maps.device).double() for side in maps.shape[1:])
    return (rows @ maps.double() @ columns.T).flatten(1)


def ranks(values: Tensor, equal: Tensor) -> Tensor:
    """Rank values (n, d) upwards; those of a group at most `equal` (n,) wide tie and have their mean rank."""
    size, last = extent(grouped(values, equal))
    return torch.where(values.isnan().any(1, keepdim=True), torch.nan, last - (size - 1) / 2)
