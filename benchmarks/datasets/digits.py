"""scikit-learn's handwritten digits on a larger canvas of grey clutter, with the strokes as masks."""

from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np
import torch
from sklearn.datasets import load_digits

from benchmarks.datasets import shapes
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

    classes: ClassVar[tuple[str, ...]] = tuple("0123456789")
    test, train, background = shapes.test, shapes.train, shapes.background

    def __post_init__(self) -> None:
        whole(self, images=1, train_images=1, seed=0)

    def chosen(self, split: int, images: int) -> np.ndarray:
        """Which of scikit-learn's digits the first images of a split show."""
        order = np.random.default_rng(self.seed).permutation(len(handwritten()[1]))
        return np.resize(order[:TEST_DIGITS] if split else order[TEST_DIGITS:], images)

    def drawn(self, split: int, images: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The first images of a split as bytes (n, 3, h, w), their labels (n,) and masks (n, h, w)."""
        digits = self.chosen(split, images)
        pixels, masks = shapes.painted(self, split, digits, size)
        return pixels, handwritten()[1][digits], masks

    def scenes(self, draws: np.ndarray, digits: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Pixels in [0, 1] and masks of uniform draws (n, *DRAWS) and digits (n,)."""
        part = draws[:, -1].astype(np.float32)[..., None, None]
        ink = placed(handwritten()[0][digits], part, size)[:, None]
        return shapes.backdrop(draws, size) * (1 - ink) + shapes.bright(part[:, 5:8]) * ink, ink[:, 0] > 0


@cache
def handwritten() -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's digits (1797, 8, 8) in [0, 1], and their labels."""
    digits = load_digits()
    return digits.images.astype(np.float32) / 16, digits.target.astype(np.int64)


def placed(strokes: np.ndarray, part: np.ndarray, size: int) -> np.ndarray:
    """Ink (n, size, size) of digits (n, 8, 8), bicubic; under .3 it becomes none, so that strokes have an edge."""
    side = 0.6 + 0.15 * part[:, 0]
    corner = (1 - side[:, None]) * part[:, 1:3]
    x, y = ((axis - corner[:, k]) / side for k, axis in enumerate(shapes.grid(size)))
    where = torch.from_numpy(np.stack([2 * x - 1, 2 * y - 1], axis=-1))
    ink = torch.nn.functional.grid_sample(torch.from_numpy(strokes)[:, None], where, "bicubic", "zeros", False)
    return ((ink[:, 0].numpy() - 0.3) / 0.2).clip(0, 1)
