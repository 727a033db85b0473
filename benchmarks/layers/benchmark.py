"""Benchmark of layers: local evidence of what every layer predicts, global evidence of features and filters.

Our reading of Yang et al. 2022 (Hybrid CNN-Interpreter), whose own algorithm was not available. A cell has one entry: a
probe, which predicts from every layer of an image; a representation, whose features are correlated; or an importance,
which orders the filters.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from importlib import import_module

import pandas as pd
import torch
from torch import Tensor

from benchmarks.datasets.splits import digest, drawn_at_random
from benchmarks.loop import Batch, Evaluated, Scored, alone, evaluated, target_of
from benchmarks.preparation import Prepared, suited
from entries import gallery, rising, whole
from methods.layers.layered import Layered, chosen_layers
from methods.layers.probes import enough


@dataclass(frozen=True, eq=False)
class Reference:
    """Other images than the scored ones: of the train split, or without one the data set's background."""

    cell: Prepared
    images: int

    @property
    def trained(self) -> bool:
        """Return whether the data set has a train split, whose labels are known."""
        return hasattr(self.cell.dataset, "train")

    @cached_property
    def drawn(self) -> tuple[Tensor, Tensor]:
        """Return x (n, 3, h, w), normalised for the network, and labels (n,), without a train split those predicted."""
        cell, dataset = self.cell, suited(self.cell.dataset, self.cell.network)
        if self.trained:
            pixels, labels = drawn_at_random(dataset, cell.size, self.images)
            pixels = pixels.float() / 255
        elif hasattr(dataset, "background"):
            pixels, labels = dataset.background(cell.size, self.images), None
        else:
            own = type(dataset).__name__
            raise ValueError(f"benchmark=layers needs a data set with a train split or a background; {own} has neither")
        x = cell.common.normalised(pixels.to(cell.device))
        if labels is None:
            parts = [cell.model(part).argmax(1) for part in x.split(cell.cfg.batch_size)]
            labels = torch.cat(parts)
        return x, labels.to(cell.device)

    @property
    def x(self) -> Tensor:
        return self.drawn[0]

    @property
    def labels(self) -> Tensor:
        return self.drawn[1]

    @property
    def batch(self) -> Batch:
        """Return the first image as a batch, which stands for the images of scores that are of none."""
        x, label = self.x[:1], self.labels[:1].cpu()
        explained, facts = replace(self.cell.common, x=x, target=label), pd.DataFrame({"label": label})
        nothing = torch.empty(0)
        return Batch([""], nothing, nothing, self.cell.model(x), explained, facts)

    @cached_property
    def data(self) -> str:
        """Return a digest of the images and their labels, which scores of no single image carry."""
        return digest(self.x, self.labels)


@dataclass(frozen=True)
class Layers:
    """Score what an entry of one of the groups says of the layers of a network.

    `layers` are names of modules, or "auto". Probes are fitted on `train_images` of the data set's train split, and
    features are correlated and filters ordered on `reference_images`. `shares` of the filters are removed.
    """

    entry: list[str]
    target: str
    layers: str | list[str]
    train_images: int
    reference_images: int
    shares: list[float]
    gallery: dict[str, int]

    def __post_init__(self) -> None:
        target_of(self.target)
        whole(self, train_images=2, reference_images=4)
        rising(self, "shares", 0, 1)
        gallery(self, "images")

    def __call__(self, cell: Prepared) -> Evaluated:
        """Compute one cell; where no metric is of images, the images of the test split are not looked at."""
        few = self.train_images if cell.cell.group == "probe" else self.reference_images
        reference = Reference(cell, few)
        ready = cache(partial(self.ready, cell, reference))  # late, so that what does not suit leaves its reason
        if not any(getattr(metric, "of_images", False) for metric in cell.metrics.values()):
            return alone(cell, lambda: ready()(reference.batch), 0)
        return evaluated(cell, self.target, lambda batch: ready()(batch), self.gallery["images"])

    def suits(self, dataset: object, model: object, entry: object) -> None:
        """Refuse a probe of more neighbours than there are train images, whatever the weights of the network are."""
        enough(entry, min(self.train_images, getattr(dataset, "train_images", self.train_images)))

    def ready(self, cell: Prepared, reference: Reference) -> Callable[[Batch], Scored]:
        """Return the step of the entry's group, which scores a batch."""
        names = chosen_layers(cell.model, reference.x[:1], self.layers)
        network = Layered(cell.model, names, cell.cfg.batch_size, cell.store)
        return import_module(f"benchmarks.layers.{cell.cell.group}").step(cell, network, reference, self)
