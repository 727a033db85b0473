"""What curves of removed, imputed and inserted pixels give on models whose answers are known."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from math import exp

import torch
from torch import Tensor, nn

from benchmarks.conformance.answers import Answer
from benchmarks.conformance.cases import explained, frozen, images, levels
from benchmarks.conformance.models import MEAN, STD, Fraction
from benchmarks.explained import Explained, draws
from tests.answers.models import AllOf, AnyOf, Constant, Region

SIDE, PIXELS = 16, 16 * 16
GAIN = 4.0
REGION = Region(0, 0, SIDE, SIDE, GAIN)  # the whole image
OBJECT = PIXELS // 4  # pixels of the object in `marked`
ON, OFF = 1 / (1 + exp(-GAIN)), 0.5  # the probability of class 0 in `AllOf` with its pixels and without
DARK = ("black", "mean")  # baselines of which no pixel is above one half
MEANS = {"black": 0.0, "mean": MEAN.mean().item(), "blur": 1.0}  # of the baselines of a white image
PLACE = 5, 7  # of the one pixel that `pixels(AllOf, ...)` reads
# By order of removal: what the networks without order and with one pixel that counts score, and why.
ROAD = {
    "morf": {
        "of its three classes, it says the third": [0, 0, 1],
        "the one pixel that counts goes first": 0,
        "it goes last, being below zero": 1,
    },
    "lerf": {
        "of its three classes, it says the third": [0, 0, 1],
        "the one pixel that counts stays": 1,
        "it goes first, being below zero": 0,
    },
    "combined": {
        "no order is better": 0,
        "the one pixel that counts is the largest": 1,
        "it is the smallest, below zero": -1,
    },
}


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


def marked(value: float) -> Explained:
    """Every second pixel of every second row is white, the object; the map gives it `value` and the rest zero."""
    pixels = torch.zeros(1, SIDE, SIDE)
    pixels[:, ::2, ::2] = 1
    return painted(Fraction(), pixels, value * pixels)


def pixels(model: type[nn.Module], *values: float) -> Explained:
    """Some pixels are white and the model reads only these; the map gives them `values`, the rest signs and ties."""
    places = (PLACE, (12, 2))[: len(values)]
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


def both(high: float, low: float, metric) -> tuple[float, float]:
    """Areas of a value that falls at the first step, and at the last."""
    return tuple(low + (high - low) * steps / metric.steps for steps in (0.5, metric.steps - 0.5))


def hidden(metric) -> float:
    """Return the probability where the baseline hides the one pixel that counts; noise may be bright there."""
    noise = torch.rand(3, SIDE, SIDE, generator=draws(metric.seed, "baseline"))
    return ON if metric.baseline == "uniform" and (noise[(slice(None), *PLACE)] > 0.5).all() else OFF


def curve(metric) -> Iterator[Answer]:
    """Answers of deletion, and of insertion, which shows what deletion removes."""
    inserts, under = metric.higher_is_better, metric.baseline
    comes = "comes" if inserts else "goes"
    soon, late = both(hidden(metric), ON, metric) if inserts else both(ON, hidden(metric), metric)
    yield Answer("constant", "the probability is its own area", constant(), Constant().logit.detach().softmax(0))
    yield Answer("AND", f"the one pixel that counts {comes} first", pixels(AllOf, 2.0), soon)
    yield Answer("AND", f"it {comes} last, being below zero", pixels(AllOf, -2.0), late)
    if under == "noisy_linear":  # white stays white among white; where nothing is left, all becomes the mean colour
        question = "white from the first pixels on" if inserts else "white until nothing is left"
        whole = area([ON] * metric.steps + [sigmoid(GAIN * MEAN.mean().item())])
        yield Answer("region", question, white(REGION), whole, 1e-4)
    if under in MEANS:
        question = f"from {under} to white" if inserts else f"from white to {under}"
        yield Answer("region", question, white(REGION), area([sigmoid(fading(metric, n)) for n in counts(metric)]))
    if under in DARK:
        yield Answer("fraction of pixels", "linear, whatever the order", white(Fraction()), 0.5)
    if under in DARK or (under == "blur" and inserts):
        first = area([min(OBJECT, count) for count in counts(metric)]) / PIXELS
        last = area([max(0, count - PIXELS + OBJECT) for count in counts(metric)]) / PIXELS
        for when, value, inserted in (("first", 1.0, first), ("last", -1.0, last)):
            score = inserted if inserts else OBJECT / PIXELS - inserted
            yield Answer("fraction of pixels", f"object {when}", marked(value), score)


deletion = deletion_black = deletion_mean = deletion_blur = deletion_uniform = deletion_noisy_linear = curve
insertion = insertion_black = insertion_mean = insertion_blur = insertion_uniform = insertion_noisy_linear = curve


def aopc(metric) -> Iterator[Answer]:
    last = round(metric.removed * metric.steps)
    yield Answer("constant", "nothing falls", constant(), 0)
    fall = (ON - OFF) * last / (last + 1)
    yield Answer("AND", "the one pixel that counts goes first", pixels(AllOf, 2.0), fall)
    yield Answer("AND", "it would go last, being below zero", pixels(AllOf, -2.0), 0)
    fades = [ON - sigmoid(fading(metric, count)) for count in counts(metric)[: last + 1]]
    yield Answer("region", f"from white to {metric.baseline}", white(REGION), sum(fades) / len(fades))
    fall = sum(counts(metric)[: last + 1]) / (last + 1) / PIXELS
    yield Answer("fraction of pixels", "linear, whatever the order", white(Fraction()), fall)


def abpc(metric) -> Iterator[Answer]:
    soon, late = both(ON, OFF, metric)
    yield Answer("constant", "no gap", constant(), 0)
    yield Answer("AND", "the one pixel that counts is the largest", pixels(AllOf, 2.0), late - soon)
    yield Answer("AND", "it is the smallest, below zero", pixels(AllOf, -2.0), soon - late)
    yield Answer("OR", "one reason is the largest, the other the smallest", pixels(AnyOf, 2.0, -2.0), 0)
    yield Answer("fraction of pixels", "no order is better", white(Fraction()), 0, 2e-6)


def pixel_flipping(metric) -> Iterator[Answer]:
    soon, late = both(GAIN, 0, metric)[:: 1 if metric.order == "morf" else -1]
    yield Answer("constant", "the logit is its own mean", constant(), Constant().logit.detach())
    yield Answer("AND", "the one pixel that counts is the largest", pixels(AllOf, 2.0), soon)
    yield Answer("AND", "it is the smallest, below zero", pixels(AllOf, -2.0), late)
    logit = area([fading(metric, count) for count in counts(metric)])
    yield Answer("region", f"linear from white to {metric.baseline}", white(REGION), logit, 5e-6)


pixel_flipping_morf = pixel_flipping_lerf = pixel_flipping


def monotonicity(metric) -> Iterator[Answer]:
    yield Answer("constant", "nothing falls", constant(), 1)
    yield Answer("region", "each pixel speaks for the class", white(REGION), 1)
    yield Answer("region", "each pixel speaks against the class", white(REGION, target=1), 0)
    for value, when, score in ((-2.0, "first, being below zero", 1), (2.0, "last", 1 / metric.steps)):
        e = white(Key())
        e.maps[:, 0, 0] = value
        yield Answer("key", f"the pixel that gives the others a meaning comes {when}", e, score)


def road(metric) -> Iterator[Answer]:
    networks = ("constant", constant()), ("AND", pixels(AllOf, 2.0)), ("AND", pixels(AllOf, -2.0))
    for (network, e), (question, score) in zip(networks, ROAD[metric.order].items(), strict=True):
        yield Answer(network, question, e, score)
    share = 0.0 if metric.order == "combined" else 1.0  # where the class is always predicted
    if share:
        yield Answer("OR", "one reason is left", pixels(AnyOf, 2.0, -2.0), share)
    yield Answer("fraction of pixels", "white is imputed among white", white(Fraction()), share)
    most = [count < PIXELS / 2 for count in counts(metric)[1:-1]]
    black = replace(metric, baseline="black")
    score = share * sum(most) / len(most)
    yield Answer("fraction of pixels", "until half is black", white(Fraction()), score, metric=black)


road_morf = road_lerf = road_combined = road
