"""Known answers: in which order and with which draws the layers of a network lose their weights."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from benchmarks.conformance.answers import Answer
from benchmarks.conformance.cases import explained, frozen, images
from benchmarks.conformance.models import Network

SIDE = 16
RAMP = torch.linspace(-1, 1, SIDE * SIDE).view(1, SIDE, SIDE)
VALLEY = RAMP.abs()  # its ranks do not correlate with those of the ramp


class Twins(nn.Module):
    """Two layers of one shape."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(4)
            self.first, self.second = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x).relu()).mean((2, 3))


@dataclass(frozen=True)
class Reads:
    """A ramp while one layer has the weights that it had; a map of other ranks afterwards."""

    layer: str
    weight: Tensor

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        same = model.get_submodule(self.layer).weight.equal(self.weight)
        return (RAMP if same else VALLEY).repeat(len(x), 1, 1)


class Compares:
    """A map of other ranks where two layers have the same weights."""

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        return (VALLEY if model.first.weight.equal(model.second.weight) else RAMP).repeat(len(x), 1, 1)


def mprt(metric) -> Iterator[Answer]:
    four = replace(metric, stages=4)
    for layer, left in (("head", 0), ("second", 1), ("first", 3)):
        model = frozen(Network())
        e = explained(model, images(2, SIDE), method=Reads(layer, getattr(model, layer).weight.clone()))
        question = f"a map of the layer {layer} alone: {left} of 4 stages leave it alone"
        yield Answer("random CNN", question, e, torch.full((2,), left / 4), metric=four)
    e = explained(frozen(Twins()), images(2, SIDE), method=Compares())
    yield Answer("random CNN", "two layers of one shape have draws of their own", e, torch.ones(2))


smooth_mprt = mprt
