"""Known answers: whether the map knows the model and the class."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.conformance.answers import Answer
from benchmarks.conformance.cases import explained, frozen, images, levels
from benchmarks.explained import Explained
from tests.answers.models import Linear

SIDE = 16
RAMP = torch.linspace(-1, 1, SIDE * SIDE).view(1, SIDE, SIDE)
VALLEY = RAMP.abs()  # its ranks do not correlate with those of the ramp
ONE = torch.ones(3)


@dataclass(frozen=True)
class Knows:
    """Gives one map where `test` holds, of a model, images and classes, and another elsewhere."""

    test: object
    here: Tensor
    elsewhere: Tensor

    def __call__(self, model, x: Tensor, target: Tensor) -> Tensor:
        known = torch.as_tensor(self.test(model, x, target)).expand(len(x))
        return torch.where(known[:, None, None], self.here, self.elsewhere)


def batch(test, here: Tensor, elsewhere: Tensor) -> Explained:
    """A linear model of three classes; `test` also reads its weights, the images and the classes as they were."""
    model, x = frozen(Linear(SIDE)), images(3, SIDE)
    weight, target = model.weight.clone(), torch.arange(3)

    def known(now, images_now, target_now) -> Tensor | bool:
        return {
            "model": now.weight.equal(weight),
            "image": images_now.equal(x),
            "class": target_now == target,
        }[test]

    return explained(model, x, method=Knows(known, here, elsewhere), target=target)


def deaf(maps: Tensor) -> Explained:
    """The same map for everything."""
    return batch("image", maps, maps)


def mprt(metric) -> Iterator[Answer]:
    yield Answer("linear", "a signed map with ties that ignores the model", deaf(levels(1, SIDE, 5)), ONE)
    yield Answer("linear", "a map whose sign is the model's", batch("model", RAMP, -RAMP), ONE)
    yield Answer("linear", "a map that follows the model", batch("model", RAMP, VALLEY), 0 * ONE)
    yield Answer("linear", "a constant map after all", batch("model", RAMP, 0 * RAMP), torch.nan * ONE)


def smooth_mprt(metric) -> Iterator[Answer]:
    yield from mprt(metric)
    yield Answer("linear", "a map that is another one on noisy images", batch("image", VALLEY, RAMP), ONE)


def random_logit(metric) -> Iterator[Answer]:
    yield Answer("linear", "a signed map with ties that ignores the class", deaf(levels(1, SIDE, 5)), ONE)
    yield Answer("linear", "a map whose sign is the class", batch("class", RAMP, -RAMP), ONE)
    yield Answer("linear", "a map that follows the class", batch("class", RAMP, VALLEY), 0 * ONE)
    yield Answer("linear", "a constant map for other classes", batch("class", RAMP, 0 * RAMP), torch.nan * ONE)
