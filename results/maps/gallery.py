"""Images beside the maps that explain them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, product
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from results import style
from results.maps.laws import DAGGER, PROMISE, broken

IMAGES = 4  # of a gallery, fewer where they would not fit a page
COLUMNS = range(8, 13)  # maps beside each other: as few as fit a page, since these are the largest
LEFT, GAP, GROUP = 0.3, 0.03, 0.17  # inches: left of the tiles, between tiles, of the line with a group's name
SCALED = (
    "Every map has its own colour scale, which ends at the 99.5th percentile of its absolute values. Maps without a "
    "sign begin at 0; maps with a sign are white at 0. The outline on an image is the object's mask."
)
SCALES = {False: ("magma", ("0", "largest")), True: ("RdBu_r", ("against the class", "for the class"))}


@dataclass(frozen=True)
class Layout:
    """Where the tiles of a gallery go; lengths in inches."""

    bands: Sequence[Sequence[str]]  # the maps beside each other, band below band
    images: int
    tall: float  # height of an image over its width

    @property
    def side(self) -> float:
        return min(0.85, (style.PAGE - LEFT - 0.1) / (max(map(len, self.bands)) + 1))

    @property
    def size(self) -> float:
        """Points of the names: the longest word is no wider than a tile."""
        widest = max(style.inches(word, 10) for band in self.bands for name in band for word in name.split(" "))
        return min(7.0, 10 * (self.side - GAP) / widest)

    def name(self, name: str) -> str:
        return style.wrapped(name, self.side - GAP, self.size)

    def head(self, band: Sequence[str]) -> float:
        return GROUP + max(self.name(name).count("\n") + 1 for name in band) * 1.25 * self.size / 72 + 0.05

    @property
    def height(self) -> float:
        return sum(self.head(band) + self.images * self.tall * self.side + 0.1 for band in self.bands)


def layout(names: Sequence[str], images: int, tall: float, room: float) -> Layout:
    """Return the layout with the most images, then the largest, that fits into some inches."""
    for shown, columns in product(range(images, 0, -1), COLUMNS):
        each = -(-len(names) // -(-len(names) // columns))
        bands = [names[k : k + each] for k in range(0, len(names), each)]
        if (fitting := Layout(bands, shown, tall)).height <= room:
            break
    return fitting


def maps_of(
    pixels: np.ndarray,
    maps: Mapping[str, np.ndarray],
    signed: Mapping[str, bool],
    mask: np.ndarray | None = None,
    targets: Sequence[str] = (),
    groups: Mapping[str, str] | None = None,
    title: str = "",
    more: str = "",
) -> Figure:
    """Draw images (n, h, w, 3) and the maps (n, h, w) of every entry, `groups` over them; the last images may not fit.

    `mask` (n, h, w) is outlined on the images, `targets` are the explained classes, `more` is added to the note.
    """
    said = " ".join(filter(None, [SCALED, more]))
    note = style.wrapped(said, style.PAGE - 0.2, style.SMALL)
    top, bottom = 0.25 if title else 0.05, 0.32 + 0.11 * (note.count("\n") + 1)
    place = layout([*maps], len(pixels), pixels.shape[1] / pixels.shape[2], style.HEIGHT - top - bottom)
    height = top + place.height + bottom
    figure = Figure((style.PAGE, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.text(0.1, 0.06, title, va="top", size=8)
    y = top
    for band in place.bands:
        y += place.head(band)
        _heads(axes, place, band, groups or {}, y)
        for k in range(place.images):
            _row(axes, place, y + k * place.tall * place.side, pixels[k], mask[k] if mask is not None else None)
            for j, name in enumerate(band, 1):
                _tile(axes, place, LEFT + j * place.side, y + k * place.tall * place.side, maps[name][k], signed[name])
            if len(targets):
                _target(axes, place, y + (k + 0.5) * place.tall * place.side, str(targets[k]).split(",")[0])
        y += place.images * place.tall * place.side + 0.1
    _bars(axes, sorted({bool(signed[name]) for name in maps}), y + 0.02)
    axes.text(0.1, y + 0.26, note, va="top", size=style.SMALL, linespacing=1.3)
    axes.set(xlim=(0, style.PAGE), ylim=(height, 0))
    axes.set_axis_off()
    return figure


def _heads(axes, place: Layout, band: Sequence[str], groups: Mapping[str, str], y: float) -> None:
    """Write the names above their columns, and above the names their groups."""
    for j, name in enumerate(["image", *band]):
        axes.text(LEFT + j * place.side, y - 0.03, place.name(name), va="bottom", size=place.size, linespacing=1.1)
    start, above = 1, y - place.head(band) + GROUP
    for group, family in groupby(band, key=groups.get):
        width = len(list(family)) * place.side - GAP
        if group:
            x, size = LEFT + start * place.side, min(7.0, 10 * width / style.inches(group, 10))
            axes.plot([x, x + width], [above - 0.03] * 2, color="0.4", lw=0.6)
            axes.text(x, above - 0.05, group, va="bottom", size=size, color="0.35")
        start += round((width + GAP) / place.side)


def _row(axes, place: Layout, y: float, pixels: np.ndarray, mask: np.ndarray | None) -> None:
    """Draw an image with the outline of its mask."""
    _tile(axes, place, LEFT, y, pixels, None)
    if mask is not None and mask.any():
        size = place.side - GAP
        ys, xs = ((np.arange(count) + 0.5) / count for count in mask.shape)
        for colour, width in (("black", 1.4), ("white", 0.7)):
            axes.contour(LEFT + size * xs, y + size * place.tall * ys, mask, [0.5], colors=colour, linewidths=width)


def _target(axes, place: Layout, y: float, target: str) -> None:
    lines = style.wrapped(target, place.side * place.tall - 0.05, 6).split("\n")[:3]
    axes.text(LEFT - 0.04, y, "\n".join(lines), rotation=90, ha="right", va="center", multialignment="center", size=6)


def _tile(axes, place: Layout, x: float, y: float, picture: np.ndarray, signed: bool | None) -> None:
    """Draw a picture, or a map where `signed` is not None."""
    scale = {}
    if signed is not None:
        top = np.quantile(np.abs(picture), 0.995) or np.abs(picture).max() or 1
        scale = {"cmap": SCALES[bool(signed)][0], "vmin": -top if signed else 0, "vmax": top}
    size = place.side - GAP
    box = (x, x + size, y + size * place.tall, y)
    axes.imshow(picture, extent=box, interpolation="nearest", aspect="auto", **scale)
    axes.add_patch(Rectangle((x, y), size, size * place.tall, fill=False, ec="0.6", lw=0.3))


def _bars(axes, kinds: Sequence[bool], y: float) -> None:
    """Draw a colour bar for maps without and with a sign."""
    for k, signed in enumerate(kinds):
        (colours, (low, high)), x = SCALES[signed], LEFT + 0.8 + 3.2 * k
        axes.imshow(np.linspace(0, 1, 256)[None], extent=(x, x + 1.2, y + 0.1, y), cmap=colours, aspect="auto")
        axes.text(x - 0.05, y + 0.05, low, ha="right", va="center", size=style.SMALL)
        axes.text(x + 1.25, y + 0.05, high, va="center", size=style.SMALL)


def gallery(
    stored: Mapping[str, Mapping[str, np.ndarray]],
    images: Sequence[str],
    group: pd.Series,
    table: pd.DataFrame,
    title: str,
) -> Figure:
    """Draw the first of the images whose maps all entries have stored, in the order of `group`.

    `table` is the network's leaderboard, which knows the entries that break their law.
    """
    invalid = broken(table) & set(group.index)
    names = {
        entry: name + DAGGER * (entry in invalid)
        for entry, name in zip(group.index, style.readable(group.index), strict=True)
    }
    place = {entry: [list(stored[entry]["image"]).index(image) for image in images[:IMAGES]] for entry in names}
    first = group.index[0]
    pixels, mask, target = (stored[first][part][place[first]] for part in ("pixels", "mask", "target"))
    maps = {name: stored[entry]["maps"][place[entry]] for entry, name in names.items()}
    signed = {name: bool(np.all(stored[entry]["signed"])) for entry, name in names.items()}
    groups = {name: group[entry] for entry, name in names.items()}
    return maps_of(pixels, maps, signed, mask, target, groups, title, f"†: {PROMISE}" if invalid else "")


def common(stored: Mapping[str, Mapping[str, np.ndarray]]) -> list[str]:
    """Return the images whose maps all entries have stored."""
    sets = [set(maps["image"]) for maps in stored.values()]
    first = next(iter(stored.values()), {"image": []})["image"]
    return [image for image in first if all(image in images for images in sets)]


def first_maps(pixels: np.ndarray, maps: np.ndarray, signed: bool, path: Path) -> None:
    """Write the picture of one cell: its first images (n, h, w, 3) beside their maps (n, h, w)."""
    figure = maps_of(pixels[:IMAGES], {"map": maps[:IMAGES]}, {"map": signed})
    style.save(figure, path.with_suffix(""), [path.suffix])
