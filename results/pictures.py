"""Grids of pictures: images, and beside them maps or other pictures of them, in columns with names and groups."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, product

import numpy as np
from matplotlib.figure import Figure

from results import style

COLUMNS = range(9, 12)  # beside each other: as few as fit a page, since these are the largest
LEFT, GAP, HEAD, BETWEEN = 0.33, 0.03, 0.5, 0.1  # inches: left of tiles, between tiles, of names, between bands
WORDS = 0.13  # inches of the words under a tile
SCALES = {False: ("magma", ("0", "largest")), True: ("RdBu_r", ("against the class", "for the class"))}
SCALED = (
    "Every map has its own colour scale, which ends at the 99.5th percentile of its absolute values. Maps without a "
    "sign begin at 0; maps with a sign are white at 0."
)
OUTLINED = "The outline on an image is the object's mask."


@dataclass(frozen=True)
class Column:
    """One picture per row: images (h, w, 3), or maps (h, w), which get colours."""

    name: str
    pictures: Sequence[np.ndarray]
    group: str = ""  # stands above neighbours that share it
    signed: bool = False  # whether maps have a sign
    outlines: Sequence[np.ndarray] = ()  # masks (h, w)
    words: Sequence[str] = ()  # under the pictures
    tops: Sequence[float] = ()  # ends of the maps' scales, where these are not their own


def top(values: np.ndarray) -> float:
    """Return where the colours of maps end: the 99.5th percentile of their absolute values."""
    return float(np.quantile(np.abs(values), 0.995) or np.abs(values).max() or 1)


def grid(
    columns: Sequence[Column], rows: Sequence[str], title: str, note: str, lead: Column | None = None, together: int = 1
) -> Figure:
    """Draw columns of pictures: as many rows as fit a page, then as large as possible. Rows are named up to a comma.

    In `title`, {shown} stands for the number of rows that fit.
    Many columns stand in bands below one another, each of which begins with the column `lead`; as many columns as
    `together` says stay in one band.
    """
    first = [lead] if lead else []
    every = [*first, *columns]
    kinds = sorted({column.signed for column in every if column.pictures[0].ndim == 2})
    words = WORDS * any(len(column.words) for column in every)
    note = style.wrapped(note, style.PAGE - 0.2, style.SMALL)
    bottom = 0.2 + 0.25 * bool(kinds) + 0.11 * (note.count("\n") + 1)
    height, width = every[0].pictures[0].shape[:2]
    for shown, most in product(range(len(rows), 0, -1), COLUMNS):
        bands = -(-len(columns) // most)
        across = -(-len(columns) // bands // together) * together
        side = min(0.85, (style.PAGE - LEFT - 0.1) / (across + len(first)))
        step = height / width * side + words
        high = HEAD + BETWEEN + shown * step
        if 0.25 + bands * high + bottom <= style.HEIGHT:
            break
    figure = Figure((style.PAGE, 0.25 + bands * high + bottom))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.text(0.1, 0.06, title.replace("{shown}", str(shown)), va="top", size=8)
    turned = {"rotation": 90, "ha": "right", "va": "center", "multialignment": "center", "size": style.SMALL}
    size = _size([column.name for column in every], side)
    for k in range(bands):
        band, y = [*first, *columns[k * across : (k + 1) * across]], 0.25 + k * high + HEAD
        _heads(axes, band, side, y, size)
        for row, name in enumerate(rows[:shown]):
            for place, column in enumerate(band):
                _tile(axes, LEFT + place * side, y, side, column, row)
            said = style.wrapped(str(name).split(",")[0], step - words - 0.05, style.SMALL)
            axes.text(LEFT - 0.04, y + (step - words) / 2, said, **turned)
            y += step
    y = 0.27 + bands * high
    _bars(axes, kinds, y)
    axes.text(0.1, y + 0.01 + 0.25 * bool(kinds), note, va="top", size=style.SMALL, linespacing=1.3)
    axes.set(xlim=(0, style.PAGE), ylim=(figure.get_figheight(), 0))
    axes.set_axis_off()
    return figure


def _size(names: Sequence[str], side: float) -> float:
    """Return the points of all names, so small that the longest word fits and that no name has four lines."""
    names = [name.replace("-", "- ") for name in names]  # a hyphen is a place for a break
    widest = max(style.inches(word, 10) for name in names for word in name.replace("\n", " ").split(" "))
    size = min(7.0, 10 * (side - GAP) / widest)
    return size * min(1, 3 / max(style.wrapped(name, side - GAP, size).count("\n") + 1 for name in names))


def _heads(axes, band: Sequence[Column], side: float, y: float, size: float) -> None:
    """Write the names above their columns, and above the names their groups."""
    for place, name in enumerate(column.name.replace("-", "- ") for column in band):
        said = style.wrapped(name, side - GAP, size).replace("- ", "-")
        axes.text(LEFT + place * side, y - 0.03, said, va="bottom", size=size, linespacing=1.1)
    x, y = LEFT, y - HEAD + 0.15
    for group, family in groupby(band, key=lambda column: column.group):
        width = len(list(family)) * side
        if group:
            axes.plot([x, x + width - GAP], [y, y], color="0.4", lw=0.6)
            fitting = min(7.0, 10 * (width - 2 * GAP) / style.inches(group, 10))
            axes.text(x, y - 0.02, group, va="bottom", size=fitting, color="0.35")
        x += width


def _tile(axes, x: float, y: float, side: float, column: Column, row: int) -> None:
    """Draw one picture of a column, its outline and its words."""
    picture = column.pictures[row]
    bottom = y + side * picture.shape[0] / picture.shape[1] - GAP
    box = (x, x + side - GAP, bottom, y)
    paint(axes, column, row, column.tops[row] if len(column.tops) else top(picture), extent=box, aspect="auto")
    if len(column.words):
        axes.text(x, bottom + 0.02, column.words[row][:22], va="top", size=style.SMALL)


def paint(axes, column: Column, row: int, end: float, **place: object) -> None:
    """Draw one picture of a column, a map from 0 to `end` or, with a sign, around 0, and an outline if it has one."""
    picture, scale = column.pictures[row], {}
    if picture.ndim == 2:
        scale = {"cmap": SCALES[column.signed][0], "vmin": -end if column.signed else 0, "vmax": end}
    axes.imshow(picture, interpolation="nearest", **scale, **place)
    if len(column.outlines) and 0 < column.outlines[row].mean() < 1:
        box = {"extent": place["extent"], "origin": "upper"} if place else {}
        for colour, width in (("black", 1.4), ("white", 0.7)):
            axes.contour(column.outlines[row], [0.5], colors=colour, linewidths=width, **box)


def _bars(axes, kinds: Sequence[bool], y: float) -> None:
    """Draw a colour bar for maps without and with a sign."""
    for k, signed in enumerate(kinds):
        (colours, (low, high)), x = SCALES[signed], LEFT + 0.8 + 3.2 * k
        axes.imshow(np.linspace(0, 1, 256)[None], extent=(x, x + 1.2, y + 0.1, y), cmap=colours, aspect="auto")
        axes.text(x - 0.05, y + 0.05, low, ha="right", va="center", size=style.SMALL)
        axes.text(x + 1.25, y + 0.05, high, va="center", size=style.SMALL)
