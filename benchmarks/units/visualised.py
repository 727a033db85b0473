"""What a metric of visualisations sees: an image for every unit, real images, and networks that read both."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from entries import once
from methods.units.reading import Units


@dataclass(frozen=True, eq=False)
class Visualised:
    """Units with their images; `once` keeps what several metrics share."""

    model: nn.Module
    x: Tensor  # (n, 3, h, w) float32, reference images, normalised for the model
    held_out: Tensor  # (m, 3, h, w) other real images
    network: Units
    images: Tensor  # (u, 3, h, w) of the units
    dead_starts: Tensor  # (u,) nan where there was no start
    other: Callable[[], Units]  # the same layer of a network that was fitted with another seed
    path: Callable[[Tensor], list[Tensor]]  # features (n, c) of images in every layer from the image to the units
    store: Callable | None = field(default=None, repr=False)  # `benchmarks.store.Store`
    shared: dict[Hashable, object] = field(default_factory=dict, repr=False)
    once = once

    @property
    def index(self) -> list[int]:
        """Return the units that are asked about, of all that the layer has."""
        return [*self.network.index]

    def activations(self, images: Tensor) -> Tensor:
        """Return the activation (n, u) of every unit that is asked about, for any images."""
        return largest(self.network, images)[:, self.index]

    def own(self, images: Tensor) -> Tensor:
        """Return the activation (u,) of every unit for the image that is its own."""
        return self.activations(images).diagonal()

    @property
    def activation(self) -> Tensor:
        """Return the activation (u,) of every unit for its visualisation."""
        return self.once("activation", lambda: self.own(self.images))

    @property
    def real(self) -> Tensor:
        """Return the activations (m, u) of every unit for the held-out images."""
        return self.once("real", lambda: self.activations(self.held_out))


def largest(network: Units, x: Tensor) -> Tensor:
    """Return the activation (n, c) of every unit of a layer: its largest over positions; it is kept."""
    compute = lambda: torch.cat([maps.amax((2, 3)) for maps in network.streamed(x)])  # noqa: E731
    return network.keep((x,), ("largest of units", network.layer), compute).cpu().double()
