"""Draw all blocks at a glance: a row per quantity, a point per network."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from results.gallery import HEIGHT, PAGE, readable, styled
from results.lines import COLOURS
from results.networks.measures import ATTACK, BLOCKS, CLEAN, METRIC, SUCCESS, Compared
from results.networks.text import label

MARKERS = "osD^vP"
NOTE = ("Each row has its own scale, its ends written beside it; to the right is better. Bars: 95 % intervals over "
        "images. Blocks are never merged.")  # fmt: skip
ROW = 0.25  # inches


@styled
def dots(rows: pd.DataFrame, ours: Compared, method: str) -> Figure:
    """Draw every score of the networks, and of one method's maps; curves are drawn elsewhere."""
    shown = rows.assign(label=[label(measure) for measure in ours.measures for _ in ours.networks])
    shown = shown[shown["at"].isna() & shown.method.isin(["", method])]
    blocks = [part for block in BLOCKS if len(part := shown[shown.block == block])]
    counts = [part.drop_duplicates(["metric"]).shape[0] for part in blocks]
    row = min(ROW, (HEIGHT - 0.8) / (sum(counts) + 1.2 * len(counts)))
    figure = Figure((PAGE, 0.8 + row * (sum(counts) + 1.2 * len(counts))), layout="constrained")
    panels = figure.subplots(len(blocks), 1, squeeze=False, height_ratios=[k + 0.2 for k in counts])[:, 0]
    for axes, part in zip(panels, blocks, strict=True):
        _block(axes, part, ours.networks)
        block = part.block.iloc[0]
        about = f" ({readable([method])[0]})" if part.method.ne("").any() else ""
        axes.set_title(f"{block}{about}", size=8, loc="left", weight="bold", pad=2)
    handles = [Line2D([], [], ls="", marker=MARKERS[k % 6], color=COLOURS[k % 6], ms=3.5)
               for k in range(len(ours.networks))]  # fmt: skip
    figure.legend(handles, readable(ours.networks), loc="outside upper center", ncols=6, frameon=False)
    figure.supxlabel(NOTE, size=6)
    return figure


def _block(axes: Axes, part: pd.DataFrame, networks: list[str]) -> None:
    labels = []
    for y, (metric, mine) in enumerate(part.groupby("metric", sort=False)):
        mine, higher = mine.set_index("network").loc[networks], bool(mine.higher_is_better.iloc[0])
        ends = mine[["mean", "low", "high"]].to_numpy(float)
        labels.append(_name(metric, higher, mine))
        axes.plot([0, 1], [y, y], color="0.88", lw=0.6, zorder=0)
        if np.isnan(ends).all():
            continue
        low, high = np.nanmin(ends), np.nanmax(ends)
        place = (ends - low) / (high - low) if high > low else np.full_like(ends, 0.5)
        place = place if higher else 1 - place
        offsets = 0.36 * (np.arange(len(networks)) - (len(networks) - 1) / 2) / max(len(networks) / 2, 1)
        for k, ((x, *bar), up) in enumerate(zip(place, offsets, strict=True)):
            axes.plot(bar, [y + up] * 2, color=COLOURS[k % 6], lw=0.9)
            axes.plot(x, y + up, marker=MARKERS[k % 6], color=COLOURS[k % 6], ms=3)
        for x, value in ((-0.015, low if higher else high), (1.015, high if higher else low)):
            axes.text(x, y, _written(value), size=6, ha="right" if x < 0 else "left", va="center", color="0.35")
    axes.set(ylim=(len(labels) - 0.4, -0.6), xlim=(-0.12, 1.11))
    axes.set_yticks(range(len(labels)), labels, size=6.5)
    axes.set_xticks([])
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _written(value: float) -> str:
    return f"{value:.0f}" if 1000 <= abs(value) < 1e5 else f"{value:.3g}"


def _name(metric: str, higher: bool, mine: pd.DataFrame) -> str:
    """Return a row's name, with the images of those that only some images have."""
    arrow = "" if mine.block.iloc[0] == "map-induced" else " ↑" if higher else " ↓"
    name = metric if mine.block.iloc[0] in (ATTACK, METRIC) or metric in (CLEAN, SUCCESS) else mine.label.iloc[0]
    name = readable([name.removesuffix(f" {mine.method.iloc[0]}")])[0]
    n = f" (n {mine.n.min()}–{mine.n.max()})" if mine.block.iloc[0] == ATTACK else ""  # noqa: RUF001
    return name + arrow + n
