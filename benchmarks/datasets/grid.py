"""Mosaics of 2 x 2 images of another data set, each of another class."""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from entries import whole

PROBE = 32  # pixels; a data set's labels are the same at every size


@dataclass(frozen=True)
class Grid:
    """Mosaics of test images of four classes; label and mask are those of one cell.

    For the grid pointing game [Boehle et al. 2021], which takes the images of which the network is surest; here any
    image of the class that is drawn may come. Image i depends on `seed`, i and the `tiles` alone. Labels take turns,
    and each label's cells do. Networks are fitted to the tiles, and every tile has their input size.
    """

    tiles: object  # a data set
    images: int
    seed: int

    tiles_per_side: ClassVar[int] = 2

    def __post_init__(self) -> None:
        whole(self, images=1, seed=0)
        if not hasattr(self.tiles, "test"):
            raise ValueError(f"Grid needs a data set as tiles; {type(self.tiles).__name__} was given")
        if (found := len(self.places)) < 4:
            kind = type(self.tiles).__name__
            raise ValueError(f"Grid needs tiles of at least 4 classes; the images of {kind} show {found}")

    def suited(self, network: object) -> "Grid":
        """Return mosaics of tiles that are prepared as the network's own evaluation does."""
        other = copy(self)  # keeps the labels that have been read
        if hasattr(self.tiles, "suited"):
            object.__setattr__(other, "tiles", self.tiles.suited(network))
        return other

    @property
    def classes(self) -> tuple[str, ...]:
        return self.tiles.classes

    @property
    def fitted_on(self) -> object:
        """The data set whose networks these images are for."""
        return self.tiles

    @cached_property
    def places(self) -> dict[int, list[int]]:
        """Which tiles show each class; those of an unknown one are left out."""
        labels = [label for _, _, label, _ in self.tiles.test(PROBE)]
        return {k: [i for i, label in enumerate(labels) if label == k] for k in sorted(set(labels)) if k >= 0}

    def test(self, size: int) -> "Mosaics":
        """The mosaics, in order, each put together when asked for."""
        return Mosaics(self.tiles.test(half(size)), tuple(self.chosen(i) for i in range(self.images)), size)

    def background(self, size: int, n: int) -> Tensor:
        """Mosaics (n, 3, size, size) of the tiles' own background in [0, 1], which may repeat its images."""
        others = self.tiles.background(half(size), 4 * n)
        return torch.stack([mosaic(others[torch.arange(4 * i, 4 * i + 4) % len(others)], size) for i in range(n)])

    def chosen(self, i: int) -> "Chosen":
        """What the i-th mosaic shows."""
        turn, place = divmod(i, len(self.places))
        labels = list(self.places)
        label, cell = labels[place], (turn + place) % 4
        rng = np.random.default_rng([self.seed, i])
        shown = rng.permutation([k for k in labels if k != label])[:3].tolist()
        shown.insert(cell, label)
        return Chosen(label, cell, tuple(int(rng.choice(self.places[k])) for k in shown))


class Chosen(NamedTuple):
    """One mosaic, row by row."""

    label: int
    cell: int
    tiles: tuple[int, ...]


@dataclass(frozen=True)
class Mosaics(Sequence):
    """Puts a mosaic together when asked for it."""

    tiles: Sequence
    chosen: tuple[Chosen, ...]
    size: int

    def __len__(self) -> int:
        return len(self.chosen)

    @property
    def names(self) -> list[str]:
        """The names of all mosaics, without putting one together."""
        return [f"grid_{i:05d}" for i in range(len(self))]

    def __getitem__(self, i: int) -> tuple[str, Tensor, int, Tensor]:
        label, cell, tiles = self.chosen[i]
        pixels = torch.stack([self.tiles[k][1] for k in tiles])
        mask = torch.zeros_like(pixels[:, :1], dtype=torch.bool)
        mask[cell] = True
        return self.names[i], mosaic(pixels, self.size), label, mosaic(mask, self.size)[0]


def half(size: int) -> int:
    return (size + 1) // 2


def mosaic(tiles: Tensor, size: int) -> Tensor:
    """Lay four tiles (4, c, h, w) out row by row; an odd size cuts the last row and column."""
    _, c, h, w = tiles.shape
    return tiles.view(2, 2, c, h, w).permute(2, 0, 3, 1, 4).reshape(c, 2 * h, 2 * w)[:, :size, :size].contiguous()
