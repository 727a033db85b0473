"""scikit-learn's handwritten digits on a larger canvas of grey clutter, with the strokes as masks."""

from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor

from benchmarks.datasets.shapes import DRAWS, backdrop, bright, grid
from entries import whole

TEST_DIGITS = 360  # of 1797; no digit is in both splits


@dataclass(frozen=True)
class Digits:
    """Real digits of 8 x 8 pixels, enlarged smoothly, at a random place, size and colour.

    Image i depends on `seed`, its split and i alone; beyond the digits of a split their turn comes again, placed anew.
    Pixels outside the mask are those of the background.
    """

    images: int
    train_images: int
    seed: int

    version: ClassVar[int] = 1
    classes: ClassVar[tuple[str, ...]] = tuple("0123456789")

    def __post_init__(self) -> None:
        whole(self, images=1, train_images=1, seed=0)

    def test(self, size: int) -> list[tuple[str, Tensor, int, Tensor]]:
        """The test images, in order."""
        pixels, labels, masks = self.drawn(1, self.images, size)
        rows = zip(torch.from_numpy(pixels).float() / 255, labels.tolist(), torch.from_numpy(masks), strict=True)
        return [(f"digits_{i:05d}", x, label, mask) for i, (x, label, mask) in enumerate(rows)]

    def train(self, size: int) -> tuple[Tensor, Tensor]:
        """The train images as bytes, and their labels."""
        pixels, labels, _ = self.drawn(0, self.train_images, size)
        return torch.from_numpy(pixels), torch.from_numpy(labels)

    def background(self, size: int, n: int) -> Tensor:
        """The first train images (n, 3, size, size) in [0, 1]."""
        return torch.from_numpy(self.drawn(0, n, size)[0]).float() / 255

    def chosen(self, split: int, images: int) -> np.ndarray:
        """Which of scikit-learn's digits the first images of a split show."""
        order = np.random.default_rng(self.seed).permutation(len(handwritten()[1]))
        return np.resize(order[:TEST_DIGITS] if split else order[TEST_DIGITS:], images)

    def drawn(self, split: int, images: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The first images of a split as bytes (n, 3, h, w), their labels and masks (n, h, w)."""
        strokes, labels = handwritten()
        digits = self.chosen(split, images)
        pixels, masks = np.empty((images, 3, size, size), np.uint8), np.empty((images, size, size), bool)
        for start in range(0, images, 64):
            index = range(start, min(start + 64, images))
            draws = np.stack([np.random.default_rng([self.seed, split, i]).random(DRAWS) for i in index])
            part = draws[:, -1].astype(np.float32)[..., None, None]
            ink = placed(strokes[digits[start : index.stop]], part, size)[:, None]
            scene = backdrop(draws, size) * (1 - ink) + bright(part[:, 5:8]) * ink
            pixels[start : index.stop], masks[start : index.stop] = (255 * scene).round(), ink[:, 0] > 0
        return pixels, labels[digits], masks


@cache
def handwritten() -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's digits (1797, 8, 8) in [0, 1], and their labels."""
    digits = load_digits()
    return digits.images.astype(np.float32) / 16, digits.target.astype(np.int64)


def placed(strokes: np.ndarray, part: np.ndarray, size: int) -> np.ndarray:
    """Ink (n, size, size) of digits (n, 8, 8), bicubic; under .3 it becomes none, so that strokes have an edge."""
    side = 0.6 + 0.15 * part[:, 0]
    corner = (1 - side[:, None]) * part[:, 1:3]
    x, y = ((axis - corner[:, k]) / side for k, axis in enumerate(grid(size)))
    where = torch.from_numpy(np.stack([2 * x - 1, 2 * y - 1], axis=-1))
    ink = torch.nn.functional.grid_sample(torch.from_numpy(strokes)[:, None], where, "bicubic", "zeros", False)
    return ((ink[:, 0].numpy() - 0.3) / 0.2).clip(0, 1)
