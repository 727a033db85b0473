"""What curves of removed and inserted pixels give on models whose answers are known."""

from collections.abc import Iterator
from itertools import pairwise
from math import exp

import torch
from torch import Tensor, nn

from benchmarks.conformance.answers import Answer
from benchmarks.conformance.cases import explained, frozen, images, levels
from benchmarks.conformance.models import MEAN, STD, Fraction
from benchmarks.explained import Explained
from tests.answers.models import AllOf, AnyOf, Constant, Region

SIDE, PIXELS = 16, 16 * 16
GAIN = 4.0
REGION = Region(0, 0, SIDE, SIDE, GAIN)  # the whole image
ON, OFF = 1 / (1 + exp(-GAIN)), 0.5  # the probability of class 0 in `AllOf` with its pixels and without
DARK = ("black", "mean")  # baselines of which no pixel is above one half
MEANS = {"black": 0.0, "mean": MEAN.mean().item(), "blur": 1.0}  # of the baselines of a white image


class Key(nn.Module):
    """The white share of the image speaks for class 0 where the first pixel is white, and against it elsewhere."""

    def forward(self, x: Tensor) -> Tensor:
        white = (x * STD[:, None, None] + MEAN[:, None, None] > 0.5).all(1).float()
        on = 8 * white.mean((1, 2)) * (2 * white[:, 0, 0] - 1)
        return torch.stack([on, torch.zeros_like(on)], 1)


def painted(model: nn.Module, pixels: Tensor, maps: Tensor, target: int = 0) -> Explained:
    """A batch of grey images (n, h, w)."""
    x = (pixels[:, None] - MEAN[:, None, None]) / STD[:, None, None]
    return explained(frozen(model), x, maps, target=torch.full((len(x),), target))


def constant() -> Explained:
    return explained(frozen(Constant()), images(3, SIDE), levels(3, SIDE, 9))


def white(model: nn.Module, target: int = 0) -> Explained:
    """White images, one under a map with many ties and one under a flat map: every pixel is worth the same."""
    maps = levels(2, SIDE, 9)
    maps[1] = 0.7
    return painted(model, torch.ones(2, SIDE, SIDE), maps, target)


def marked(model: nn.Module, white: float, black: float) -> Explained:
    """Every second pixel of every second row is white, a quarter; the map has one value for them, one for the rest."""
    pixels = torch.zeros(1, SIDE, SIDE)
    pixels[:, ::2, ::2] = 1
    return painted(model, pixels, torch.where(pixels > 0, white, black))


def pixels(model: type[nn.Module], *values: float) -> Explained:
    """Some pixels are white and the model reads only these; the map gives them `values`, the rest signs and ties."""
    places = ((5, 7), (12, 2))[: len(values)]
    image, maps = torch.zeros(1, SIDE, SIDE), levels(1, SIDE, 3) - 0.1
    for place, value in zip(places, values, strict=True):
        image[(0, *place)], maps[(0, *place)] = 1, value
    return painted(model(places, GAIN), image, maps)


def counts(metric) -> list[int]:
    return [round(k * PIXELS / metric.steps) for k in range(metric.steps + 1)]


def area(values: list[float]) -> float:
    return sum((a + b) / 2 for a, b in pairwise(values)) / (len(values) - 1)


def fading(metric, count: int) -> float:
    """Return the logit of `Region` for a white image of which so many pixels are removed."""
    return GAIN * (1 - count / PIXELS * (1 - MEANS[metric.baseline]))


def sigmoid(logit: float) -> float:
    return 1 / (1 + exp(-logit))


def both(high: float, low: float, metric) -> tuple[Tensor, Tensor]:
    """Areas of a value that falls at the first step, and at the last."""
    return tuple(torch.tensor([low + (high - low) * steps / metric.steps]) for steps in (0.5, metric.steps - 0.5))


def deletion(metric) -> Iterator[Answer]:
    yield Answer("constant", "the probability is its own area", constant(), Constant().logit.detach().softmax(0))
    if metric.baseline == "uniform":  # may be as bright as the pixels that count
        return
    soon, late = both(ON, OFF, metric)
    yield Answer("AND", "the one pixel that counts goes first", pixels(AllOf, 2.0), soon)
    yield Answer("AND", "it goes last, being below zero", pixels(AllOf, -2.0), late)
    fall = torch.tensor(area([sigmoid(fading(metric, count)) for count in counts(metric)]))
    yield Answer("region", f"from white to {metric.baseline}", white(REGION), fall)
    if metric.baseline in DARK:
        yield Answer("fraction of pixels", "linear, whatever the order", white(Fraction()), torch.tensor(0.5))
        left = [max(0, PIXELS // 4 - count) / PIXELS for count in counts(metric)]
        yield Answer("fraction of pixels", "object first", marked(Fraction(), 1.0, 0.0), torch.tensor(area(left)))
        left = [min(PIXELS // 4, PIXELS - count) / PIXELS for count in counts(metric)]
        yield Answer("fraction of pixels", "object last", marked(Fraction(), -1.0, 0.0), torch.tensor(area(left)))


def insertion(metric) -> Iterator[Answer]:
    yield Answer("constant", "the probability is its own area", constant(), Constant().logit.detach().softmax(0))
    if metric.baseline == "uniform":  # may be as bright as the pixels that count
        return
    soon, late = both(OFF, ON, metric)
    yield Answer("AND", "the one pixel that counts comes first", pixels(AllOf, 2.0), soon)
    yield Answer("AND", "it comes last, being below zero", pixels(AllOf, -2.0), late)
    there = [min(PIXELS // 4, count) / PIXELS for count in counts(metric)]
    yield Answer("fraction of pixels", "object first", marked(Fraction(), 1.0, 0.0), torch.tensor(area(there)))
    there = [max(0, count - PIXELS * 3 // 4) / PIXELS for count in counts(metric)]
    yield Answer("fraction of pixels", "object last", marked(Fraction(), -1.0, 0.0), torch.tensor(area(there)))
    rise = torch.tensor(area([sigmoid(fading(metric, PIXELS - count)) for count in counts(metric)]))
    yield Answer("region", f"from {metric.baseline} to white", white(REGION), rise)
    if metric.baseline in DARK:
        yield Answer("fraction of pixels", "linear, whatever the order", white(Fraction()), torch.tensor(0.5))


def aopc(metric) -> Iterator[Answer]:
    last = round(metric.removed * metric.steps)
    yield Answer("constant", "nothing falls", constant(), torch.zeros(3))
    if metric.baseline == "uniform":  # may be as bright as the pixels that count
        return
    fall = torch.tensor((ON - OFF) * last / (last + 1))
    yield Answer("AND", "the one pixel that counts goes first", pixels(AllOf, 2.0), fall)
    if last < metric.steps:
        yield Answer("AND", "it would go last, being below zero", pixels(AllOf, -2.0), torch.zeros(1))
    fades = [sigmoid(GAIN) - sigmoid(fading(metric, count)) for count in counts(metric)[: last + 1]]
    yield Answer("region", f"from white to {metric.baseline}", white(REGION), torch.tensor(sum(fades) / len(fades)))
    if metric.baseline in DARK:
        fall = torch.tensor(sum(counts(metric)[: last + 1]) / (last + 1) / PIXELS)
        yield Answer("fraction of pixels", "linear, whatever the order", white(Fraction()), fall)


def abpc(metric) -> Iterator[Answer]:
    yield Answer("constant", "no gap", constant(), torch.zeros(3))
    if metric.baseline == "uniform":  # may be as bright as the pixels that count
        return
    soon, late = both(ON, OFF, metric)
    yield Answer("AND", "the one pixel that counts is the largest", pixels(AllOf, 2.0), late - soon)
    yield Answer("AND", "it is the smallest, below zero", pixels(AllOf, -2.0), soon - late)
    yield Answer("OR", "one reason is the largest, the other the smallest", pixels(AnyOf, 2.0, -2.0), torch.zeros(1))
    if metric.baseline in DARK:
        yield Answer("fraction of pixels", "no order is better", white(Fraction()), torch.zeros(2), 2e-6)


def pixel_flipping(metric) -> Iterator[Answer]:
    yield Answer("constant", "the logit is its own mean", constant(), Constant().logit.detach())
    if metric.baseline == "uniform":  # may be as bright as the pixels that count
        return
    soon, late = both(GAIN, 0, metric)[:: 1 if metric.order == "morf" else -1]
    yield Answer("AND", "the one pixel that counts is the largest", pixels(AllOf, 2.0), soon)
    yield Answer("AND", "it is the smallest, below zero", pixels(AllOf, -2.0), late)
    logit = torch.tensor(area([fading(metric, count) for count in counts(metric)]))
    yield Answer("region", f"linear from white to {metric.baseline}", white(REGION), logit, 5e-6)


pixel_flipping_morf = pixel_flipping_lerf = pixel_flipping


def monotonicity(metric) -> Iterator[Answer]:
    yield Answer("constant", "nothing falls", constant(), torch.ones(3))
    if metric.baseline in DARK:
        yield Answer("region", "each pixel speaks for the class", white(REGION), torch.ones(2))
        yield Answer("region", "each pixel speaks against the class", white(REGION, target=1), torch.zeros(2))
        for value, when, score in ((-2.0, "first, being below zero", 1.0), (2.0, "last", 1 / metric.steps)):
            e = white(Key())
            e.maps[:, 0, 0] = value
            yield Answer("key", f"the pixel that gives the others a meaning comes {when}", e, torch.tensor(score))
