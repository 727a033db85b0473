"""Figure of all blocks at a glance: a row per quantity, a point per network."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from results import style
from results.networks.comparison import Comparison
from results.networks.measures import BLOCKS, POINTS

NOTE = "Each row has a scale of its own, whose ends stand beside it; to the right is better. Blocks are never merged."
BARS = " Bars are 95 % intervals over images, where six or more have a score."
LOG = " log: a logarithmic scale, since the ends are more than a factor of 100 apart."
WIDE = 100  # ends that are this many times as large as each other need a logarithmic scale
ROW = 0.25  # inches


def look(networks: list[str]) -> dict[str, dict]:
    """Return each network's colour, marker and dashes: each tells it from the next five, all three from many."""
    lines, markers = ["-", *((0, dash) for dash in style.DASHES)], "osD^vP"
    return {
        network: {"color": style.COLOURS[k % 6], "marker": markers[(k + k // 6) % 6], "ls": lines[k % 7], "ms": 3}
        for k, network in enumerate(networks)
    }


def dots(rows: pd.DataFrame, comparison: Comparison, method: str) -> Figure:
    """Draw every score of two networks or more, and of one method's maps; curves are drawn elsewhere."""
    shown = rows[(rows.part != POINTS) & rows.method.isin(["", method])]
    blocks = [part for block in BLOCKS if len(part := shown[shown.block == block])]
    counts = [part.number.nunique() for part in blocks]
    row = min(ROW, (style.HEIGHT - 1.1) / (sum(counts) + 1.2 * len(counts)))
    figure = style.figure(style.PAGE, 1.1 + row * (sum(counts) + 1.2 * len(counts)))
    panels = figure.subplots(len(blocks), 1, squeeze=False, height_ratios=[k + 0.2 for k in counts])[:, 0]
    styles = {network: one | {"ls": ""} for network, one in look(comparison.networks).items()}
    logs = False
    for axes, part in zip(panels, blocks, strict=True):
        logs |= _block(axes, part, styles)
        about = f" ({style.readable([method])[0]})" if part.method.ne("").any() else ""
        axes.set_title(f"{part.block.iloc[0]}{about}", size=8, loc="left", weight="bold", pad=2)
    handles = [Line2D([], [], **one) for one in styles.values()]
    panels[0].legend(handles, style.readable(comparison.networks), loc="lower right", bbox_to_anchor=(1, 1.06), ncols=6)
    style.heading(figure, f"Networks on {comparison.dataset}: {comparison.selection()}")
    style.note(figure, NOTE + BARS * bool(shown.low.notna().any()) + LOG * logs)
    return figure


def _block(axes: Axes, part: pd.DataFrame, styles: dict[str, dict]) -> bool:
    """Draw a row per quantity; return whether one has a logarithmic scale."""
    labels, logs = [], []
    for y, (_, mine) in enumerate(part.groupby("number", sort=False)):
        mine = mine.set_index("network").loc[list(styles)]
        ends = mine[["mean", "low", "high"]].to_numpy(float)
        logs.append(wide(ends))
        labels.append(_name(mine) + ", log" * logs[-1])
        _row(axes, y, ends, bool(mine.higher_is_better.iloc[0]), styles)
    axes.set(ylim=(len(labels) - 0.4, -0.6), xlim=(-0.13, 1.12), xticks=[])
    axes.set_yticks(range(len(labels)), labels, size=6.5)
    style.bare(axes)
    return any(logs)


def wide(ends: np.ndarray) -> bool:
    """Return whether a row's numbers are too far apart for a linear scale."""
    known = ends[~np.isnan(ends)]
    return bool(known.size and 0 < WIDE * known.min() < known.max())


def _row(axes: Axes, y: int, ends: np.ndarray, higher: bool, styles: dict[str, dict]) -> None:
    """Draw one quantity, `ends` (networks, 3) its mean and interval; equal means of all networks are written."""
    known, means = ends[~np.isnan(ends)], ends[:, 0][~np.isnan(ends[:, 0])]
    if not means.size or means.min() == means.max():
        words = f"all {_written(means[0])}" if means.size else "no score"
        axes.text(0.5, y, words, size=style.SMALL, ha="center", va="center", color="0.35")
        return
    axes.plot([0, 1], [y, y], color="0.88", lw=0.6, zorder=0)
    low, high = known.min(), known.max()
    place = np.log(ends / low) / np.log(high / low) if wide(ends) else (ends - low) / (high - low)
    place = place if higher else 1 - place
    offsets = 0.36 * (np.arange(len(styles)) - (len(styles) - 1) / 2) / max(len(styles) / 2, 1)
    for (x, *bar), up, one in zip(place, offsets, styles.values(), strict=True):
        axes.plot(bar, [y + up] * 2, color=one["color"], lw=0.9)
        axes.plot(x, y + up, **one)
    for x, value in ((-0.015, low if higher else high), (1.015, high if higher else low)):
        axes.text(x, y, _written(value), size=style.SMALL, ha="right" if x < 0 else "left", va="center", color="0.35")


def _written(value: float) -> str:
    return f"{value:.0f}" if 1000 <= abs(value) < 1e5 else f"{value:.3g}"


def _name(mine: pd.DataFrame) -> str:
    """Return a row's name without the method, with the number of images of those that only some images have."""
    facts = mine.iloc[0]
    arrow = "" if facts.what == "gap" else " ↑" if facts.higher_is_better else " ↓"
    (name,) = style.readable([facts.label])
    name = name.replace(f", {facts.method}", "").replace(f" ({facts.method})", "") if facts.method else name
    return name + arrow + (f" (n {mine.n.min()} to {mine.n.max()})" if facts.block == "attack-induced" else "")
