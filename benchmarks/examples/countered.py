"""What a metric of counterfactuals sees: images, what became of them, and networks that look at both."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from entries import once


@dataclass(frozen=True, eq=False)
class Countered:
    """Images with their counterfactuals."""

    model: nn.Module
    x: Tensor  # (n, 3, h, w) float32, normalised for the model
    images: Tensor  # (n, 3, h, w) the counterfactuals, normalised
    targets: Tensor  # (n,) the classes that they shall be
    mask: Tensor  # (n, h, w) bool, where the object is that decides the class; all False where it is unknown
    std: Tensor  # (3,): x = (pixels - mean) / std
    batch: int
    other: Callable[[], nn.Module]  # a network that was fitted with another seed
    store: Callable | None = field(default=None, repr=False)  # `benchmarks.store.Store`
    shared: dict[Hashable, object] = field(default_factory=dict, repr=False)
    once = once

    @property
    def change(self) -> Tensor:
        """Return by how much each value of a pixel in [0, 1] has changed (n, 3, h, w)."""
        return self.once("change", lambda: ((self.images - self.x) * self.std[:, None, None]).double().abs())

    @property
    def flipped(self) -> Tensor:
        """Return which counterfactuals (n,) the model takes for the target."""
        return self.once("flipped", lambda: self.taken(self.model))

    def taken(self, model: nn.Module) -> Tensor:
        """Return which counterfactuals (n,) a network takes for the target."""
        with torch.no_grad():
            said = torch.cat([model(part).argmax(1) for part in self.images.split(self.batch)])
        return said == self.targets
