"""Order of pixels, with ties, over a whole batch at once."""

import torch
from torch import Tensor

from benchmarks.explained import Explained

AT_FIRST = 3  # rounds that take less time than the search for all groups at once; most maps need fewer
TIE = 2.0**-20  # of the map's largest magnitude, some float32 roundings: smaller differences say nothing of the map


def tie_groups(maps: Tensor) -> Tensor:
    """Number the tie groups of each map upwards from 0, (n, d) int64.

    From the smallest value on, a group holds all that exceed its first by at most `TIE`. Maps carry rounding noise that
    depends on batch size and threads, so that a flat region would be ordered by noise. Values are not rounded: a flat
    region can lie across an edge between two rounded values. Two close values can still change places with the noise.
    Where a map spans more than six decades, its small values tie.
    """
    values = maps.flatten(1).double()
    return grouped(values, TIE * values.abs().amax(1))


def grouped(values: Tensor, width: Tensor) -> Tensor:
    """Number the groups of values (n, d) upwards from 0: from the smallest on, no group is wider than `width` (n,)."""
    value, place = values.sort(1)
    limit = value + width[:, None]
    first = torch.ones_like(value, dtype=torch.bool)  # of a group: surely where the gap before it is wider than a group
    first[:, 1:] = value[:, 1:] > limit[:, :-1]
    for _ in range(AT_FIRST):  # each time, every chain of close values has its next group
        beyond = value > torch.where(first, limit, -torch.inf).cummax(1).values
        if not beyond.any():
            break
        beyond[:, 1:] &= ~beyond[:, :-1]
        first |= beyond
    else:
        first = reached(torch.searchsorted(value, limit, right=True))
    group = first.cumsum(1) - 1
    return torch.empty_like(group).scatter_(1, place, group)


def reached(after: Tensor) -> Tensor:
    """Return which places (n, d) bool are reached from the first, where `after` is the next one; d is the end."""
    end = after.shape[1]
    first = torch.zeros(len(after), end + 1, dtype=torch.int64, device=after.device)
    first[:, 0] = 1
    after = torch.cat([after, torch.full_like(after[:, :1], end)], 1)
    for _ in range(end.bit_length()):  # steps of `after`, doubled each time
        first = first | torch.zeros_like(first).scatter_reduce_(1, after, first, "amax")
        after = after.gather(1, after)
    return first[:, :-1].bool()


def tied(maps: Tensor) -> Tensor:
    """Return the share of each map's pixels whose value others have too, (n,) float64: what a seed has ordered."""
    return (extent(tie_groups(maps))[0] > 1).double().mean(1)


def constant(maps: Tensor) -> Tensor:
    """Return which maps have one value only, up to rounding, (n,) bool."""
    values = maps.flatten(1).double()
    least, largest = values.aminmax(dim=1)
    return ~(largest > least + TIE * values.abs().amax(1))  # one group of `tie_groups`, without sorting


def pixel_order(explained: Explained, maps: Tensor, seed: int | None) -> Tensor:
    """Rank the pixels of maps (n, h, w), 0 for the largest; one seeded permutation breaks all ties.

    Without a seed they fall row by row.
    """
    pixels = maps[0].numel()

    def permutation() -> Tensor:
        if seed is None:
            return torch.arange(pixels, device=maps.device).flip(0)
        return torch.randperm(pixels, generator=torch.Generator().manual_seed(seed)).to(maps.device)

    key = tie_groups(maps) * pixels + explained.once(("tie permutation", pixels, seed), permutation)
    largest_first = key.argsort(1, descending=True)
    ranks = torch.arange(pixels, device=maps.device).expand_as(key)
    return torch.empty_like(key).scatter_(1, largest_first, ranks).view_as(maps)


def average_ranks(maps: Tensor) -> Tensor:
    """Rank pixels upwards from 1, tied ones at the mean of their ranks, (n, d) float64."""
    size, last = extent(tie_groups(maps))
    return last - (size - 1) / 2


def top(maps: Tensor, count: Tensor | int) -> Tensor:
    """Return each pixel's chance (n, d) to be among the `count` largest when ties fall at random."""
    size, last = extent(tie_groups(maps))
    larger = maps[0].numel() - last
    return ((count - larger) / size).clamp(0, 1)


def extent(groups: Tensor) -> tuple[Tensor, Tensor]:
    """Return for each pixel (n, d) the size of its tie group and how many are in it or lower."""
    sizes = torch.zeros_like(groups).scatter_add_(1, groups, torch.ones_like(groups))
    return sizes.gather(1, groups).double(), sizes.cumsum(1).gather(1, groups).double()
