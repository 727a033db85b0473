"""Known answers of the CNN set by hand, in which a window of 2 x 2 pixels counts by what its mean exceeds one half."""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from benchmarks.conformance.answers import Answer
from benchmarks.conformance.cases import explained, frozen, levels
from benchmarks.conformance.models import MEAN, STD, Fraction
from benchmarks.explained import Explained
from tests.answers.models import HandSet

SIDE, GAIN = 16, 20.0
WHOLE, ROWS = GAIN / 2, GAIN / 2 * 7 / 15  # the logit of all windows, and of those of 8 rows of 16
QUESTION = "half of the rows, or a checkerboard, of which no window counts"


def red() -> Explained:
    """Red images; of one, the map has the upper rows first, of the other, one colour of a checkerboard."""
    x = ((torch.tensor([1.0, 0, 0]) - MEAN) / STD)[:, None, None].expand(2, 3, SIDE, SIDE).clone()
    place = torch.arange(SIDE)
    rows, checkers = (place < SIDE // 2)[:, None].expand(SIDE, SIDE), (place[:, None] + place) % 2 == 0
    maps = torch.stack([rows, checkers]).float() - 0.5  # two values: signs and ties
    return explained(frozen(HandSet(GAIN)), x, maps, target=torch.zeros(2, dtype=torch.int64))


def area(of_logit) -> Tensor:
    """Integrate over three states: the image, half of it, nothing."""
    whole, rows, none = (of_logit(torch.tensor(logit)) for logit in (WHOLE, ROWS, 0.0))
    return torch.stack([whole + 2 * rows + none, whole + 2 * none + none]) / 4


def probability(logit: Tensor) -> Tensor:
    """The first class's, beside two of logit 0."""
    return logit.exp() / (logit.exp() + 2)


def insertion(metric) -> Iterator[Answer]:
    black = replace(metric, steps=2, baseline="black")
    yield Answer("hand-set CNN", QUESTION, red(), area(probability), 1e-5, black)


def deletion(metric) -> Iterator[Answer]:
    """At the end of a deletion by noise about half of the pixels count: not all or none, as with one draw for all."""
    yield from insertion(metric)
    noise = replace(metric, baseline="uniform", steps=1)
    white = torch.full((2, 3, SIDE, SIDE), 2.5)
    e = explained(frozen(Fraction()), white, levels(2, SIDE, 9), target=torch.zeros(2, dtype=torch.int64))
    yield Answer("fraction of pixels", "from white to noise", e, 0.75, 0.06, noise)


def pixel_flipping_morf(metric) -> Iterator[Answer]:
    black = replace(metric, steps=2, baseline="black")
    yield Answer("hand-set CNN", QUESTION, red(), area(lambda logit: logit), 1e-4, black)


def aopc(metric) -> Iterator[Answer]:
    black = replace(metric, steps=2, removed=1, baseline="black")
    whole, rows, none = (probability(torch.tensor(logit)) for logit in (WHOLE, ROWS, 0.0))
    falls = torch.stack([2 * whole - rows - none, 2 * whole - 2 * none]) / 3
    yield Answer("hand-set CNN", QUESTION, red(), falls, 1e-5, black)
