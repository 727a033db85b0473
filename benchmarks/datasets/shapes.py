"""Bright shapes anywhere over grey clutter, with the exact mask of the one shape that defines the class."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import pandas as pd
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
# Light on a surface or on the ground. Bars have an absolute width, so that size does not tell the texture; "dull" has
# the mean light of "striped" and "checked", so that light does not tell it either.
BAR = 0.06
SURFACES = {
    "plain": lambda x, y: 1,
    "dull": lambda x, y: 0.7,
    "striped": lambda x, y: np.where(y // BAR % 2, 1, 0.4),
    "checked": lambda x, y: np.where((x // BAR + y // BAR) % 2, 1, 0.4),
}
GROUNDS = {"smooth": lambda x, y: 1, "hatched": lambda x, y: np.where((x + y) // BAR % 2, 1.4, 0.6)}
COLOURS = ("red", "yellow", "green", "cyan", "blue", "magenta")  # each has a sixth of the hues, itself in the middle
PARTS = ("background", "clutter", "distractor", "object")  # the farthest first
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
        scene, masks[index] = dataset.scenes(uniform(dataset.seed, split, index), shown[index], size)
        pixels[index] = (255 * scene).round()
    return pixels, masks


def uniform(seed: int, split: int | np.ndarray, scenes: np.ndarray) -> np.ndarray:
    """The uniform draws (n, *DRAWS) that make scenes of a split, or of their splits."""
    return np.stack([np.random.default_rng([seed, *key]).random(DRAWS) for key in np.broadcast(split, scenes)])


def described(dataset: object, split: int, images: int) -> pd.DataFrame:
    """What the first scenes of a split (0 train, 1 test) show: a row per scene, a column per factor; discs by default.

    `size` is the radius of a disc, `x` and `y` the object's centre, all in sides of the image; `hue` is HSV's, 0 red;
    `brightness` and `saturation` are where in their narrow ranges the colour lies. Every number is that of the pixels.
    """
    part = uniform(dataset.seed, split, np.arange(images))[:, -1].astype(np.float32)
    radius = 0.15 + 0.07 * part[:, 0]
    margin = REACH * radius[:, None]
    x, y = (margin + (1 - 2 * margin) * part[:, 1:3]).T.astype(float)
    name = type(dataset).__name__.lower() if split else "train"
    table = {"split": split, "scene": np.arange(images), "outline": "disc", "hue": (0.5 - part[:, 5].astype(float)) % 1}
    table |= {"brightness": part[:, 6].astype(float), "saturation": part[:, 7].astype(float), "surface": "plain"}
    table |= {"ground": "smooth", "size": radius.astype(float), "x": x, "y": y, "distractors": DISTRACTORS}
    return pd.DataFrame(table, index=[f"{name}_{i:05d}" for i in range(images)])


class Drawn(NamedTuple):
    """Scenes and what each pixel shows."""

    pixels: np.ndarray  # (n, 3, h, w) bytes
    parts: np.ndarray  # (n, h, w) places in PARTS
    colours: np.ndarray  # (n, h, w) places in COLOURS, -1 where grey


def redrawn(dataset: object, table: pd.DataFrame, size: int) -> Drawn:
    """Draw scenes as a table tells, which may have other factors than `dataset.factors` gave; the rest stays.

    An object too large for its place is cut by the border. Raises ValueError for a factor that cannot be drawn.
    """
    for column, known in (("outline", OUTLINES), ("surface", SURFACES), ("ground", GROUNDS)):
        if len(unknown := table.loc[~table[column].isin([*known]), column]):
            raise ValueError(f"A scene needs {column} to be one of {', '.join(known)}; {unknown.iloc[0]!r} was given")
    if len(wrong := table.loc[~table.distractors.isin(range(DISTRACTORS + 1)), "distractors"]):
        raise ValueError(f"A scene needs 0 to {DISTRACTORS} distractors; {wrong.iloc[0]!r} was given")
    numbers = table[["hue", "brightness", "saturation", "size", "x", "y"]]
    if not np.isfinite(numbers.to_numpy(float)).all() or (table["size"] <= 0).any():
        raise ValueError(f"A scene needs finite numbers and a size > 0; {numbers.min().to_dict()} was given")
    n = len(table)
    out = Drawn(
        np.empty((n, 3, size, size), np.uint8), np.zeros((n, size, size), np.uint8), -np.ones((n, size, size), np.int8)
    )
    for start in range(0, n, 64):
        part = slice(start, start + 64)
        rows = table.iloc[part]
        draws = uniform(dataset.seed, rows.split.to_numpy(), rows.scene.to_numpy())
        scene = ground(draws, size) * lit(rows.ground, GROUNDS, *grid(size))[:, None]
        for name, inside, colour, hue in (*stack(draws, rows.distractors.to_numpy(), size), front(rows, size)):
            np.copyto(scene, colour, where=inside[:, None])
            out.parts[part][inside] = PARTS.index(name)
            place = -1 if hue is None else (np.round(6 * hue) % 6).astype(np.int8)[:, None, None]
            np.copyto(out.colours[part], place, where=inside)
        out.pixels[part] = (255 * scene).round()
    return out


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

    def factors(self, split: int, images: int) -> pd.DataFrame:
        """What the first scenes of a split (0 train, 1 test) show, as `described` does."""
        return described(self, split, images).assign(outline=np.resize(self.classes, images))

    def drawn(self, split: int, images: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The first images of a split as bytes (n, 3, h, w), their labels (n,) and masks (n, h, w)."""
        scenes = redrawn(self, self.factors(split, images), size)
        return scenes.pixels, np.arange(images) % len(self.classes), scenes.parts == PARTS.index("object")


def backdrop(draws: np.ndarray, size: int) -> np.ndarray:
    """Texture, grey clutter and coloured distractors (n, 3, size, size), from all but the last row of the draws."""
    scene = ground(draws, size)
    for _, inside, colour, _ in stack(draws, np.full(len(draws), DISTRACTORS), size):
        np.copyto(scene, colour, where=inside[:, None])
    return scene


def ground(draws: np.ndarray, size: int) -> np.ndarray:
    """The background's grey texture (n, 3, size, size)."""
    texture = torch.from_numpy(draws[:, :TEXTURE].astype(np.float32))[:, None]
    texture = torch.nn.functional.interpolate(texture, (size, size), mode="bilinear", align_corners=True)
    return np.repeat(0.1 + 0.25 * texture.numpy(), 3, axis=1)


def stack(draws: np.ndarray, distractors: np.ndarray, size: int) -> Iterator[tuple]:
    """What lies between background and object, the farthest first: part, where (n, h, w), colour, and its hue (n,)."""
    x, y = grid(size)
    parts = draws[:, TEXTURE:].astype(np.float32)[..., None, None]
    for k in range(CLUTTER):
        yield "clutter", patch(x, y, parts[:, k], 0.05, 0.2), 0.4 * parts[:, k, 5:6], None
    for k in range(DISTRACTORS):
        part = parts[:, CLUTTER + k]
        inside = patch(x, y, part, 0.02, 0.05) & (k < distractors)[:, None, None]
        yield "distractor", inside, bright(part[:, 5:8]), 0.5 - part[:, 5, 0, 0]


def front(table: pd.DataFrame, size: int) -> tuple:
    """The object, as `stack` gives what lies behind it."""
    columns = [(0.5 - table.hue) % 1, table.brightness, table.saturation, table["size"], table.x, table.y]
    part = np.stack(columns, axis=1).astype(np.float32)[..., None, None]
    x, y = (axis - part[:, k] for axis, k in zip(grid(size), (4, 5), strict=True))
    inside = lit(table.outline, OUTLINES, x / part[:, 3], y / part[:, 3]) > 0
    return "object", inside, bright(part[:, :3]) * lit(table.surface, SURFACES, x, y)[:, None], table.hue.to_numpy()


def lit(names: pd.Series, patterns: dict[str, Callable], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The pattern (n, size, size) of each scene's name; x and y are (size, size) or (n, size, size)."""
    x, y = (np.broadcast_to(axis, (len(names), *axis.shape[-2:])) for axis in (x, y))
    light = np.empty(x.shape, np.float32)
    for name in names.unique():
        of = (names == name).to_numpy()
        light[of] = patterns[name](x[of], y[of])
    return light


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
