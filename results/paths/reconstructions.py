"""Figure of what the channels of a path show in an image."""

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from results import style

PICTURES = ("image", "maximum", "whole map", "")  # and the gap before the next channel
LABELS, FOOT = 0.75, 1.05  # inches: beside the pictures, and above and below them
NOTE = """\
Rows are layers, and each block of three pictures is one of their strongest channels, carried down a DeconvNet. From \
left to right: the part of the image that the channel's largest activation sees (white: beyond the image), what that \
activation alone shows there, and what the channel's whole map shows in the whole image, with that part framed. \
Percentages are a channel's share of its layer's relevance. r is the mean correlation between the whole maps of a row; \
where it is near 1, the pictures say little about single channels. Grey is zero; colours end at the 1st and 99th \
percentile."""


def reconstructions(gallery: Mapping[str, np.ndarray], title: str) -> Figure:
    """Draw the strongest channels of a path in the first image that has reconstructions."""
    name = gallery["recon_image"][0]
    at = list(gallery["image"]).index(name)
    layers, channels, boxes, pictures = (gallery[f"recon{part}"][0] for part in ("_layer", "_channel", "_box", ""))
    rows, columns = channels.shape
    side = min((style.PAGE - LABELS) / (3.3 * columns), (style.HEIGHT - FOOT) / rows - 0.16, 0.9)
    figure = style.figure(min(LABELS + 3.3 * columns * side, style.PAGE), rows * (side + 0.16) + FOOT)
    widths = [1, 1, 1, 0.12] * columns
    panels = figure.subplots(rows, len(widths), squeeze=False, width_ratios=widths, subplot_kw={"visible": False})
    for row, (layer, line) in enumerate(zip(layers, panels, strict=True)):
        fields = windows(boxes[row], gallery["pixels"].shape[1:3])
        for k, channel in enumerate(channels[row]):
            if channel >= 0:
                shown = [gallery["pixels"][at], *map(visible, pictures[row, k].astype(float))]
                share = _share(gallery, name, layer, channel)
                _draw(line[4 * k : 4 * k + 3], shown, boxes[row, k], fields[k], f"channel {channel}{share}")
        same = alike(pictures[row, channels[row] >= 0, 1].astype(float))
        words = textwrap.fill(str(gallery["layers"][at, layer]).replace("_", " "), 12)
        words += f"\nr = {same:.2f}" * (same == same)
        line[0].set_ylabel(words, rotation=0, ha="right", va="center", size=style.SMALL)
    for axes, words in zip(panels[-1], PICTURES * columns, strict=True):
        axes.set_xlabel(words * axes.get_visible(), size=style.SMALL)
    style.heading(figure, f"{title}, image {name}, {str(gallery['target'][at]).split(',')[0]}")
    style.note(figure, NOTE)
    return figure


def _draw(panels: Sequence[Axes], pictures: Sequence[np.ndarray], box: np.ndarray, field: np.ndarray, title: str):
    """Draw image, maximum and whole map of one channel, whose largest activation sees a box of the image."""
    for axes, picture in zip(panels, pictures, strict=True):
        axes.imshow(picture, interpolation="nearest")
        axes.set(visible=True, xticks=[], yticks=[], anchor="N")
        axes.spines[:].set(visible=True, color="0.6", lw=0.3)
    panels[0].set_title(title, loc="left", size=style.SMALL, pad=2)
    top, left, bottom, right = field - 0.5
    for axes in panels[:2]:
        axes.set(xlim=(left, right), ylim=(bottom, top))
    top, left, bottom, right = box
    for colour, width in (("white", 1.0), ("black", 0.4)):
        frame = Rectangle((left - 0.5, top - 0.5), right - left, bottom - top, fill=False, ec=colour, lw=width)
        panels[2].add_patch(frame)


def windows(boxes: np.ndarray, image: tuple[int, int]) -> np.ndarray:
    """Return boxes (k, 4) of one shape around fields (k, 4) that the image may limit: top, left, bottom, right."""
    ends = []
    for low, high, size in zip(boxes[:, :2].T, boxes[:, 2:].T, image, strict=True):
        lack = (high - low).max() - (high - low)
        before = np.where((low > 0) & (high == size), 0, np.where((low == 0) & (high < size), lack, lack // 2))
        ends.append((low - before, high + lack - before))
    (top, bottom), (left, right) = ends
    return np.stack([top, left, bottom, right], 1)


def visible(picture: np.ndarray) -> np.ndarray:
    """Return a signed picture (h, w, 3) between 0 and 1, zero at a half, clipped at its 1st and 99th percentile."""
    limit = np.abs(np.percentile(picture, (1, 99))).max() or np.abs(picture).max() or 1
    return np.clip(0.5 + 0.5 * picture / limit, 0, 1)


def alike(pictures: np.ndarray) -> float:
    """Return the mean correlation between pictures (k, h, w, 3) that are not constant, nan for fewer than two."""
    flat = [picture.ravel() for picture in pictures if np.ptp(picture) > 0]
    return float(np.corrcoef(flat)[np.triu_indices(len(flat), 1)].mean()) if len(flat) > 1 else float("nan")


def _share(gallery: Mapping[str, np.ndarray], image: str, layer: int, channel: int) -> str:
    """Return a channel's share of its layer's relevance in words, or nothing where the gallery does not have it."""
    node = (gallery["node_image"] == image) & (gallery["node_layer"] == layer) & (gallery["node_channel"] == channel)
    return f", {100 * abs(gallery['node_backward'][node][0]):.1f} %" if node.any() else ""
