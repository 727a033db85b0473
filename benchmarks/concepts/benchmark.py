"""Benchmark of concepts in one layer: which given ones decide a class (concept), and which are found (discovery).

The two families are two groups of entries, each with its metrics in `metrics/GROUP.py` and its step in `GROUP.py`.

- `concept`: methods.concepts.cavs, directions of concepts that are given as images, and whether a class depends on
  them. The truth is the measured effect of a concept's word on the network.
- `discovery`: methods.concepts.discovery, concepts that are found in activations, against the factors that were
  planted.

`GROUP.step(cell, layer, settings)` gives all scores of a cell at once; none belongs to a single image. Splits of drawn
scenes: 0 train, 1 test, 2 the scenes of measured effects, from 3 on two for each seed: concepts and random scenes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from math import ceil, log2

import torch

from benchmarks.loop import Evaluated, Scored, alone
from benchmarks.preparation import Prepared
from entries import gallery, layered, number, positive, refuse, whole
from methods.concepts.activations import Layer, chosen_layer


@dataclass(frozen=True)
class Concepts:
    """Score what an entry of one of the groups says of concepts in a layer.

    `layer` is the name of a module, or "auto". `classes` are names of classes, `concepts` words of drawn scenes or
    folders below `root`; null is all. Given concepts have `images` images in each of `runs` runs, and up to
    `class_images` of a class are asked about. The measured effect of a word is over `pairs` scenes, and `delta` the
    smallest that counts, in standard deviations of the class's logit. A claim counts at level `alpha`. Discovery has
    `train_images` to find concepts in and `test_images` to be judged on.
    """

    entry: list[str]
    layer: str
    classes: list[str] | None
    concepts: list[str] | None
    root: str | None
    images: int
    runs: int
    class_images: int
    pairs: int
    delta: float
    alpha: float
    train_images: int
    test_images: int
    gallery: dict[str, int]

    def __post_init__(self) -> None:
        layered(self)
        whole(self, images=1, runs=2, class_images=2, pairs=2, train_images=2, test_images=2)
        positive(self, "delta")
        number(self, "alpha", "in (0, 1)", lambda alpha: 0 < alpha < 1)
        if self.runs < (least := ceil(1 - log2(self.alpha))):
            refuse(self, "runs", f"at least {least} runs for a claim to be significant at alpha={self.alpha}")
        for name in ("classes", "concepts"):
            value = getattr(self, name)
            listed = isinstance(value, Sequence) and not isinstance(value, str) and len(value)
            if value is not None and not (listed and all(isinstance(one, str) for one in value)):
                refuse(self, name, f"{name} to be a list of names, or null for all")
        gallery(self, "concepts")

    def __call__(self, cell: Prepared) -> Evaluated:
        """Compute one cell."""
        return alone(cell, partial(self.scored, cell), self.gallery["concepts"])

    def scored(self, cell: Prepared) -> Scored:
        """Return all scores of a cell."""
        blank = torch.zeros(1, 3, cell.size, cell.size, device=cell.device)
        layer = Layer(cell.model, chosen_layer(cell.model, blank, self.layer), cell.cfg.batch_size, cell.store)
        step: Callable[..., Scored] = import_module(f"benchmarks.concepts.{cell.cell.group}").step
        return step(cell, layer, self)
