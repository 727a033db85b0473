"""What the removal of superpixels gives on models whose answers are known."""

from collections.abc import Iterator
from dataclasses import replace
from math import exp

import torch
from torch import Tensor

from benchmarks.conformance.answers import Answer
from benchmarks.conformance.cases import explained, frozen, levels
from benchmarks.conformance.models import MEAN, STD
from benchmarks.explained import Explained
from tests.answers import removal
from tests.answers.models import Region

TILES, TILE = 4, 4  # tiles a side, pixels a side of one
COLOURS = torch.tensor([[3.0, 0, 0], [0, 3, 0], [0, 0, 3], [1, 1, 1]]).view(2, 2, 3) / 3  # of mean 1/3
GAIN = 3.0  # of the logit, from the first row of tiles


def tiled(values: Tensor, target: int) -> Explained:
    """Tiles of four colours, each a superpixel; the map's means over them are `values` (4, 4), with signs inside."""
    pixels = COLOURS.repeat(2, 2, 1).movedim(2, 0).repeat_interleave(TILE, 1).repeat_interleave(TILE, 2)
    inside = levels(1, TILE, 5)
    maps = values.repeat_interleave(TILE, 0).repeat_interleave(TILE, 1)
    maps = maps + (inside - inside.mean()).repeat(1, TILES, TILES)
    x = (pixels[None] - MEAN[:, None, None]) / STD[:, None, None]
    model = frozen(Region(0, 0, TILE, TILES * TILE, 3 * GAIN))
    return explained(model, x, maps, target=torch.tensor([target]))


def fallen(order: list[int], metric, sign: int = 1) -> Tensor:
    """Return the score where the class loses GAIN, by tiles of the first row, as these superpixels go in order."""
    left = []
    for k in range(metric.steps + 1):
        gone = order[: round(k * len(order) / metric.steps)]
        logit = sign * GAIN * (1 - sum(tile < TILES for tile in gone) / TILES)
        left.append(1 / (1 + exp(-logit)))
    return torch.tensor([1 - removal.area([p / left[0] for p in left])])


def irof(metric) -> Iterator[Answer]:
    yield Answer("constant", "nothing falls, whatever the number of superpixels", removal.constant(), torch.zeros(3))
    metric = replace(metric, segments=TILES * TILES, baseline="black")
    down = torch.arange(TILES * TILES, 0, -1.0).view(TILES, TILES)
    order = list(range(TILES * TILES))
    yield Answer("region", "the object first", tiled(down, 0), fallen(order, metric), metric=metric)
    score = fallen(order[::-1], metric)
    yield Answer("region", "the object last, below zero", tiled(-down, 0), score, metric=metric)
    rise = fallen(order, metric, sign=-1)
    yield Answer("region", "the class gains, below zero", tiled(down, 1), rise, metric=metric)
    few = replace(metric, steps=5)
    yield Answer("region", "steps of three superpixels", tiled(down, 0), fallen(order, few), metric=few)
