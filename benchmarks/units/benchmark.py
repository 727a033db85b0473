"""Benchmark of units: what single channels of a layer respond to, shown in images or named in words.

A cell has one entry: a visualisation, which gives an image for every unit, or a labelling, which gives it a word. The
scores belong to no single image of the test split.
"""

from dataclasses import dataclass, replace
from functools import cached_property, partial
from importlib import import_module

import torch
from torch import Tensor

from benchmarks.datasets.splits import digest
from benchmarks.loop import Evaluated, alone
from benchmarks.preparation import Prepared, suited
from entries import gallery, whole
from methods.units.reading import units_of


@dataclass(frozen=True, eq=False)
class Reference:
    """Images on which units are read, normalised for the network, and others that are held out.

    The first are of the data set's train split, or without one its background; the others are of its test split.
    """

    cell: Prepared
    images: int
    held_out_images: int

    @cached_property
    def pixels(self) -> Tensor:
        """Return the reference images (n, 3, h, w) in [0, 1]."""
        dataset = self.dataset
        drawn = hasattr(dataset, "factors")  # its background is the first train images, and no others are drawn
        if hasattr(dataset, "train") and not drawn:
            return dataset.train(self.cell.size)[0][: self.images].float() / 255
        if hasattr(dataset, "background"):
            return dataset.background(self.cell.size, self.images)
        own = type(dataset).__name__
        raise ValueError(f"benchmark=units needs a data set with a train split or a background; {own} has neither")

    @cached_property
    def x(self) -> Tensor:
        """Return the reference images (n, 3, h, w), normalised for the network."""
        return self.normalised(self.pixels)

    @cached_property
    def held_out(self) -> Tensor:
        """Return the first images (m, 3, h, w) of the test split, normalised; fewer where it has fewer.

        Scenes are drawn, and so many of them as are wanted, whatever the number of images that other kinds score.
        """
        drawn = hasattr(self.dataset, "factors")
        dataset = replace(self.dataset, images=self.held_out_images) if drawn else self.dataset
        images = dataset.test(self.cell.size)
        some = [images[k][1] for k in range(min(self.held_out_images, len(images)))]
        return self.normalised(torch.stack(some))

    @property
    def dataset(self) -> object:
        return suited(self.cell.dataset, self.cell.network)

    def normalised(self, pixels: Tensor) -> Tensor:
        return self.cell.common.normalised(pixels.to(self.cell.device))

    @cached_property
    def data(self) -> str:
        """Return a digest of the reference images, which scores of no single image carry."""
        return digest(self.x)


@dataclass(frozen=True)
class Neurons:
    """Score what an entry of one of the groups says of the units of a layer.

    `layer` is the name of a module, or "auto". `units` are how many of its channels are asked about, spread evenly, or
    their indices, or null: all. They are read on `reference_images` and judged on `held_out_images`. Maps are compared
    with masks at `side` positions along a side, or at those of an image that has fewer.
    """

    entry: list[str]
    layer: str
    units: int | list[int] | None
    reference_images: int
    held_out_images: int
    side: int
    gallery: dict[str, int]

    def __post_init__(self) -> None:
        whole(self, reference_images=2, held_out_images=2, side=4)
        gallery(self, "units")

    def __call__(self, cell: Prepared) -> Evaluated:
        """Compute one cell."""
        reference = Reference(cell, self.reference_images, self.held_out_images)
        units = units_of(cell.model, reference.x[:1], self.layer, self.units, cell.cfg.batch_size, cell.store)
        step = import_module(f"benchmarks.units.{cell.cell.group}").step
        return alone(cell, partial(step, cell, units, reference, self), self.gallery["units"])
