"""Known answers: whether the map knows the model and the class, and how the layers of a network lose their weights."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

from benchmarks.conformance.answers import Answer
from benchmarks.conformance.cases import explained, frozen, images, levels
from benchmarks.conformance.models import Network
from benchmarks.explained import Explained
from tests.answers.models import Linear

SIDE, NAN = 16, torch.nan
RAMP = torch.linspace(-1, 1, SIDE * SIDE).view(1, SIDE, SIDE)
VALLEY = RAMP.abs()  # its ranks do not correlate with those of the ramp
TIED = levels(1, SIDE, 5)


class Twins(nn.Module):
    """Two layers of one shape."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(4)
            self.first, self.second = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x).relu()).mean((2, 3))


def either(test: Callable[..., Tensor | bool], here: Tensor, elsewhere: Tensor) -> Callable[..., Tensor]:
    """Return a method that gives one map where `test` holds, of a model, images and classes, and another elsewhere."""

    def method(model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        holds = torch.as_tensor(test(model, x, target)).expand(len(x))
        return torch.where(holds[:, None, None], here, elsewhere)

    return method


def batch(test: str, here: Tensor, elsewhere: Tensor) -> Explained:
    """A linear model of three classes whose map is `here` while the model, the image or the class is as it was."""
    model, x, target = frozen(Linear(SIDE)), images(3, SIDE), torch.arange(3)
    weight = model.weight.clone()
    tests = {
        "model": lambda now, *_: now.weight.equal(weight),
        "image": lambda _, now, __: now.equal(x),
        "class": lambda _, __, now: now == target,
    }
    return explained(model, x, method=either(tests[test], here, elsewhere), target=target)


def correlated(what: str, sign: str, constant: str) -> Iterator[Answer]:
    """Answers of a correlation without a sign between the map and that of another model or class."""
    yield Answer("linear", f"a signed map with ties that ignores the {what}", batch("image", TIED, TIED), 1)
    yield Answer("linear", f"a map whose sign is the {sign}", batch(what, RAMP, -RAMP), 1)
    yield Answer("linear", f"a map that follows the {what}", batch(what, RAMP, VALLEY), 0)
    yield Answer("linear", f"a constant map {constant}", batch(what, RAMP, 0 * RAMP), NAN)


def mprt(metric) -> Iterator[Answer]:
    yield from correlated("model", "model's", "after all")
    four = replace(metric, stages=4)
    for layer, left in (("head", 0), ("second", 1), ("first", 3)):
        model = frozen(Network())
        weight = model.get_submodule(layer).weight.clone()
        same = either(lambda m, *_, n=layer, w=weight: m.get_submodule(n).weight.equal(w), RAMP, VALLEY)
        question = f"a map of the layer {layer} alone: {left} of 4 stages leave it alone"
        yield Answer("random CNN", question, explained(model, images(2, SIDE), method=same), left / 4, metric=four)
    alike = either(lambda model, *_: model.first.weight.equal(model.second.weight), VALLEY, RAMP)
    e = explained(frozen(Twins()), images(2, SIDE), method=alike)
    yield Answer("random CNN", "two layers of one shape have draws of their own", e, 1)


def smooth_mprt(metric) -> Iterator[Answer]:
    yield from mprt(metric)
    yield Answer("linear", "a map that is another one on noisy images", batch("image", VALLEY, RAMP), 1)


def random_logit(metric) -> Iterator[Answer]:
    yield from correlated("class", "class", "for other classes")
