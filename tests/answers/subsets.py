"""What sums over random sets of pixels, scattered or in squares, give on models whose answers are known."""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from benchmarks.conformance.answers import Answer
from benchmarks.conformance.cases import explained, frozen, images, levels
from benchmarks.explained import Explained, draws
from tests.answers.models import AllOf, Linear, Region
from tests.answers.removal import SIDE, constant, painted

OWN_SCALE = torch.tensor([1.0, 3.0, -5.0, 0.1])  # changes what correlates across images, and else but a sign
SQUARE, GAIN = 4, 32.0
FALL = GAIN * SQUARE**2 / SIDE**2  # of every square of a white image, wherever it lies


def linear(scale: Tensor = OWN_SCALE) -> Explained:
    """Four images, each under a multiple of what the model loses when a pixel becomes the mean colour."""
    e = explained(frozen(Linear(SIDE)), images(4, SIDE))
    contributions = torch.einsum("nchw,nchw->nhw", e.x, e.model.weight[e.target])
    return replace(e, maps=scale[:, None, None] * contributions)


def of_sets(metric) -> Iterator[Answer]:
    mean, black = replace(metric, baseline="mean"), replace(metric, baseline="black")
    yield Answer("constant", "nothing falls", constant(), torch.nan)
    yield Answer("linear", "exact, each map at a scale of its own", linear(), OWN_SCALE.sign(), 1e-5, mean)
    flat = replace(linear(), maps=torch.full((4, SIDE, SIDE), 0.7), shared={})
    yield Answer("linear", "a flat map", flat, torch.nan)
    values = levels(2, SIDE, 6).abs()
    ties = painted(Region(0, 0, SIDE, SIDE, gain=100.0), values, values)
    yield Answer("region", "exact, with many ties", ties, 1, 1e-5, black)
    needed = tuple((row, column) for row in range(SIDE) for column in range(SIDE))
    every = painted(AllOf(needed), torch.ones(2, SIDE, SIDE), levels(2, SIDE, 6))
    yield Answer("AND", "of all pixels: each set takes everything", every, torch.nan, metric=mean)


faithfulness_correlation = sensitivity_n = of_sets


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


def squares(metric, expected: Tensor, within: float) -> Iterator[Answer]:
    black = replace(metric, side=SQUARE / SIDE, baseline="black")
    yield Answer("region", "sums of 2, 1, 0, -1 times the fall, signs that cancel", white(), expected, within, black)
    black = replace(metric, side=1 - 1 / SIDE, baseline="black", samples=32)
    image, share = two_kinds(black)
    yield Answer("region", "squares of two falls under a flat map", image, share, 1e-5, black)


def infidelity(metric) -> Iterator[Answer]:
    yield from squares(metric, FALL**2 * torch.tensor([1.0, 0, 1, 4, 1]), 1e-4)
    yield Answer("linear", "exact", linear(torch.ones(4)), 0, metric=replace(metric, baseline="mean"))
    silent = replace(constant(), maps=torch.zeros(3, SIDE, SIDE))
    yield Answer("constant", "a map that is zero", silent, 0)


def infidelity_scaled(metric) -> Iterator[Answer]:
    yield from squares(metric, torch.tensor([0.0, 0, 1, 1, 1]), 1e-6)
    mean, question = replace(metric, baseline="mean"), "exact but for a factor, which may be negative"
    yield Answer("linear", question, linear(), [0, 0, 1, 0], metric=mean)
    yield Answer("constant", "nothing falls", constant(), torch.nan)
