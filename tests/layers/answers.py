"""Known answers: predictions, features and orders of filters that are set by hand."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from math import exp, sqrt

import torch
from cka import hsic
from torch import Tensor

from benchmarks.conformance.answers import Answer
from benchmarks.conformance.cases import frozen
from benchmarks.conformance.models import MEAN, STD
from benchmarks.layers.conformance import Order
from benchmarks.layers.probed import Probed
from benchmarks.layers.ranked import Ranked
from benchmarks.layers.represented import Represented
from tests.answers.models import Constant

NAN, X = torch.nan, torch.zeros(4, 3, 8, 8)
CLASSES = [[0, 0, 1, 0], [0, 1, 0, 1], [0, 1, 1, 1]]  # that three layers predict of four images
LABELS = torch.tensor([0, 1, 0, 1])


def probed(classes: list[list[int]], predicted: Sequence[int] = (0, 1, 1, 1), probe: Callable | None = None) -> Probed:
    """Four images whose predicted class has a probability of .8 in every layer."""
    told = 0.2 + 0.6 * torch.nn.functional.one_hot(torch.tensor(classes), 2)
    logits = torch.nn.functional.one_hot(torch.tensor(predicted), 2).float()
    names = tuple(f"layer{k}" for k in range(len(classes)))
    return Probed(frozen(Constant()), X, LABELS, logits, names, told, probe, None, lambda: (X, LABELS), MEAN, STD)


def of_probes(first: list[float], reverse: list[float], predicted: Sequence[int] = (0, 1, 1, 1)) -> Iterator[Answer]:
    yield Answer("set by hand", "three layers, the last is the network", probed(CLASSES, predicted), first, 1e-6)
    yield Answer(
        "set by hand", "three layers, the first is the network", probed(CLASSES[::-1], predicted), reverse, 1e-6
    )


def layer_accuracy(metric) -> Iterator[Answer]:
    yield from of_probes([1, 2 / 3, 1 / 3, 2 / 3], [1, 2 / 3, 1 / 3, 2 / 3])


def layer_probability(metric) -> Iterator[Answer]:
    yield from of_probes([0.8, 0.6, 0.4, 0.6], [0.8, 0.6, 0.4, 0.6])


def decision_depth(metric) -> Iterator[Answer]:
    yield from of_probes([1, 2, 3, 2], [1, 4, 3, 4])


def divergence(metric) -> Iterator[Answer]:
    yield from of_probes([NAN, NAN, 3, 4], [NAN, NAN, 3, 3], predicted=(0, 1, 1, 0))


class Scheduled:
    """A probe that is right about a share of what it was fitted on: a share of each layer, fit after fit."""

    needs = ("train",)

    def __init__(self, *shares: Sequence[float]) -> None:
        self.shares = iter(shares)

    def __call__(self, network: object, x: Tensor, labels: Tensor, classes: int) -> Callable[[Tensor], Tensor]:
        right = torch.stack([torch.arange(len(x)) < share * len(x) for share in next(self.shares)])
        told = torch.where(right, labels, (labels + 1) % classes)
        return lambda x: torch.nn.functional.one_hot(told, classes).float()


def selectivity(metric) -> Iterator[Answer]:
    for shares, control, scores in (((0.5, 1), (0, 0.25), [0.5, 0.75]), ((1, 0.25), (1, 0.75), [0, -0.5])):
        yield Answer("set by hand", "two layers", probed(CLASSES[:2], probe=Scheduled(shares, control)), scores)


A, B = torch.tensor([1.0, -1, 1, -1]), torch.tensor([1.0, 1, -1, -1])  # of mean 0 and orthogonal


def represented(*features: Tensor, last: Sequence[Tensor] | None = None, x: Tensor = X) -> Represented:
    """Images with features (n, c) of layers; the second half is of class 1."""
    names = tuple(f"layer{k}" for k in range(len(features)))
    labels = torch.arange(len(x)) // (len(x) // 2)
    return Represented(frozen(Constant()), x, labels, names, features, lambda: last)


def of_layers(apart: float, twice: float, mixed: float) -> Iterator[Answer]:
    layers = represented(torch.stack([A, B], 1), torch.stack([A, A, 0 * A + 3, -A], 1), torch.stack([A, A + B], 1))
    for k, (name, score) in enumerate(
        ((("orthogonal", apart)), ("one channel thrice", twice), ("half in common", mixed))
    ):
        yield Answer("set by hand", f"channels of a layer: {name}", represented(layers.features[k]), [score], 1e-6)


def feature_correlation(metric) -> Iterator[Answer]:
    yield from of_layers(0, 1, sqrt(0.5))


def feature_redundancy(metric) -> Iterator[Answer]:
    yield from of_layers(0, 1, 0)
    ten = torch.randn(50, 10, generator=torch.Generator().manual_seed(0))
    layer = represented(torch.cat([ten, ten[:, :1]], 1), x=torch.zeros(50, 3, 8, 8))
    yield Answer("set by hand", "one of eleven channels given twice", layer, [1 / 55], 1e-6)


def effective_rank(metric) -> Iterator[Answer]:
    low, high = (1 - sqrt(0.5)) / 2, (1 + sqrt(0.5)) / 2
    yield from of_layers(2, 1, low**-low * high**-high)
    yield Answer("set by hand", "a channel and its opposite", represented(torch.stack([B, -B], 1)), [exp(0)], 1e-6)


def class_correlation(metric) -> Iterator[Answer]:
    yield from of_layers(0.5, 0, sqrt(0.5) / 2)


def dead_channels(metric) -> Iterator[Answer]:
    yield from of_layers(0, 0.25, 0)


def of_library(x: Tensor, y: Tensor) -> float:
    """Unbiased CKA from pytorch-cka's HSIC; its own `cka_from_features` makes negative values 0."""
    both, own, other = hsic(*(f.double()[None] @ f.double().T for f in (x, y)))
    return float(both / (own * other).sqrt())


def of_pairs(score: Callable[[Tensor, Tensor, Tensor], float]) -> Iterator[Answer]:
    """Three layers of twelve images, in pairs; the last is the first, turned and scaled."""
    rng = torch.Generator().manual_seed(1)
    x, first, noise = (torch.randn(12, *shape, generator=rng) for shape in ((3, 8, 8), (3,), (4,)))
    turned = 2 * first @ torch.linalg.qr(torch.randn(3, 3, generator=rng))[0]
    layers = (first, torch.cat([first[:, :1], noise], 1), turned)
    pixels = x.flatten(1)
    for pair in (layers, layers[:2]):
        scores = [score(pixels, *two) for two in combinations(pair, 2)]
        yield Answer("set by hand", f"{len(pair)} layers", represented(*pair, x=x), scores, 1e-6)


def cka(metric) -> Iterator[Answer]:
    yield from of_pairs(lambda pixels, a, b: of_library(a, b))


def cka_residual(metric) -> Iterator[Answer]:
    def partial(pixels: Tensor, a: Tensor, b: Tensor) -> float:
        ab, ap, bp = of_library(a, b), of_library(a, pixels), of_library(b, pixels)
        return (ab - ap * bp) / sqrt((1 - ap**2) * (1 - bp**2))

    yield from of_pairs(partial)


def cka_influence(metric) -> Iterator[Answer]:
    for share, left_out in ((0.01, 1), (0.25, 3)):  # of 12 images

        def without_the_farthest(pixels: Tensor, a: Tensor, b: Tensor, left_out: int = left_out) -> float:
            shares = [(f - f.mean(0)).square().sum(1) / (f - f.mean(0)).square().sum() for f in (a, b)]
            near = sum(shares).argsort()[:-left_out]
            return of_library(a[near], b[near]) - of_library(a, b)

        for answer in of_pairs(without_the_farthest):
            yield answer._replace(metric=replace(metric, share=share))


def cka_to_last(metric) -> Iterator[Answer]:
    rng = torch.Generator().manual_seed(2)
    now, last = ([torch.randn(12, c, generator=rng) for c in (3, 5)] for _ in range(2))
    x = torch.zeros(12, 3, 8, 8)
    scores = [of_library(*pair) for pair in zip(now, last, strict=True)]
    yield Answer("set by hand", "other features at the last epoch", represented(*now, last=last, x=x), scores, 1e-6)
    yield Answer("set by hand", "the last epoch", represented(*now, last=now, x=x), [1.0, 1.0], 1e-6)


WEIGHTS, NEEDED = torch.tensor([8.0, 4, 2, 1]), torch.tensor([9, 3.5, 0.5])  # an image keeps its class above its need


def ranked(*order: Sequence[float], alive: Sequence[bool] = (True,) * 4) -> Ranked:
    """Three images whose class 0 stays while the filters that are left weigh enough; draws of an order."""

    def without(removed: Sequence[Tensor | None]) -> Tensor:
        left = WEIGHTS[~removed[0]].sum() - NEEDED
        return torch.stack([left, -left], 1)

    signed = [torch.tensor([[1.0, -2, 0.5, 0], [3, 0, -0.25, 0]]).double()]
    importance = Order(("layer",), signed, [torch.tensor(order).double()], [torch.tensor(alive)])
    shares, predicted = (0.25, 0.5, 0.75), torch.zeros(3, dtype=torch.int64)
    return Ranked(frozen(Constant()), torch.zeros(3, 3, 8, 8), predicted, importance, shares, without)


def of_orders(best: list[float], worst: list[float]) -> Iterator[Answer]:
    yield Answer("set by hand", "the right order of four filters", ranked([4, 3, 2, 1]), best)
    yield Answer("set by hand", "the opposite order", ranked([1, 2, 3, 4]), worst)
    both = [(a + b) / 2 for a, b in zip(best, worst, strict=True)]
    yield Answer("set by hand", "both orders, as draws", ranked([4, 3, 2, 1], [1, 2, 3, 4]), both)


def removal_most_first(metric) -> Iterator[Answer]:
    yield from of_orders([0.125, 0.375, 0.875], [0.625, 0.875, 0.875])


def removal_least_first(metric) -> Iterator[Answer]:
    yield from of_orders([0.625, 0.875, 0.875], [0.125, 0.375, 0.875])


def layer_removal(metric) -> Iterator[Answer]:
    yield from of_orders([0, 0, 1], [1, 1, 1])


def channel_importance(metric) -> Iterator[Answer]:
    told = ranked([4, 3, 2, 1])
    yield Answer("set by hand", "filter by filter, class by class", told, [1, 3, -2, 0, 0.5, -0.25, 0, 0])
    silent = told.importance._replace(signed=[torch.full((2, 4), NAN).double()])
    yield Answer("set by hand", "no class is told of", replace(told, importance=silent), [NAN])


def filter_importance(metric) -> Iterator[Answer]:
    for order in ([4.0, 3, 2, 1], [0.5, 2, 0, 8]):
        yield Answer("set by hand", "the sizes of four filters", ranked(order), order)


def dead_filters(metric) -> Iterator[Answer]:
    for alive, score in (((True, True, False, True), 0.25), ((True,) * 4, 0)):
        yield Answer("set by hand", f"{sum(alive)} of four live", ranked([4, 3, 2, 1], alive=alive), [score])
