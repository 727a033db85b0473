"""Draw what the channels of a path show in an image: layers as rows, their strongest channels beside each other."""

import textwrap
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from results.gallery import HEIGHT, PAGE, readable, styled

LEFT, TOP, HEAD, FOOT = 0.68, 0.55, 0.13, 0.8  # inches: names of layers, columns and channels, and room for the note
GAP, BETWEEN = 0.03, 0.11  # inches between the pictures of a channel, and between channels
KINDS, SHORT = ("image", "maximum", "whole map"), ("image", "max.", "map")
RANKS = ("strongest", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
NOTE = """\
A channel of each layer, carried down a DeconvNet: from its maximum alone, cropped to that position's receptive \
field, beside the same crop of the image (white: beyond the image); and from its whole map, over the whole image with \
the field outlined. Percentages are a channel's share of its layer's relevance, r is the mean correlation between the \
whole maps of a row: where it is near 1, a picture says little of its channel. Grey is zero; colours are cut at the \
1st and 99th percentile."""


@styled
def reconstructions(stored: Mapping[str, np.ndarray], model: str, method: str, image: int = 0) -> Figure:
    """Draw the path's reconstructions in one image, by its number among those a gallery has them of.

    Crops of a row have one shape: where a field goes beyond the image, there is nothing.
    """
    name = stored["recon_image"][image]
    here = {part: stored[f"recon_{part}"][image] for part in ("layer", "channel", "box")}
    pictures, at = stored["recon"][image].astype(float), list(stored["image"]).index(name)
    rows, columns, tall = *here["channel"].shape, pictures.shape[3] / pictures.shape[4]
    side = _side(rows, columns, tall)
    block, step = 3 * side + 2 * GAP + BETWEEN, tall * side + HEAD + 0.06
    width = np.clip(LEFT + columns * block - BETWEEN + 0.02, PAGE / 2, PAGE)
    note = textwrap.wrap(NOTE, int(width / 0.046))
    height = TOP + rows * step + 0.1 * len(note) + 0.06
    figure = Figure((width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    said = f"{str(stored['target'][at]).split(',')[0]}: image {name}, {' '.join(readable([method]))}, {model}"
    lines = textwrap.wrap(said, int(width / 0.055))[:1]
    axes.text(0.04, 0.03, lines[0], va="top", size=8, parse_math=False)
    _heads(axes, columns, side, block)
    for row, layer in enumerate(here["layer"]):
        y = TOP + row * step + HEAD
        likeness = alike(pictures[row, here["channel"][row] >= 0, 1])
        label = _name(stored["layers"][at, layer]) + (f"\nr = {likeness:.2f}" if likeness == likeness else "")
        axes.text(LEFT - 0.06, y + tall * side / 2, label, ha="right", va="center", size=6, linespacing=1.15)
        fields = windows(here["box"][row], pictures.shape[3:5])
        for k, channel in enumerate(here["channel"][row]):
            x = LEFT + k * block
            if channel < 0:
                axes.text(x + block / 2 - BETWEEN, y + tall * side / 2, "–", ha="center", va="center")  # noqa: RUF001
                continue
            share = _share(stored, name, layer, channel)
            axes.text(x, y - 0.025, f"{'channel ' * (columns < 6)}{channel}{share}", va="bottom", size=6)
            _channel(axes, stored["pixels"][at], pictures[row, k], here["box"][row, k], fields[k], x, y, side)
    axes.text(0.04, TOP + rows * step + 0.02, "\n".join(note), va="top", size=6, linespacing=1.1)
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    return figure


def _side(rows: int, columns: int, tall: float) -> float:
    """Return the width of a picture in inches: as large as a page takes."""
    across = ((PAGE - LEFT - 0.02 + BETWEEN) / columns - BETWEEN - 2 * GAP) / 3
    return min(across, ((HEIGHT - TOP - FOOT) / rows - HEAD - 0.06) / tall, 0.9)


def _heads(axes: Axes, columns: int, side: float, block: float) -> None:
    """Write over each column which channel it has, and over its pictures what they are."""
    for k in range(columns):
        x, end = LEFT + k * block, LEFT + (k + 1) * block - BETWEEN
        axes.plot([x, end], [TOP - 0.18] * 2, color="0.3", lw=0.6)
        rank = RANKS[k] if k < len(RANKS) else f"{k + 1}th"
        axes.text((x + end) / 2, TOP - 0.205, f"{rank} channel" if columns < 6 else rank, ha="center", va="bottom")
        for j, kind in enumerate(KINDS if side > 0.42 else SHORT):
            axes.text(x + j * (side + GAP) + side / 2, TOP - 0.06, kind, ha="center", va="bottom", size=6, color="0.3")


def windows(boxes: np.ndarray, image: tuple[int, int]) -> np.ndarray:
    """Return boxes (k, 4) of one shape around fields (k, 4) that the image may have cut: top, left, bottom, right."""
    ends = []
    for low, high, size in zip(boxes[:, :2].T, boxes[:, 2:].T, image, strict=True):
        lack = (high - low).max() - (high - low)
        before = np.where((low > 0) & (high == size), 0, np.where((low == 0) & (high < size), lack, lack // 2))
        ends.append((low - before, high + lack - before))
    (top, bottom), (left, right) = ends
    return np.stack([top, left, bottom, right], 1)


def _channel(
    axes: Axes, pixels: np.ndarray, pair: np.ndarray, box: np.ndarray, window: np.ndarray, x: float, y: float,
    side: float,
) -> None:  # fmt: skip
    """Draw the field of a channel's maximum, what it shows of it, and what the whole map shows of the image."""
    top, left, bottom, right = box
    field = np.s_[top:bottom, left:right]
    tall = side * pixels.shape[0] / pixels.shape[1]
    if bottom > top:
        _picture(axes, pixels[field] / 255, x, y, side, tall, box, window)
        _picture(axes, visible(pair[0][field]), x + side + GAP, y, side, tall, box, window)
    x, unit = x + 2 * (side + GAP), side / pixels.shape[1]
    whole = np.array([0, 0, *pixels.shape[:2]])
    _picture(axes, visible(pair[1]), x, y, side, tall, whole, whole)
    corner, sides = (x + left * unit, y + top * unit), ((right - left) * unit, (bottom - top) * unit)
    for colour, line in (("white", 1.0), ("black", 0.4)):
        axes.add_patch(Rectangle(corner, *sides, fill=False, ec=colour, lw=line))


def _picture(
    axes: Axes, picture: np.ndarray, x: float, y: float, side: float, tall: float, box: np.ndarray, window: np.ndarray
) -> None:
    """Draw what a window shows of a picture, which fills a box, in the middle of a place and as large as it fits."""
    high, wide = window[2:] - window[:2]
    unit = min(side / wide, tall / high)
    x, y = x + (side - wide * unit) / 2, y + (tall - high * unit) / 2
    (top, left), (bottom, right) = ((end - window[:2]) * unit for end in (box[:2], box[2:]))
    axes.imshow(picture, extent=(x + left, x + right, y + bottom, y + top), interpolation="nearest", aspect="auto")
    axes.add_patch(Rectangle((x, y), wide * unit, high * unit, fill=False, ec="0.6", lw=0.3))


def visible(picture: np.ndarray) -> np.ndarray:
    """Return a signed picture (h, w, 3) between 0 and 1, zero at a half, cut at its 1st and 99th percentile."""
    limit = np.abs(np.percentile(picture, (1, 99))).max() or np.abs(picture).max() or 1
    return np.clip(0.5 + 0.5 * picture / limit, 0, 1)


def alike(pictures: np.ndarray) -> float:
    """Return the mean correlation between pictures (k, h, w, 3) that are not constant, nan for fewer than two."""
    flat = [picture.ravel() for picture in pictures if np.ptp(picture) > 0]
    return float(np.corrcoef(flat)[np.triu_indices(len(flat), 1)].mean()) if len(flat) > 1 else float("nan")


def _share(stored: Mapping[str, np.ndarray], image: str, layer: int, channel: int) -> str:
    """Return a channel's share of its layer's relevance in words, or nothing where the gallery does not have it."""
    node = (stored["node_image"] == image) & (stored["node_layer"] == layer) & (stored["node_channel"] == channel)
    return f", {100 * abs(stored['node_backward'][node][0]):.1f} %" if node.any() else ""


def _name(layer: str) -> str:
    """Return a layer's name on a few short lines."""
    return "\n".join(textwrap.wrap(layer.replace("_", " "), 12))
