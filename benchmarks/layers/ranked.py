"""What a metric of importance sees: one batch of images, and the order in which filters are removed."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from entries import once


@dataclass(frozen=True, eq=False)
class Ranked:
    """One batch with the importance of filters; `once` keeps what several metrics share."""

    model: nn.Module
    x: Tensor  # (n, 3, h, w) float32, normalised for the model
    predicted: Tensor  # (n,) int64, the network's class
    importance: object  # `methods.layers.importance.Importance`
    shares: Sequence[float]  # rising, of every layer's filters
    without: Callable[[Sequence[Tensor | None]], Tensor]  # removed (c,) bool of each layer, None: none -> logits (n, k)
    shared: dict[Hashable, object] = field(default_factory=dict, repr=False)
    once = once

    def kept(self, share: float, most_first: bool, layer: int | None = None, most: int | None = None) -> Tensor:
        """Return on what share of draws (n,) each image keeps its class when a share of the filters is removed.

        The same share goes in every layer, or in one `layer` only, rounded to whole filters. Dead filters stay. Of an
        importance with several draws, at most the first `most` are taken.
        """
        if share == 0:
            return torch.ones(len(self.x), dtype=torch.float64, device=self.x.device)
        draws = 1 if share == 1 else len(self.importance.order[0][:most])  # all draws remove everything

        def compute() -> Tensor:
            layers = range(len(self.importance.names))
            masks = [
                [self.removed(k, draw, share, most_first) if layer in (None, k) else None for k in layers]
                for draw in range(draws)
            ]
            return torch.stack([self.hit(mask) for mask in masks]).double().mean(0)

        return self.once((share, most_first, layer, draws), compute)

    def hit(self, removed: Sequence[Tensor | None]) -> Tensor:
        """Return which images (n,) keep their class without these filters (c,) of each layer."""
        key = tuple(None if mask is None else mask.numpy().tobytes() for mask in removed)
        return self.once(("hit", key), lambda: self.without(removed).argmax(1) == self.predicted)

    def removed(self, layer: int, draw: int, share: float, most_first: bool) -> Tensor:
        """Return which filters (c,) of a layer are removed; equal ones go in the order of channels, or against it."""
        alive = self.importance.alive[layer].nonzero()[:, 0]
        order = alive[self.importance.order[layer][draw, alive].argsort(descending=True, stable=True)]
        count = int(share * len(order) + 0.5)
        removed = torch.zeros_like(self.importance.alive[layer])
        removed[(order if most_first else order.flip(0))[:count]] = True
        return removed
