"""What patches give on models whose answers are known: each removed alone, and superpixels one after the other."""

from collections.abc import Iterator
from dataclasses import replace
from math import sqrt

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from benchmarks.conformance.answers import Answer
from benchmarks.conformance.cases import explained, frozen, levels
from benchmarks.conformance.models import MEAN, STD
from benchmarks.explained import Explained
from tests.answers import removal
from tests.answers.models import AllOf, AnyOf, Region
from tests.answers.removal import SIDE, constant, painted
from tests.answers.subsets import OWN_SCALE, linear

GRID = 8
HALF = SIDE // 2  # the model reads this many rows and columns: 16 of the 64 patches of 2 x 2
TILES, TILE = 4, 4  # tiles a side, pixels a side of one
COLOURS = torch.tensor([[3.0, 0, 0], [0, 3, 0], [0, 0, 3], [1, 1, 1]]).view(2, 2, 3) / 3  # of mean 1/3
GAIN = 3.0  # of the logit, from the first row of tiles


def corner(*maps: tuple[float, float, float]) -> Explained:
    """White images of which one corner counts; each map has values for its upper half, its lower half, and the rest."""
    values = torch.empty(len(maps), SIDE, SIDE)
    for value, (upper, lower, rest) in zip(values, maps, strict=True):
        value[:], value[: HALF // 2, :HALF], value[HALF // 2 : HALF, :HALF] = rest, upper, lower
    return painted(Region(0, 0, HALF, HALF), torch.ones_like(values), values)


def two(model: type[AllOf], *maps: tuple[float, float]) -> Explained:
    """White images of which the model reads two pixels, in two patches; each map has a value for both, else 0."""
    places, values = ((1, 1), (12, 9)), torch.zeros(len(maps), SIDE, SIDE)
    for value, pair in zip(values, maps, strict=True):
        value[1, 1], value[12, 9] = torch.tensor(pair)
    return painted(model(places), torch.ones_like(values), values)


def single_deletion(metric) -> Iterator[Answer]:
    mean = replace(metric, grid=GRID, baseline="mean")
    flat = corner((0.7, 0.7, 0.7), (0, 0, 0), (-0.7, -0.7, -0.7))
    yield Answer("constant", "nothing falls", constant(), torch.nan)
    yield Answer("region", "flat maps are undefined", flat, torch.nan)
    e = linear()
    sums = avg_pool2d(e.maps[:, None], SIDE // GRID)
    root = (sums.sign() * sums.abs().sqrt()).repeat_interleave(2, 2).repeat_interleave(2, 3)[:, 0]
    rescaled = replace(e, maps=root, shared={})
    yield Answer("linear", "the root of the fall has its order", rescaled, OWN_SCALE.sign(), metric=mean)
    # Of 64 patches, 48 fall by nothing and 16 alike; the map sets 8 of these above the others.
    ties = [1, sqrt(48 / 49), -sqrt(48 / 49)]
    maps = corner((1, 1, 0), (2, 1, 0), (-2, -1, 0))
    yield Answer("region", "ties take their mean rank", maps, ties, metric=mean)
    yield Answer("OR", "one patch alone changes nothing", two(AnyOf, (1, 1)), torch.nan, metric=mean)


def non_sensitivity(metric) -> Iterator[Answer]:
    mean = replace(metric, grid=GRID, baseline="mean")
    shares = [0, 0, 1, 48 / 64, 16 / 64, 8 / 64]
    maps = corner((1, 1, 0), (-1, -1, 0), (0, 0, 1), (1, 1, 1), (0, 0, 0), (0, -1, 0))
    question = "what counts, its negative, the rest, all, nothing, one half of it"
    yield Answer("region", question, maps, shares, metric=mean)
    yield Answer("AND", "both, one", two(AllOf, (1, -2), (0, 1)), [0, 1 / 64], metric=mean)
    yield Answer("OR", "one patch alone changes nothing", two(AnyOf, (1, 1)), 2 / 64, metric=mean)
    yield Answer("constant", "a map without a zero", replace(constant(), maps=torch.ones(3, SIDE, SIDE)), 1)


def tiled(values: Tensor, target: int) -> Explained:
    """Tiles of four colours, each a superpixel; the map's means over them are `values` (4, 4), with signs inside."""
    pixels = COLOURS.repeat(2, 2, 1).movedim(2, 0).repeat_interleave(TILE, 1).repeat_interleave(TILE, 2)
    inside = levels(1, TILE, 5)
    maps = values.repeat_interleave(TILE, 0).repeat_interleave(TILE, 1)
    maps = maps + (inside - inside.mean()).repeat(1, TILES, TILES)
    x = (pixels[None] - MEAN[:, None, None]) / STD[:, None, None]
    model = frozen(Region(0, 0, TILE, TILES * TILE, 3 * GAIN))
    return explained(model, x, maps, target=torch.tensor([target]))


def fallen(order: list[int], metric, sign: int = 1) -> float:
    """Return the score where the class loses GAIN, by tiles of the first row, as these superpixels go in order."""
    left = []
    for k in range(metric.steps + 1):
        gone = order[: round(k * len(order) / metric.steps)]
        logit = sign * GAIN * (1 - sum(tile < TILES for tile in gone) / TILES)
        left.append(removal.sigmoid(logit))
    return 1 - removal.area([p / left[0] for p in left])


def irof(metric) -> Iterator[Answer]:
    yield Answer("constant", "nothing falls, whatever the number of superpixels", constant(), 0)
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
