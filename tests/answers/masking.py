"""What images under their maps give on models whose answers are known."""

from collections.abc import Iterator

import torch

from benchmarks.conformance.answers import Answer
from benchmarks.conformance.models import MEAN, Fraction
from benchmarks.explained import Explained
from tests.answers import removal
from tests.answers.models import AllOf, Region
from tests.answers.removal import PIXELS, SIDE, constant, fading, sigmoid

GREY, GAIN, NAN = 0.5, 8.0, torch.nan
UNDER = {"black": 0.0, "mean": MEAN.mean().item()}  # the mean value of each baseline
FOR, AGAINST = "what counts is shown, hidden, half shown; a flat map", "of what speaks against the class"


def boxed(target: int) -> Explained:
    """Grey images of which a box counts: shown alone, hidden alone, shown by half by a map of signs, and a flat map."""
    maps = torch.zeros(4, SIDE, SIDE)
    maps[0, 2:6, 2:6] = 1
    maps[1] = 0.02 * (1 - maps[0])
    maps[2, 8:] = -50
    maps[2, 7] = 50
    maps[3] = 0.7
    return removal.painted(Region(2, 2, 4, 4, GAIN), torch.full((4, SIDE, SIDE), GREY), maps, target)


def probability(shown: float, metric) -> float:
    """That of class 0 when so much of the box is shown."""
    return sigmoid(GAIN * (shown * GREY + (1 - shown) * UNDER[metric.baseline]))


def average_drop(metric) -> Iterator[Answer]:
    hidden, half = (1 - probability(shown, metric) / probability(1, metric) for shown in (0, 0.5))
    yield Answer("constant", "nothing drops", constant(), 0)
    yield Answer("region", FOR, boxed(0), [0, hidden, half, NAN])
    yield Answer("region", AGAINST, boxed(1), [0, 0, 0, NAN])


def increase_in_confidence(metric) -> Iterator[Answer]:
    yield Answer("constant", "nothing rises", constant(), 0)
    yield Answer("region", FOR, boxed(0), [0, 0, 0, NAN])
    yield Answer("region", AGAINST, boxed(1), [0, 1, 1, NAN])


def sufficiency(metric) -> Iterator[Answer]:
    kept = round(metric.kept * PIXELS)
    lost = removal.ON - sigmoid(fading(metric, PIXELS - kept))
    yield Answer("constant", "nothing is lost", constant(), 0)
    yield Answer("AND", "the one pixel that counts is kept", removal.pixels(AllOf, 2.0), 0)
    yield Answer("AND", "it is lost, being below zero", removal.pixels(AllOf, -2.0), removal.ON - removal.OFF)
    yield Answer("region", f"the rest goes from white to {metric.baseline}", removal.white(removal.REGION), lost)
    yield Answer("fraction of pixels", "linear, whatever the order", removal.white(Fraction()), 1 - kept / PIXELS)
