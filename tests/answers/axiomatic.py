"""Known answers: laws of maps on a linear model, where the exact map is known."""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from benchmarks.conformance.answers import Answer
from benchmarks.conformance.cases import InputXGradient, explained, frozen, images, levels
from benchmarks.conformance.models import STD
from benchmarks.explained import Explained
from tests.answers.models import Linear

SIDE, NAN = 16, torch.nan


def linear(**law: object) -> Explained:
    """The exact map of a linear model, channels summed: it sums to the logit."""
    method = InputXGradient(lambda maps: maps / 100, **law)
    return explained(frozen(Linear(SIDE)), images(3, SIDE), method=method)


def completeness(metric) -> Iterator[Answer]:
    e = linear()
    yield Answer("linear", "the exact map", e, 0, 1e-4)
    yield Answer("linear", "twice the exact map", replace(e, maps=2 * e.maps, shared={}), 1, 1e-4)
    yield Answer("linear", "the exact map, against", replace(e, maps=-e.maps, shared={}), 2, 1e-4)
    yield Answer("linear", "no law stated", linear(complete=""), NAN)
    e = linear(complete="difference", baseline=0.3)
    weight = e.model.weight.double()[e.target]
    share = (0.3 * weight.sum((1, 2, 3)) / ((e.x.double() - 0.3) * weight).sum((1, 2, 3))).abs().float()
    yield Answer("linear", "the baseline's logit is left over", e, share, 1e-5 * share.max().item())
    nothing = replace(e, x=torch.full_like(e.x, 0.3), shared={})
    yield Answer("linear", "the image is the baseline", nothing, NAN)


def input_invariance(metric) -> Iterator[Answer]:
    e = linear()
    weight = e.model.weight.double()[e.target]
    moved = (metric.shift / STD.double()[:, None, None] * weight).sum(1)
    score = (moved.flatten(1).norm(dim=1) / e.maps.double().flatten(1).norm(dim=1)).float()
    yield Answer("linear", "input x gradient", e, score, 1e-5 * score.max().item())
    yield Answer("linear", "the gradient", method(e, lambda model, x, target: model.weight[target].sum(1)), 0)
    tied = levels(3, SIDE, 5)
    yield Answer("linear", "a signed map with ties that reads nothing", method(e, lambda *_: tied), 0)
    yield Answer("linear", "a zero map", method(e, lambda *_: 0 * tied), NAN)


def method(e: Explained, explain) -> Explained:
    maps: Tensor = explain(e.model, e.x, e.target)
    return replace(e, method=explain, maps=maps, shared={})
