"""What a metric of labellings sees: units with their words, and drawn scenes in which it is known where words are."""

import json
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd
import torch
from torch import Tensor, nn

from benchmarks.datasets import scenes, shapes
from entries import once
from methods.units.labelling import Active, Labels, Overlap, active, along, falls, overlap, thresholds
from methods.units.reading import Units


@dataclass(frozen=True, eq=False)
class Scenes:
    """Images of a data set that draws them, with what they show."""

    dataset: object
    table: pd.DataFrame  # of factors
    x: Tensor  # (n, 3, h, w) float32, normalised for the network
    side: int  # of the masks
    normalised: Callable[[Tensor], Tensor]

    @cached_property
    def drawn(self) -> shapes.Drawn:
        """Return the scenes as coarse as the masks."""
        return shapes.redrawn(self.dataset, self.table, self.side)

    @cached_property
    def labels(self) -> Tensor:
        """Return the classes (n,) of the scenes."""
        return torch.from_numpy(self.dataset.drawn(int(self.table.split.iloc[0]), len(self.table), 4)[1])

    @property
    def words(self) -> tuple[str, ...]:
        """Return the words that are somewhere in the scenes."""
        return tuple(w for w in scenes.MASKED if scenes.masks(self.drawn, self.table, (w,)).any())

    def masks(self, words: tuple[str, ...]) -> Tensor:
        """Return where words or classes are (n, words, s, s) bool; a class is where the object of its scenes is."""
        if words != tuple(self.dataset.classes):
            return torch.from_numpy(scenes.masks(self.drawn, self.table, words))
        own = self.labels[:, None] == torch.arange(len(words))
        return torch.from_numpy(scenes.masks(self.drawn, self.table, ("object",))) & own[:, :, None, None]

    def paired(self, word: str, images: int, seed: int) -> tuple[Tensor, Tensor]:
        """Return the first scenes (m, 3, h, w) with and without a word, all else equal."""
        pair = scenes.paired(self.table[:images], word, seed)
        pixels = (shapes.redrawn(self.dataset, table, self.x.shape[-1]).pixels for table in pair)
        return tuple(self.normalised(torch.from_numpy(part).float() / 255) for part in pixels)

    def deciding(self, k: int) -> tuple[str, ...]:
        """Return the words that decide a class: those of its rule, or its own name; none for what no rule fits."""
        rules = getattr(self.dataset, "rules", None)
        return (self.dataset.classes[k],) if rules is None else (*rules, ())[k]


@dataclass(frozen=True, eq=False)
class Labelled:
    """Units with their words; `once` keeps what several metrics share."""

    model: nn.Module
    x: Tensor  # (n, 3, h, w) float32, normalised for the model: the images on which words were found
    units: Units
    labels: Labels
    found: Scenes  # on which the words were found
    held_out: Scenes  # on which they are judged
    store: Callable | None = field(default=None, repr=False)  # `benchmarks.store.Store`
    shared: dict[Hashable, object] = field(default_factory=dict, repr=False)
    once = once

    @property
    def parts(self) -> list[str]:
        """Return what scores of units are of: a layer, a unit and its word, "" without one, as a list in JSON."""
        words = ((*self.labels.words, "")[label] for label in self.labels.label)
        return [json.dumps([self.units.layer, *named]) for named in zip(self.units.index, words, strict=True)]

    def of_label(self, values: Tensor) -> Tensor:
        """Return the values (..., units) of the units' own words, of values (..., units, words); nan without a word."""
        label = self.labels.label
        own = values.gather(-1, label.clamp(min=0)[:, None].expand(*values.shape[:-1], 1))[..., 0]
        return own.masked_fill(label < 0, torch.nan)

    def maps(self, scenes: Scenes) -> Tensor:
        """Return the maps (n, u, h, w) of all units for scenes."""
        compute = lambda: along(self.units, self.labels.directions, scenes.x, scenes.side)  # noqa: E731
        return self.once(("maps", scenes), compute)

    def masks(self, scenes: Scenes) -> Tensor:
        """Return the masks (n, words, s, s) of all words in scenes."""
        return self.once(("masks", scenes), lambda: scenes.masks(self.labels.words))

    def active(self, scenes: Scenes, quantile: float) -> Active:
        """Return where units are more active than at all but a share `quantile` of positions of these scenes."""
        maps = self.maps(scenes)
        compute = lambda: active(maps, thresholds(maps, quantile), scenes.side)  # noqa: E731
        return self.once(("active", scenes, quantile), compute)

    def overlap(self, scenes: Scenes, quantile: float, orders: Tensor | None = None) -> Overlap:
        """Return the overlap of units and words in scenes, or in each of some orders (p, n) of the masks' images."""
        return overlap(self.active(scenes, quantile), self.masks(scenes), orders)

    def contrasts(self, images: int, seed: int) -> list[tuple[Tensor, Tensor] | None]:
        """Return each unit's mean activations (a,) and (b,) on held-out drawings with and without its word.

        Without a word, or where a word cannot be taken from a scene, there are none: None. A class is not drawn into a
        scene; there the drawings are scenes of the class and of other classes.
        """
        of_units = zip(self.labels.label.tolist(), self.labels.directions, strict=True)
        drawings = {label: self.drawings(label, images, seed) for label in self.labels.label.unique().tolist()}
        return [drawings[label] and tuple(means @ d for means in drawings[label]) for label, d in of_units]

    def drawings(self, label: int, images: int, seed: int) -> tuple[Tensor, Tensor] | None:
        """Return the means over positions (a, c) and (b, c) of all channels, of drawings with and without a word."""
        return self.once(("drawings", label, images, seed), lambda: self.drawn(label, images, seed))

    def drawn(self, label: int, images: int, seed: int) -> tuple[Tensor, Tensor] | None:
        scenes = self.held_out
        if self.labels.words == tuple(scenes.dataset.classes) and label >= 0:
            means, own = self.units.means(scenes.x), scenes.labels == label
            return means[own][:images], means[~own][:images]
        word = self.labels.words[label]
        if label < 0 or word in shapes.PARTS:
            return None
        return tuple(self.units.means(x) for x in scenes.paired(word, images, seed))

    def effects(self, images: int) -> Tensor:
        """Return by how much each class's logit falls (u, k) without a unit, on the class's first held-out images."""
        scenes = self.held_out
        x, labels = scenes.x[:images], scenes.labels[:images]
        compute = lambda: falls(self.units, self.labels.directions, x, labels, len(scenes.dataset.classes))  # noqa: E731
        return self.once(("effects", images), compute)

    def decided(self) -> Tensor:
        """Return the match (u, k) of each unit's word where it decides a class, else 0; nan where nothing decides."""
        match, label = self.of_label(self.labels.match - self.labels.chance), self.labels.label
        columns = []
        for k in range(len(self.held_out.dataset.classes)):
            words = self.deciding(k)
            own = torch.tensor([w in words for w in self.labels.words])[label.clamp(min=0)] & (label >= 0)
            columns.append(torch.where(own, match, 0.0) if words else torch.full_like(match, torch.nan))
        return torch.stack(columns, 1)

    def deciding(self, k: int) -> tuple[str, ...]:
        classes = tuple(self.held_out.dataset.classes)
        return (classes[k],) if self.labels.words == classes else self.held_out.deciding(k)
