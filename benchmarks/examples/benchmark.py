"""Benchmark of examples: images that explain what a network says, or stand for many, or would change it.

The families are three groups of entries, each with its metrics in `metrics/GROUP.py` and its step in `GROUP.py`.

- `example`: which training images explain the network's answer to a test image.
- `prototype`: training images that stand for all.
- `counterfactual`: for each test image another one that the network takes for another class.

`GROUP.step(cell, training, settings)` gives all scores of a cell at once. The test images are those of the data set,
`dataset.images` of them.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module

import pandas as pd
import torch
from torch import Tensor

from benchmarks.contracts import untouched
from benchmarks.cost import Cost, measured
from benchmarks.datasets.splits import refuse_without_train
from benchmarks.examples.worlds import epochs, trained
from benchmarks.loop import Evaluated, Scored, alone, batched, target_of
from benchmarks.preparation import Prepared
from entries import gallery, number, positive, whole
from methods.examples.counterfactuals import named_target
from methods.examples.training import Training


@dataclass(frozen=True, eq=False)
class Tested:
    """Test images of a cell."""

    x: Tensor  # (n, 3, h, w) normalised for the network, on its device
    pixels: Tensor  # (n, 3, h, w) in [0, 1], on the CPU
    mask: Tensor  # (n, h, w) bool, the object of the label, on the CPU
    facts: pd.DataFrame  # by image: label, predicted, target, data

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.facts.index,)

    @property
    def labels(self) -> Tensor:
        """Return the class (n,) of each image, -1 where it is unknown."""
        return torch.tensor(self.facts.label.to_numpy())

    @property
    def targets(self) -> Tensor:
        """Return the class (n,) that is asked about, on the network's device."""
        return torch.tensor(self.facts.target.to_numpy(), device=self.x.device)


@dataclass(frozen=True)
class Examples:
    """Score what an entry of one of the groups says of test images by other images.

    `target` says which class is explained: predicted or label. Heads are refitted with the penalty `l2`, each without
    one of `left_out` training images. `seeds` networks are fitted on each of `subsets` halves of the training images.
    Three more data sets have something planted: a share `flipped` of the training images has a wrong label; the first
    `duplicates` test images are among the training images; a share `patched` has a patch and the first class.
    """

    entry: list[str]
    target: str
    l2: float
    left_out: int
    subsets: int
    seeds: int
    flipped: float
    duplicates: int
    patched: float
    gallery: dict[str, int]

    def __post_init__(self) -> None:
        target_of(self.target)
        positive(self, "l2")
        whole(self, left_out=2, subsets=3, seeds=2, duplicates=1)
        for name in ("flipped", "patched"):
            number(self, name, "in (0, 1)", lambda share: 0 < share < 1)
        gallery(self, "images", "examples")

    def __call__(self, cell: Prepared) -> Evaluated:
        """Compute one cell."""
        return alone(cell, partial(self.scored, replace(cell, stored=frozenset())), self.gallery["images"])

    def suits(self, dataset: object, model: object, entry: object) -> None:
        """Refuse what cannot be computed, whatever the weights of the network are."""
        refuse_without_train("examples", dataset)
        if hasattr(dataset, "train_images") and hasattr(entry, "enough"):
            entry.enough(dataset.train_images)
        if "checkpoints" in entry.needs:
            epochs(model)
        if hasattr(entry, "target") and getattr(model, "weights", "") == "fit":
            named_target(entry, dataset.classes)

    def scored(self, cell: Prepared) -> Scored:
        """Return all scores of a cell."""
        step: Callable[..., Scored] = import_module(f"benchmarks.examples.{cell.cell.group}").step
        return step(cell, trained(cell, cell.dataset, cell.network), self)

    def tested(self, cell: Prepared) -> Tested:
        """Return the test images with what is known of them."""
        batches = [*batched(cell, self.target)]
        parts = zip(*((batch.explained.x, batch.pixels, batch.mask) for batch in batches), strict=True)
        return Tested(*(torch.cat(part) for part in parts), pd.concat([batch.facts for batch in batches]))


@contextmanager
def asked(cell: Prepared, training: Training) -> Iterator[Cost]:
    """Measure what the entry does; passes that were made for another entry of the sweep count as its own."""
    before = cell.store.reused
    with untouched(type(cell.entry).__name__, training), measured(cell.model, cell.device) as cost:
        yield cost
    cost.forwards += cell.store.reused - before
