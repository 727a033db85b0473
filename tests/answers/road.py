"""What imputation gives on models whose answers are known; curves of removed pixels under every baseline."""

from collections.abc import Iterator
from dataclasses import replace
from math import exp

import torch

from benchmarks.conformance.answers import Answer
from benchmarks.conformance.models import MEAN, Fraction
from benchmarks.explained import draws
from tests.answers import removal
from tests.answers.models import AllOf, AnyOf, Constant

deletion_black = deletion_mean = deletion_blur = removal.deletion
insertion_black = insertion_mean = insertion_blur = removal.insertion
PLACE = 5, 7  # of the one pixel that `AllOf` reads
CLOSE = 1e-4  # means over pixels under noise of .01


def road_morf(metric) -> Iterator[Answer]:
    yield Answer("constant", "of its three classes, it says the third", removal.constant(), torch.tensor([0.0, 0, 1]))
    yield Answer("AND", "the one pixel that counts goes first", removal.pixels(AllOf, 2.0), torch.zeros(1))
    yield Answer("AND", "it goes last, being below zero", removal.pixels(AllOf, -2.0), torch.ones(1))
    yield Answer("OR", "one reason is left", removal.pixels(AnyOf, 2.0, -2.0), torch.ones(1))
    yield from imputed(metric, 1.0)


def road_lerf(metric) -> Iterator[Answer]:
    yield Answer("constant", "of its three classes, it says the third", removal.constant(), torch.tensor([0.0, 0, 1]))
    yield Answer("AND", "the one pixel that counts stays", removal.pixels(AllOf, 2.0), torch.ones(1))
    yield Answer("AND", "it goes first, being below zero", removal.pixels(AllOf, -2.0), torch.zeros(1))
    yield Answer("OR", "one reason is left", removal.pixels(AnyOf, 2.0, -2.0), torch.ones(1))
    yield from imputed(metric, 1.0)


def road_combined(metric) -> Iterator[Answer]:
    yield Answer("constant", "no order is better", removal.constant(), torch.zeros(3))
    yield Answer("AND", "the one pixel that counts is the largest", removal.pixels(AllOf, 2.0), torch.ones(1))
    yield Answer("AND", "it is the smallest, below zero", removal.pixels(AllOf, -2.0), -torch.ones(1))
    yield from imputed(metric, 0.0)


def imputed(metric, share: float) -> Iterator[Answer]:
    """White images under maps with many ties; `share` where the class is always predicted."""
    always = torch.full((2,), share)
    if metric.baseline == "noisy_linear":
        yield Answer("fraction of pixels", "white is imputed among white", removal.white(Fraction()), always)
    most = [count < removal.PIXELS / 2 for count in removal.counts(metric)[1:-1]]
    black = replace(metric, baseline="black")
    score = always * sum(most) / len(most)
    yield Answer("fraction of pixels", "until half is black", removal.white(Fraction()), score, metric=black)


def deletion_uniform(metric) -> Iterator[Answer]:
    yield from removal.deletion(metric)
    soon, late = removal.both(removal.ON, hidden(metric), metric)
    yield Answer("AND", "the one pixel that counts goes first", removal.pixels(AllOf, 2.0), soon)
    yield Answer("AND", "it goes last, being below zero", removal.pixels(AllOf, -2.0), late)


def insertion_uniform(metric) -> Iterator[Answer]:
    yield from removal.insertion(metric)
    soon, late = removal.both(hidden(metric), removal.ON, metric)
    yield Answer("AND", "the one pixel that counts comes first", removal.pixels(AllOf, 2.0), soon)
    yield Answer("AND", "it comes last, being below zero", removal.pixels(AllOf, -2.0), late)


def hidden(metric) -> float:
    """Return the probability where noise hides the pixel: it may be bright itself."""
    noise = torch.rand(3, removal.SIDE, removal.SIDE, generator=draws(metric.seed, "baseline"))
    return removal.ON if (noise[(slice(None), *PLACE)] > 0.5).all() else removal.OFF


def deletion_noisy_linear(metric) -> Iterator[Answer]:
    yield Answer("constant", "the probability is its own area", removal.constant(), probabilities())
    soon, late = removal.both(removal.ON, removal.OFF, metric)
    yield Answer("AND", "the one pixel that counts goes first", removal.pixels(AllOf, 2.0), soon)
    yield Answer("AND", "it goes last, being below zero", removal.pixels(AllOf, -2.0), late)
    yield Answer("region", "white until nothing is left", removal.white(removal.REGION), whole(metric), CLOSE)


def insertion_noisy_linear(metric) -> Iterator[Answer]:
    yield Answer("constant", "the probability is its own area", removal.constant(), probabilities())
    soon, late = removal.both(removal.OFF, removal.ON, metric)
    yield Answer("AND", "the one pixel that counts comes first", removal.pixels(AllOf, 2.0), soon)
    yield Answer("AND", "it comes last, being below zero", removal.pixels(AllOf, -2.0), late)
    yield Answer("region", "white from the first pixels on", removal.white(removal.REGION), whole(metric), CLOSE)


def probabilities() -> torch.Tensor:
    return Constant().logit.detach().softmax(0)


def whole(metric) -> torch.Tensor:
    """Return the area where a white image stays white, but for the mean colour where nothing is left."""
    white, colour = (1 / (1 + exp(-removal.GAIN * value)) for value in (1, MEAN.mean().item()))
    return torch.full((2,), removal.area([white] * metric.steps + [colour]))
