"""Draw images beside the maps that explain them."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, product
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from results.collect import common
from results.taxonomy import by_group
from results.validity import PROMISE, marked

PAGE, HEIGHT = 7.0, 9.5  # inches: a paper's page
SHOWN = 4  # images of a gallery, fewer where they would not fit a page
COLUMNS = range(9, 21)  # maps beside each other: as few as fit a page, since these are the largest
LEFT, RIGHT = 0.3, 0.45  # inches beside the tiles
DAGGER = " †"
NOTE = f"†: {PROMISE} (median over images)"
styled = matplotlib.rc_context({
    "font.size": 7, "axes.labelsize": 8, "xtick.labelsize": 7, "ytick.labelsize": 7, "legend.fontsize": 7,
    "axes.linewidth": 0.5, "xtick.major.width": 0.5, "ytick.major.width": 0.5, "lines.linewidth": 1.1,
    "axes.spines.top": False, "axes.spines.right": False, "pdf.fonttype": 42, "savefig.dpi": 300,
})  # fmt: skip


@dataclass(frozen=True)
class Layout:
    """Where the tiles of a gallery go; in inches."""

    bands: list[list[str]]  # the maps beside each other, band below band
    images: int
    tall: float  # height of an image over its width
    groups: Mapping[str, str]

    @property
    def across(self) -> int:
        return max(map(len, self.bands)) + 1

    @property
    def side(self) -> float:
        return min(0.9, (PAGE - LEFT - RIGHT) / self.across)

    @property
    def size(self) -> float:
        """Points of the names: two lines of one name pass between its neighbours."""
        return 7 if self.side > 0.45 else 6

    @property
    def height(self) -> float:
        tiles = len(self.bands) * self.images * self.tall * self.side
        return sum(map(self.head, self.bands)) + tiles + (0.2 if _any_marked(self.bands) else 0)

    def head(self, band: Sequence[str]) -> float:
        lines = [name.split("\n") for name in map(self.written, band)]
        names = 0.0053 * self.size * max(len(line) for name in lines for line in name) + 0.012 * self.size
        return names + 0.1 * (max(map(len, lines)) > 1) + self.over(band) + 0.06

    def written(self, name: str) -> str:
        """Return a name as it is read, a long one on two lines of about one length."""
        (name,) = readable([name])
        breaks = [k for k, letter in enumerate(name) if letter == " " and name[k:] != DAGGER]
        if len(name) <= (20 if self.side > 0.45 else 14) or not breaks:
            return name
        best = min(breaks, key=lambda k: max(k, len(name) - k - 1))
        return f"{name[:best]}\n{name[best + 1 :]}"

    def over(self, band: Sequence[str]) -> float:
        return 0.1 + 0.12 * (1 + max(level for *_, level in self.spans(band))) if self.groups else 0.06

    def spans(self, band: Sequence[str]) -> list[tuple[str, int, int, int]]:
        """Return each group's name, first and last column, and on which line there is room for its name."""
        found, ends, start = [], [0.0] * len(band), 1
        for group, family in groupby(band, key=self.groups.get):
            end = start + len(list(family)) - 1
            level = next(k for k, used in enumerate(ends) if used <= start)
            ends[level] = start + (0.058 * len(group) + 0.05) / self.side
            found.append((group, start, end, level))
            start = end + 1
        return found


def fitted(names: Sequence[str], images: int, tall: float, groups: Mapping[str, str]) -> Layout:
    """Return the layout with the most images, then the largest, that fits a page."""
    for shown, columns in product(range(images, 0, -1), COLUMNS):
        each = -(-len(names) // -(-len(names) // columns))
        layout = Layout([list(names[k : k + each]) for k in range(0, len(names), each)], shown, tall, groups)
        if layout.height <= HEIGHT:
            break
    return layout


@styled
def maps_of(
    pixels: np.ndarray, maps: Mapping[str, np.ndarray], signed: Mapping[str, bool],
    mask: np.ndarray | None = None, targets: Sequence[str] = (), groups: Mapping[str, str] | None = None,
) -> Figure:  # fmt: skip
    """Draw images (n, h, w, 3) and each method's maps (n, h, w), `groups` over them; the last images may not fit.

    The mask's outline is on the image. Unsigned maps start at 0 (black), signed ones are centred at 0 (white); each
    map has its own scale, up to the 99.5th percentile of its absolute values.
    """
    layout = fitted(list(maps), len(pixels), pixels.shape[1] / pixels.shape[2], groups or {})
    side, tall, height = layout.side, layout.tall, layout.height
    width = LEFT + RIGHT + side * layout.across
    figure = Figure((width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    y = 0.0
    for band in layout.bands:
        y += layout.head(band) / side
        _heads(axes, layout, band, y)
        for k in range(layout.images):
            _tile(axes, pixels[k], 0, y, tall, None)
            if mask is not None and mask[k].any():
                _outline(axes, mask[k], y, tall)
            if len(targets):
                words = str(targets[k]).split(",")[0]
                lines = textwrap.wrap(words, max(9, int(21 * side * tall)), break_long_words=False)[:3]
                axes.text(-0.05, y + tall / 2, "\n".join(lines), rotation=90, ha="right", va="center",
                          multialignment="center", size=layout.size if len(lines) < 3 else 5)  # fmt: skip
            for j, name in enumerate(band, 1):
                _tile(axes, maps[name][k], j, y, tall, bool(signed[name]))
            y += tall
    if _any_marked(layout.bands):
        axes.text(0, y + 0.08 / side, NOTE, va="top", size=6)
    axes.set(xlim=(-LEFT / side, (width - LEFT) / side), ylim=(height / side, 0))
    axes.set_axis_off()
    return figure


def _heads(axes, layout: Layout, band: Sequence[str], y: float) -> None:
    """Write the names over their columns, and under the names their groups."""
    side = layout.side
    for group, start, end, level in layout.spans(band) if layout.groups else ():
        axes.plot([start + 0.03, end + 0.9], [y - 0.05 / side] * 2, color="0.3", lw=0.6)
        axes.text(start, y - (0.07 + 0.12 * level) / side, group, va="bottom", size=7, color="0.3")
    for j, name in enumerate(["input", *map(layout.written, band)]):
        axes.text(j + 0.4, y - layout.over(band) / side, name, rotation=40, ha="left", va="bottom",
                  rotation_mode="anchor", size=layout.size, linespacing=0.95)  # fmt: skip


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


def gallery(stored: Mapping[str, Mapping[str, np.ndarray]], rows: pd.DataFrame) -> Figure:
    """Draw the first images that all methods have stored, ordered by group; `rows` of the leaderboard tell which."""
    group = by_group(rows.drop_duplicates("method").set_index("method").group[list(stored)])
    names = dict(zip(group.index, marked(group.index, rows, DAGGER), strict=True))
    first = stored[group.index[0]]
    images = common(stored)[:SHOWN]
    place = {name: [list(stored[name]["image"]).index(image) for image in images] for name in names}
    maps = {shown: stored[name]["maps"][place[name]] for name, shown in names.items()}
    signed = {shown: bool(np.all(stored[name]["signed"])) for name, shown in names.items()}
    at = place[group.index[0]]
    return maps_of(first["pixels"][at], maps, signed, first["mask"][at], first["target"][at],
                   {shown: group[name] for name, shown in names.items()})  # fmt: skip


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


def note(figure: Figure, names: Iterable[str], *more: str) -> None:
    """Write under a figure what the dagger behind some of the names says, and what else there is to say."""
    lines = [*more, NOTE] if _any_marked([names]) else [*more]
    if text := "\n".join(filter(None, lines)):
        figure.supxlabel(text, x=0.01, ha="left", size=6)


def _any_marked(names: Iterable[Iterable[str]]) -> bool:
    return any(name.endswith(DAGGER) for some in names for name in some)
