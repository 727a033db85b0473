"""Bright shapes anywhere over grey clutter, with the exact mask of the one shape that defines the class."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from entries import whole

# Every outline has the area of the unit disc, so that the amount of colour does not tell the class.
OUTLINES = {
    "disc": lambda x, y: x**2 + y**2 <= 1,
    "square": lambda x, y: np.maximum(abs(x), abs(y)) <= 0.886,
    "diamond": lambda x, y: abs(x) + abs(y) <= 1.253,
    "triangle": lambda x, y: (abs(y) <= 1.253) & (2 * abs(x) <= y + 1.253),
    "ring": lambda x, y: (x**2 + y**2 <= 1.25**2) & (x**2 + y**2 >= 0.75**2),
    "plus": lambda x, y: (np.minimum(abs(x), abs(y)) <= 0.36) & (np.maximum(abs(x), abs(y)) <= 1.27),
    "cross": lambda x, y: (abs(abs(x) - abs(y)) <= 0.48) & (np.maximum(abs(x), abs(y)) <= 1.06),
    "crescent": lambda x, y: (x**2 + y**2 <= 1.32**2) & ((x - 0.8) ** 2 + y**2 > 1),
}
REACH = 1.35  # no outline is farther from its centre along an axis
CLUTTER = 8  # grey ellipses and rectangles
DISTRACTORS = 4  # small ellipses and rectangles in the colours of the object
TEXTURE = 12  # side of the grid of the background's texture
DRAWS = TEXTURE + CLUTTER + DISTRACTORS + 1, TEXTURE  # rows of uniform draws that make a scene, the object's last


def test(dataset: object, size: int) -> list[tuple[str, Tensor, int, Tensor]]:
    """The test images, in order: name, pixels (3, size, size) in [0, 1], label and mask (size, size)."""
    pixels, labels, masks = dataset.drawn(1, dataset.images, size)
    rows = zip(torch.from_numpy(pixels).float() / 255, labels.tolist(), torch.from_numpy(masks), strict=True)
    return [(f"{type(dataset).__name__.lower()}_{i:05d}", *row) for i, row in enumerate(rows)]


def train(dataset: object, size: int) -> tuple[Tensor, Tensor]:
    """The train images as bytes (n, 3, size, size), and their labels."""
    pixels, labels, _ = dataset.drawn(0, dataset.train_images, size)
    return torch.from_numpy(pixels), torch.from_numpy(labels)


def background(dataset: object, size: int, n: int) -> Tensor:
    """The first train images (n, 3, size, size) in [0, 1]."""
    return torch.from_numpy(dataset.drawn(0, n, size)[0]).float() / 255


def painted(dataset: object, split: int, shown: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The first images of a split as bytes (n, 3, h, w), and masks (n, h, w); the data set draws what is `shown`."""
    pixels, masks = np.empty((len(shown), 3, size, size), np.uint8), np.empty((len(shown), size, size), bool)
    for index in np.array_split(np.arange(len(shown)), range(64, len(shown), 64)):
        draws = np.stack([np.random.default_rng([dataset.seed, split, i]).random(DRAWS) for i in index])
        scene, masks[index] = dataset.scenes(draws, shown[index], size)
        pixels[index] = (255 * scene).round()
    return pixels, masks


@dataclass(frozen=True)
class Shapes:
    """Drawn scenes; everything but the outline is drawn without regard to the class.

    Image i depends on `seed`, its split and i alone; `size` only sets how finely the same scene is drawn. Labels take
    turns. The object comes last, so that nothing hides it and its mask is exact.
    """

    images: int
    train_images: int
    seed: int

    classes: ClassVar[tuple[str, ...]] = tuple(OUTLINES)
    test, train, background = test, train, background

    def __post_init__(self) -> None:
        whole(self, images=1, train_images=1, seed=0)

    def drawn(self, split: int, images: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The first images of a split as bytes (n, 3, h, w), their labels (n,) and masks (n, h, w)."""
        labels = np.arange(images) % len(self.classes)
        pixels, masks = painted(self, split, labels, size)
        return pixels, labels, masks

    def scenes(self, draws: np.ndarray, label: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Pixels in [0, 1] and masks of uniform draws (n, *DRAWS); `label` sets the outlines and nothing else."""
        x, y = grid(size)
        scene = backdrop(draws, size)
        part = draws[:, -1].astype(np.float32)[..., None, None]
        radius = 0.15 + 0.07 * part[:, 0]
        centre = REACH * radius[:, None] + (1 - 2 * REACH * radius[:, None]) * part[:, 1:3]
        mask = np.empty((len(label), size, size), bool)
        for k, outline in enumerate(OUTLINES.values()):
            r, c = radius[label == k], centre[label == k]
            mask[label == k] = outline((x - c[:, 0]) / r, (y - c[:, 1]) / r)
        return np.where(mask[:, None], bright(part[:, 5:8]), scene), mask


def backdrop(draws: np.ndarray, size: int) -> np.ndarray:
    """Texture, grey clutter and coloured distractors (n, 3, size, size), from all but the last row of the draws."""
    x, y = grid(size)
    texture = torch.from_numpy(draws[:, :TEXTURE].astype(np.float32))[:, None]
    texture = torch.nn.functional.interpolate(texture, (size, size), mode="bilinear", align_corners=True)
    scene = np.repeat(0.1 + 0.25 * texture.numpy(), 3, axis=1)
    parts = draws[:, TEXTURE:].astype(np.float32)[..., None, None]
    for k in range(CLUTTER):
        inside = patch(x, y, parts[:, k], 0.05, 0.2)
        scene = np.where(inside[:, None], 0.4 * parts[:, k, 5:6], scene)
    for k in range(CLUTTER, CLUTTER + DISTRACTORS):
        inside = patch(x, y, parts[:, k], 0.02, 0.05)
        scene = np.where(inside[:, None], bright(parts[:, k, 5:8]), scene)
    return scene


def grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    """The coordinates x and y (size, size) of the pixels' centres; the image is the unit square."""
    return tuple(np.meshgrid(*2 * [((np.arange(size) + 0.5) / size).astype(np.float32)]))


def patch(x: np.ndarray, y: np.ndarray, part: np.ndarray, least: float, most: float) -> np.ndarray:
    """Where an upright ellipse or rectangle lies whose half axes are between `least` and `most`."""
    half = least + (most - least) * part[:, :2]
    dx, dy = abs(x - part[:, 2]) / half[:, 0], abs(y - part[:, 3]) / half[:, 1]
    return np.where(part[:, 4] < 0.5, dx**2 + dy**2, np.maximum(dx, dy)) <= 1


def bright(part: np.ndarray) -> np.ndarray:
    """Saturated light colours (n, 3, 1, 1) of any hue."""
    hue = abs((6 * part[:, :1] + np.array([3, 5, 1], np.float32)[:, None, None]) % 6 - 3) - 1
    return (0.9 + 0.1 * part[:, 1:2]) * (1 - (0.2 + 0.4 * part[:, 2:3]) * (1 - hue.clip(0, 1)))
