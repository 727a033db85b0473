"""Draw images beside the maps that explain them."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

PAGE = 7.0  # inches: the width of a paper's page
SHOWN = 4  # images of a gallery
styled = matplotlib.rc_context({
    "font.size": 7, "axes.labelsize": 8, "xtick.labelsize": 7, "ytick.labelsize": 7, "legend.fontsize": 7,
    "axes.linewidth": 0.5, "xtick.major.width": 0.5, "ytick.major.width": 0.5, "lines.linewidth": 1.1,
    "axes.spines.top": False, "axes.spines.right": False, "pdf.fonttype": 42, "savefig.dpi": 300,
})  # fmt: skip


@styled
def maps_of(
    pixels: np.ndarray, maps: Mapping[str, np.ndarray], signed: Mapping[str, bool],
    mask: np.ndarray | None = None, targets: Sequence[str] = (), columns: int = 9,
) -> Figure:  # fmt: skip
    """Draw images (n, h, w, 3) and each method's maps (n, h, w); more than `columns` methods go on below.

    The mask's outline is on the image. Unsigned maps start at 0 (black), signed ones are centred at 0 (white); each
    map has its own scale, up to the 99.5th percentile of its absolute values.
    """
    names, n = list(maps), len(pixels)
    bands = [names[start : start + columns] for start in range(0, len(names), columns)]
    across, left, right = max(map(len, bands)) + 1, 0.3, 0.45
    side = min(0.9, (PAGE - left - right) / across)
    tall = pixels.shape[1] / pixels.shape[2]
    heads = [(0.15 + 0.037 * max(map(len, [*band, "input"]))) / side for band in bands]
    width, height = left + right + side * across, side * (sum(heads) + len(bands) * n * tall)
    figure = Figure((width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    y = 0.0
    for names, head in zip(bands, heads, strict=True):
        y += head
        for j, name in enumerate(["input", *names]):
            axes.text(j + 0.4, y - 0.08, *readable([name]), rotation=40, ha="left", va="bottom", rotation_mode="anchor")
        for k in range(n):
            _tile(axes, pixels[k], 0, y, tall, None)
            if mask is not None and mask[k].any():
                _outline(axes, mask[k], y, tall)
            if len(targets):
                text = "\n".join(textwrap.wrap(str(targets[k]).split(",")[0], 13)[:2])
                axes.text(-0.05, y + tall / 2, text, rotation=90, ha="right", va="center", multialignment="center")
            for j, name in enumerate(names, 1):
                _tile(axes, maps[name][k], j, y, tall, bool(signed[name]))
            y += tall
    axes.set(xlim=(-left / side, across + right / side), ylim=(y, 0))
    axes.set_axis_off()
    return figure


def _outline(axes, mask: np.ndarray, y: float, tall: float) -> None:
    xs, ys = ((np.arange(size) + 0.5) / size for size in mask.shape[::-1])
    for colour, width in (("black", 1.4), ("white", 0.7)):
        axes.contour(0.97 * xs, y + 0.97 * tall * ys, mask, [0.5], colors=colour, linewidths=width)


def _tile(axes, picture: np.ndarray, x: float, y: float, tall: float, signed: bool | None) -> None:
    """Draw a picture, or a map where `signed` is not None."""
    if signed is None:
        scale = {}
    else:
        top = np.quantile(np.abs(picture), 0.995) or np.abs(picture).max() or 1
        scale = {"cmap": "RdBu_r" if signed else "magma", "vmin": -top if signed else 0, "vmax": top}
    box = (x, x + 0.97, y + 0.97 * tall, y)
    axes.imshow(picture, extent=box, interpolation="nearest", aspect="auto", **scale)
    axes.add_patch(Rectangle((x, y), 0.97, 0.97 * tall, fill=False, ec="0.6", lw=0.3))


def gallery(stored: Mapping[str, Mapping[str, np.ndarray]], order: pd.Series) -> Figure:
    """Draw the first images that all methods have stored, the methods in the order of the leaderboard."""
    names = [method for method in order.index if method in stored]
    common = [image for image in stored[names[0]]["image"] if all(image in stored[name]["image"] for name in names)]
    place = {name: [list(stored[name]["image"]).index(image) for image in common[:SHOWN]] for name in names}
    first, at = stored[names[0]], place[names[0]]
    maps = {name: stored[name]["maps"][place[name]] for name in names}
    signed = {name: bool(np.all(stored[name]["signed"])) for name in names}
    return maps_of(first["pixels"][at], maps, signed, first["mask"][at], first["target"][at])


def first_maps(pixels: np.ndarray, maps: np.ndarray, signed: bool, path: Path) -> None:
    """Write the picture of one cell: its first images (n, h, w, 3) beside their maps (n, h, w)."""
    save(maps_of(pixels[:SHOWN], {"map": maps[:SHOWN]}, {"map": signed}), path)


@styled
def save(figure: Figure, path: Path) -> Path:
    """Write a figure in the format of the path's suffix, without the date."""
    figure.savefig(path, metadata={"CreationDate": None} if path.suffix == ".pdf" else None)
    return path


def readable(names: Iterable[str]) -> list[str]:
    """Return names as they are read."""
    return [name.replace("_", " ") for name in names]
