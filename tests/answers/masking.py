"""What images under their maps give on models whose answers are known."""

from collections.abc import Iterator

import torch

from benchmarks.conformance.answers import Answer
from benchmarks.conformance.models import MEAN, Fraction
from benchmarks.explained import Explained
from tests.answers.models import AllOf, Region
from tests.answers.removal import (
    DARK,
    OFF,
    ON,
    PIXELS,
    REGION,
    SIDE,
    constant,
    fading,
    painted,
    pixels,
    sigmoid,
    white,
)

GREY, GAIN = 0.5, 8.0
UNDER = {"black": 0.0, "mean": MEAN.mean().item(), "blur": GREY}  # the mean value of each baseline of a grey image


def boxed(target: int) -> Explained:
    """Grey images of which a box counts: shown alone, hidden alone, shown by half by a map of signs, and a flat map."""
    maps = torch.zeros(4, SIDE, SIDE)
    maps[0, 2:6, 2:6] = 1
    maps[1] = 0.02 * (1 - maps[0])
    maps[2, 8:] = -50
    maps[2, 7] = 50
    maps[3] = 0.7
    return painted(Region(2, 2, 4, 4, GAIN), torch.full((4, SIDE, SIDE), GREY), maps, target)


def probability(shown: float, metric) -> float:
    """That of class 0 when so much of the box is shown."""
    return sigmoid(GAIN * (shown * GREY + (1 - shown) * UNDER[metric.baseline]))


def average_drop(metric) -> Iterator[Answer]:
    yield Answer("constant", "nothing drops", constant(), torch.zeros(3))
    if metric.baseline in UNDER:
        hidden, half = (1 - probability(shown, metric) / probability(1, metric) for shown in (0, 0.5))
        expected = torch.tensor([0, hidden, half, torch.nan])
        yield Answer("region", "what counts is shown, hidden, half shown; a flat map", boxed(0), expected)
        yield Answer("region", "of what speaks against the class", boxed(1), torch.tensor([0, 0, 0, torch.nan]))


def increase_in_confidence(metric) -> Iterator[Answer]:
    yield Answer("constant", "nothing rises", constant(), torch.zeros(3))
    if metric.baseline in DARK:
        expected = torch.tensor([0, 0, 0, torch.nan])
        yield Answer("region", "what counts is shown, hidden, half shown; a flat map", boxed(0), expected)
        expected = torch.tensor([0, 1, 1, torch.nan])
        yield Answer("region", "of what speaks against the class", boxed(1), expected)


def sufficiency(metric) -> Iterator[Answer]:
    yield Answer("constant", "nothing is lost", constant(), torch.zeros(3))
    if metric.baseline != "uniform":
        yield Answer("AND", "the one pixel that counts is kept", pixels(AllOf, 2.0), torch.zeros(1))
        yield Answer("AND", "it is lost, being below zero", pixels(AllOf, -2.0), torch.tensor([ON - OFF]))
        lost = torch.tensor(ON - sigmoid(fading(metric, PIXELS - round(metric.kept * PIXELS))))
        yield Answer("region", f"the rest goes from white to {metric.baseline}", white(REGION), lost)
    if metric.baseline in DARK:
        share = torch.tensor(1 - round(metric.kept * PIXELS) / PIXELS)
        yield Answer("fraction of pixels", "linear, whatever the order", white(Fraction()), share)
