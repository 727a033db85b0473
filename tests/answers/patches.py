"""What single patches give on models whose answers are known."""

from collections.abc import Iterator
from dataclasses import replace
from math import sqrt

import torch
from torch.nn.functional import avg_pool2d

from benchmarks.conformance.answers import Answer
from benchmarks.explained import Explained
from tests.answers.models import AllOf, AnyOf, Region
from tests.answers.removal import constant, painted
from tests.answers.subsets import OWN_SCALE, linear

SIDE, GRID = 16, 8
HALF = SIDE // 2  # the model reads this many rows and columns: 16 of the 64 patches of 2 x 2


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
    none = torch.full((3,), torch.nan)
    yield Answer("constant", "nothing falls", constant(), none)
    flat = corner((0.7, 0.7, 0.7), (0, 0, 0), (-0.7, -0.7, -0.7))
    yield Answer("region", "flat maps are undefined", flat, none)
    e = linear()
    sums = avg_pool2d(e.maps[:, None], SIDE // GRID)
    root = (sums.sign() * sums.abs().sqrt()).repeat_interleave(2, 2).repeat_interleave(2, 3)[:, 0]
    rescaled = replace(e, maps=root, shared={})
    yield Answer("linear", "the root of the fall has its order", rescaled, OWN_SCALE.sign(), metric=mean)
    # Of 64 patches, 48 fall by nothing and 16 alike; the map sets 8 of these above the others.
    ties = torch.tensor([1, sqrt(48 / 49), -sqrt(48 / 49)])
    maps = corner((1, 1, 0), (2, 1, 0), (-2, -1, 0))
    yield Answer("region", "ties take their mean rank", maps, ties, metric=mean)
    yield Answer("OR", "one patch alone changes nothing", two(AnyOf, (1, 1)), torch.tensor([torch.nan]), metric=mean)


def non_sensitivity(metric) -> Iterator[Answer]:
    mean = replace(metric, grid=GRID, baseline="mean")
    shares = torch.tensor([0, 0, 1, 48 / 64, 16 / 64, 8 / 64])
    maps = corner((1, 1, 0), (-1, -1, 0), (0, 0, 1), (1, 1, 1), (0, 0, 0), (0, -1, 0))
    question = "what counts, its negative, the rest, all, nothing, one half of it"
    yield Answer("region", question, maps, shares, metric=mean)
    yield Answer("AND", "both, one", two(AllOf, (1, -2), (0, 1)), torch.tensor([0, 1 / 64]), metric=mean)
    yield Answer("OR", "one patch alone changes nothing", two(AnyOf, (1, 1)), torch.tensor([2 / 64]), metric=mean)
    yield Answer("constant", "a map without a zero", replace(constant(), maps=torch.ones(3, SIDE, SIDE)), torch.ones(3))
