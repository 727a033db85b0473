"""Images beside the maps that explain them."""

from collections.abc import Mapping, Sequence
from itertools import groupby, product

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from results import style
from results.maps.laws import DAGGER, PROMISE, broken

IMAGES = 4  # of a gallery, fewer where they would not fit a page
COLUMNS = range(8, 13)  # maps beside each other: as few as fit a page, since these are the largest
LEFT, GAP, HEAD, BETWEEN = 0.3, 0.03, 0.5, 0.1  # inches: left of tiles, between tiles, of names, between bands
SCALED = (
    "Every map has its own colour scale, which ends at the 99.5th percentile of its absolute values. Maps without a "
    "sign begin at 0; maps with a sign are white at 0. The outline on an image is the object's mask."
)
SCALES = {False: ("magma", ("0", "largest")), True: ("RdBu_r", ("against the class", "for the class"))}


def layout(count: int, images: int, tall: float, room: float) -> tuple[int, int, int, float]:
    """Return how many images, bands of maps, and maps beside each other fit some inches, and a tile's inches.

    As many images as possible, then as large as possible; a tile is `tall` times as high as wide.
    """
    for shown, columns in product(range(images, 0, -1), COLUMNS):
        bands = -(-count // columns)
        across = -(-count // bands)
        side = min(0.85, (style.PAGE - LEFT - 0.1) / (across + 1))
        if bands * (HEAD + BETWEEN + shown * tall * side) <= room:
            break
    return shown, bands, across, side


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
    note = style.wrapped(f"{SCALED} {more}", style.PAGE - 0.2, style.SMALL)
    tall, bottom = pixels.shape[1] / pixels.shape[2], 0.45 + 0.11 * (note.count("\n") + 1)
    shown, bands, across, side = layout(len(maps), len(pixels), tall, style.HEIGHT - bottom - 0.25)
    high = HEAD + BETWEEN + shown * tall * side
    figure = Figure((style.PAGE, 0.25 + bands * high + bottom))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.text(0.1, 0.06, title, va="top", size=8)
    for k in range(bands):
        names, top = [*maps][k * across : (k + 1) * across], 0.25 + k * high + HEAD
        _heads(axes, names, groups or {}, side, top)
        for i in range(shown):
            y = top + i * tall * side
            box = _tile(axes, LEFT, y, side, pixels[i])
            if mask is not None and mask[i].any():
                for colour, width in (("black", 1.4), ("white", 0.7)):
                    axes.contour(mask[i], [0.5], extent=box, origin="upper", colors=colour, linewidths=width)
            for j, name in enumerate(names, 1):
                _tile(axes, LEFT + j * side, y, side, maps[name][i], signed[name])
            if len(targets):
                target = style.wrapped(str(targets[i]).split(",")[0], tall * side - 0.05, 6)
                turned = {"rotation": 90, "ha": "right", "va": "center", "multialignment": "center", "size": 6}
                axes.text(LEFT - 0.04, y + tall * side / 2, target, **turned)
    y = 0.27 + bands * high
    _bars(axes, sorted({bool(signed[name]) for name in maps}), y)
    axes.text(0.1, y + 0.26, note, va="top", size=style.SMALL, linespacing=1.3)
    axes.set(xlim=(0, style.PAGE), ylim=(figure.get_figheight(), 0))
    axes.set_axis_off()
    return figure


def _heads(axes, names: Sequence[str], groups: Mapping[str, str], side: float, top: float) -> None:
    """Write the names above their columns, so small that the longest word fits, and above the names their groups."""
    widest = max(style.inches(word, 10) for name in names for word in name.split(" "))
    size = min(7.0, 10 * (side - GAP) / widest)
    size *= min(1, 3 / max(style.wrapped(name, side - GAP, size).count("\n") + 1 for name in names))
    for j, name in enumerate(["image", *names]):
        said = style.wrapped(name, side - GAP, size)
        axes.text(LEFT + j * side, top - 0.03, said, va="bottom", size=size, linespacing=1.1)
    x, y = LEFT + side, top - HEAD + 0.15
    for group, family in groupby(names, key=groups.get):
        width = len(list(family)) * side
        if group:
            axes.plot([x, x + width - GAP], [y, y], color="0.4", lw=0.6)
            axes.text(
                x, y - 0.02, group, va="bottom", size=min(7.0, 10 * width / style.inches(group, 10)), color="0.35"
            )
        x += width


def _tile(axes, x: float, y: float, side: float, picture: np.ndarray, signed: bool | None = None) -> tuple:
    """Draw a picture, or a map where `signed` is not None; return its left, right, lower and upper end."""
    scale = {}
    if signed is not None:
        top = np.quantile(np.abs(picture), 0.995) or np.abs(picture).max() or 1
        scale = {"cmap": SCALES[bool(signed)][0], "vmin": -top if signed else 0, "vmax": top}
    size = side - GAP
    box = (x, x + size, y + side * picture.shape[0] / picture.shape[1] - GAP, y)
    axes.imshow(picture, extent=box, interpolation="nearest", aspect="auto", **scale)
    return box


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
    invalid, maps, signed, groups = broken(table) & {*group.index}, {}, {}, {}
    for entry, name in zip(group.index, style.readable(group.index), strict=True):
        own, shown = stored[entry], name + DAGGER * (entry in invalid)
        place = [[*own["image"]].index(image) for image in images[:IMAGES]]
        maps[shown], signed[shown], groups[shown] = own["maps"][place], bool(own["signed"].all()), group[entry]
    pixels, mask, target = (own[part][place] for part in ("pixels", "mask", "target"))
    return maps_of(pixels, maps, signed, mask, target, groups, title, f"†: {PROMISE}" if invalid else "")


def common(stored: Mapping[str, Mapping[str, np.ndarray]]) -> list[str]:
    """Return the images whose maps all entries have stored."""
    sets = [set(maps["image"]) for maps in stored.values()]
    first = next(iter(stored.values()), {"image": []})["image"]
    return [image for image in first if all(image in images for images in sets)]
