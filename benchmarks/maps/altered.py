"""A method whose maps are changed on purpose, to judge metrics by how they react."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmarks.explained import draws

CHANGES = ("none", "minor", "other_class")
MINOR = 0.01  # of a map's standard deviation


@dataclass(frozen=True)
class Altered:
    """Explains as `method` does, but for one change of every map.

    minor: normal noise of .01 of the map's standard deviation, the same draw for all images and calls, or no method
    would be robust. other_class: the class after the target is explained, modulo `classes`. What the method states of
    itself, this states too.
    """

    method: Callable[..., Tensor]
    change: str
    classes: int
    seed: int

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor, **needs: Tensor) -> Tensor:
        if self.change == "other_class":
            return self.method(model, x, (target + 1) % self.classes, **needs)
        maps = self.method(model, x, target, **needs)
        noise = torch.randn(maps.shape[1:], generator=draws(self.seed, "minor change")).to(maps)
        return maps + MINOR * maps.double().std((1, 2), keepdim=True).to(maps) * noise

    def __getattr__(self, name: str) -> object:
        if name.startswith("__") or name == "method":
            raise AttributeError(name)
        return getattr(self.method, name)
