"""What a metric sees: one batch of images with its explanation."""

import zlib
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor, nn

from entries import Inapplicable, once

Method = Callable[..., Tensor]
T = TypeVar("T")
CLEAN = "clean logits"


def draws(seed: int, purpose: str) -> torch.Generator:
    """Return a stream of its own for every purpose: with one seed for all, a method's noise would be the metric's."""
    return torch.Generator().manual_seed(zlib.crc32(f"{seed} {purpose}".encode()))


@dataclass(frozen=True, eq=False)
class Explained:
    """One batch with its maps; `once` keeps what several metrics share, such as curves and passes."""

    model: nn.Module
    method: Method
    x: Tensor  # (n, c, h, w) float32, normalised for the model
    target: Tensor  # (n,) int64, the explained class
    maps: Tensor  # (n, h, w) float32, larger means more evidence for the target
    mask: Tensor  # (n, h, w) bool, the object of the explained class; all False where there is none or it is unknown
    mean: Tensor  # (c,) float32: x = (pixels - mean) / std, pixels in [0, 1]
    std: Tensor  # (c,) float32
    background: Tensor  # (m, c, h, w) float32, other images of the data set, normalised; none where it gives none
    image: tuple[str, ...] = ()  # their names
    shared: dict[Hashable, object] = field(default_factory=dict, repr=False)
    store: Callable | None = field(default=None, repr=False)  # `benchmarks.store.Store`: what all methods share
    once = once

    def for_all(self, key: Hashable, compute: Callable[[], T], *more: Tensor) -> T:
        """Return `compute()`, which reads no map and no method: once for all methods of a sweep.

        What it depends on beside network, images and target is in the key, such as settings and a version, or in
        `more`. It gives tensors, or lists, tuples or dictionaries of tensors.
        """
        if self.store is None:
            return compute() if more else self.once(("for all", key), compute)
        if more:
            return self.store((self.x, self.target, *more), key, compute)
        return self.once(("for all", key), lambda: self.store((self.x, self.target), key, compute))

    def explain(self, x: Tensor | None = None, target: Tensor | None = None, model: nn.Module | None = None) -> Tensor:
        """Return maps (n, h, w) for another image, class or model, everything else unchanged."""
        if any(given is not None for given in (x, target, model)):
            self.anew()
        needs = {name: getattr(self, name) for name in getattr(self.method, "needs", ())}
        maps = self.method(
            self.model if model is None else model,
            self.x if x is None else x,
            self.target if target is None else target,
            **needs,
        )
        read = isinstance(maps, Tensor) and maps.dtype == torch.bfloat16  # activations of precision=bfloat16
        return maps.float() if read else maps

    def anew(self) -> None:
        """Refuse to make maps anew where the method looks them up by the images' names."""
        if "image" in getattr(self.method, "needs", ()):
            raise Inapplicable("the maps were made elsewhere, and the metric needs a method that makes some anew")

    @property
    def box(self) -> Tensor:
        """Black and white (2, c) in the model's units: what a pixel can be."""
        return torch.stack([-self.mean / self.std, (1 - self.mean) / self.std])

    def pixels(self) -> Tensor:
        """Return the images (n, c, h, w) in pixel space [0, 1]."""
        return self.x * self.std[:, None, None] + self.mean[:, None, None]

    def normalised(self, pixels: Tensor) -> Tensor:
        """Map pixels (..., c, h, w) in [0, 1] to the model's input space."""
        return (pixels - self.mean[:, None, None]) / self.std[:, None, None]

    @torch.no_grad()
    def logits(self, x: Tensor) -> Tensor:
        """Return the model's logits (n, k) without a graph."""
        return self.model(x)

    def score(self, x: Tensor) -> Tensor:
        """Return the probability (n,) of the explained class."""
        return self.logits(x).softmax(1).gather(1, self.target[:, None])[:, 0]

    def clean_logits(self) -> Tensor:
        """Return the logits (n, k) of the unperturbed images, passed once for all methods."""
        return self.for_all(CLEAN, lambda: self.logits(self.x))
