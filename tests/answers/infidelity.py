"""What sums over random squares give on models whose answers are known."""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from benchmarks.conformance.answers import Answer
from benchmarks.explained import Explained, draws
from tests.answers.models import Region
from tests.answers.removal import constant, painted
from tests.answers.subsets import linear

SIDE, SQUARE, GAIN = 16, 4, 32.0
FALL = GAIN * SQUARE**2 / SIDE**2  # of every square of a white image, wherever it lies


def white() -> Explained:
    """White images under maps whose sum over each square is twice its fall, the fall, none, its negative, and 0."""
    maps = torch.tensor([2.0, 1.0, 0.0, -1.0, 1.0])[:, None, None] * torch.full((5, SIDE, SIDE), FALL / SQUARE**2)
    maps[4] *= 1 - 2 * (torch.arange(SIDE) % 2)
    return painted(Region(0, 0, SIDE, SIDE, GAIN), torch.ones(5, SIDE, SIDE), maps)


def two_kinds(metric) -> tuple[Explained, Tensor]:
    """A white image whose first row alone counts, and the share of squares, all but one row high, without it.

    They make the logit fall by 1 or not at all; the flat map sums to 1 over each.
    """
    high = SIDE - 1
    maps = torch.full((1, SIDE, SIDE), 1 / high**2)
    image = painted(Region(0, 0, 1, SIDE, SIDE / high), torch.ones(1, SIDE, SIDE), maps)
    below = torch.rand(metric.samples, 2, generator=draws(metric.seed, "squares"))[:, 0] >= 0.5
    return image, below.double().mean()[None]


def infidelity(metric) -> Iterator[Answer]:
    black = replace(metric, side=SQUARE / SIDE, baseline="black")
    expected = FALL**2 * torch.tensor([1.0, 0, 1, 4, 1])
    yield Answer("region", "sums of 2, 1, 0, -1 times the fall, signs that cancel", white(), expected, 1e-4, black)
    black = replace(metric, side=1 - 1 / SIDE, baseline="black", samples=32)
    image, share = two_kinds(black)
    yield Answer("region", "squares of two falls under a flat map", image, share, 1e-5, black)
    exact = linear(torch.ones(4))
    yield Answer("linear", "exact", exact, torch.zeros(4), metric=replace(metric, baseline="mean"))
    silent = replace(constant(), maps=torch.zeros(3, SIDE, SIDE))
    yield Answer("constant", "a map that is zero", silent, torch.zeros(3))


def infidelity_scaled(metric) -> Iterator[Answer]:
    black = replace(metric, side=SQUARE / SIDE, baseline="black")
    expected = torch.tensor([0.0, 0, 1, 1, 1])
    yield Answer("region", "sums of 2, 1, 0, -1 times the fall, signs that cancel", white(), expected, metric=black)
    black = replace(metric, side=1 - 1 / SIDE, baseline="black", samples=32)
    image, share = two_kinds(black)
    yield Answer("region", "squares of two falls under a flat map", image, share, 1e-5, black)
    mean = replace(metric, baseline="mean")
    yield Answer(
        "linear", "exact but for a factor, which may be negative", linear(), torch.tensor([0.0, 0, 1, 0]), metric=mean
    )
    yield Answer("constant", "nothing falls", constant(), torch.full((3,), torch.nan))
