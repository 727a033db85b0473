"""What imputation gives on models whose answers are known, and curves under every baseline."""

from collections.abc import Iterator
from math import exp

import torch

from benchmarks.conformance.answers import Answer, removal
from benchmarks.conformance.answers.removal import PIXELS, SIDE, area, constant, counts, painted, pixels, white
from benchmarks.conformance.models import MEAN, AllOf, AnyOf, Constant, Region
from benchmarks.explained import draws

GAIN = 4.0
deletion_black = deletion_mean = deletion_blur = removal.deletion
insertion_black = insertion_mean = insertion_blur = removal.insertion
# Seen by `Region`: white pixels are imputed white, but for noise of .01 in each
CLOSE = 1e-3


def single(value: float):
    """One pixel is white and predicts class 0; the others share three values with signs."""
    return pixels(AllOf, value)


def road_morf(metric) -> Iterator[Answer]:
    yield Answer("constant", "the class that is always predicted", constant(), torch.tensor([0.0, 0.0, 1.0]))
    yield Answer("AND", "the one pixel that counts goes first", other(single(2.0)), torch.ones(1))
    yield Answer("AND", "it goes last, being below zero", other(single(-2.0)), torch.zeros(1))
    last = torch.tensor([1 - share(metric)])
    yield Answer("OR", "imputed dark among black, at half of the ranks", middle(1), last)


def road_lerf(metric) -> Iterator[Answer]:
    yield Answer("constant", "the class that is always predicted", constant(), torch.tensor([0.0, 0.0, 1.0]))
    yield Answer("AND", "the one pixel that counts stays longest", other(single(2.0)), torch.zeros(1))
    yield Answer("AND", "it goes first, being below zero", other(single(-2.0)), torch.ones(1))


def road_combined(metric) -> Iterator[Answer]:
    yield Answer("constant", "nothing to choose", constant(), torch.zeros(3))
    yield Answer("AND", "the one pixel that counts is the largest", other(single(2.0)), -torch.ones(1))
    yield Answer("AND", "it is the smallest, below zero", other(single(-2.0)), torch.ones(1))
