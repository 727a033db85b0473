"""What sums over random sets of pixels give on models whose answers are known."""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from benchmarks.conformance.answers import Answer
from benchmarks.conformance.cases import explained, frozen, images, levels
from benchmarks.explained import Explained
from tests.answers.models import AllOf, Linear, Region
from tests.answers.removal import constant, painted

SIDE = 16
OWN_SCALE = torch.tensor([1.0, 3.0, -5.0, 0.1])  # changes what correlates across images, and else but a sign


def linear(scale: Tensor = OWN_SCALE) -> Explained:
    """Four images, each under a multiple of what the model loses when a pixel becomes the mean colour."""
    e = explained(frozen(Linear(SIDE)), images(4, SIDE))
    contributions = torch.einsum("nchw,nchw->nhw", e.x, e.model.weight[e.target])
    return replace(e, maps=scale[:, None, None] * contributions)


def of_sets(metric) -> Iterator[Answer]:
    mean, black = replace(metric, baseline="mean"), replace(metric, baseline="black")
    yield Answer("constant", "nothing falls", constant(), torch.full((3,), torch.nan))
    yield Answer("linear", "exact, each map at a scale of its own", linear(), OWN_SCALE.sign(), 1e-5, mean)
    flat = replace(linear(), maps=torch.full((4, SIDE, SIDE), 0.7), shared={})
    yield Answer("linear", "a flat map", flat, torch.full((4,), torch.nan))
    values = levels(2, SIDE, 6).abs()
    ties = painted(Region(0, 0, SIDE, SIDE, gain=100.0), values, values)
    yield Answer("region", "exact, with many ties", ties, torch.ones(2), 1e-5, black)
    needed = tuple((row, column) for row in range(SIDE) for column in range(SIDE))
    every = painted(AllOf(needed), torch.ones(2, SIDE, SIDE), levels(2, SIDE, 6))
    yield Answer("AND", "of all pixels: each set takes everything", every, torch.full((2,), torch.nan), metric=mean)


faithfulness_correlation = sensitivity_n = of_sets
