"""Draw all blocks at a glance: a row per quantity, a point per network."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from results.gallery import HEIGHT, PAGE, readable, styled
from results.networks.look import look
from results.networks.measures import ATTACK, BLOCKS, GAP, RADIUS, SEVERITY
from results.networks.text import KEY

NOTE = "Each row has its own scale, its ends written beside it; to the right is better. Blocks are never merged."
BARS = "\nBars: 95 % intervals over images, where six or more have a score."
LOG = "\nlog: a logarithmic scale, since the ends are more than a factor of 100 apart."
WIDE = 100  # ends that are this many times as large as each other need a logarithmic scale
ROW = 0.25  # inches


@styled
def dots(rows: pd.DataFrame, networks: list[str], method: str) -> Figure:
    """Draw every score of two networks or more, and of one method's maps; curves are drawn elsewhere."""
    shown = rows[~rows.what.isin([RADIUS, SEVERITY]) & rows.method.isin(["", method])]
    blocks = [part for block in BLOCKS if len(part := shown[shown.block == block])]
    counts = [part.groupby(KEY, dropna=False).ngroups for part in blocks]
    row = min(ROW, (HEIGHT - 0.8) / (sum(counts) + 1.2 * len(counts)))
    figure = Figure((PAGE, 0.8 + row * (sum(counts) + 1.2 * len(counts))), layout="constrained")
    panels = figure.subplots(len(blocks), 1, squeeze=False, height_ratios=[k + 0.2 for k in counts])[:, 0]
    styles = {network: {**style, "ls": "", "ms": 3} for network, style in look(networks).items()}
    logs = False
    for axes, part in zip(panels, blocks, strict=True):
        logs |= _block(axes, part, styles)
        block = part.block.iloc[0]
        about = f" ({readable([method])[0]})" if part.method.ne("").any() else ""
        axes.set_title(f"{block}{about}", size=8, loc="left", weight="bold", pad=2)
    handles = [Line2D([], [], **style) for style in styles.values()]
    figure.legend(handles, readable(networks), loc="outside upper center", ncols=6, frameon=False)
    figure.supxlabel(NOTE + BARS * bool(shown.low.notna().any()) + LOG * logs, size=6)
    return figure


def _block(axes: Axes, part: pd.DataFrame, styles: dict[str, dict]) -> bool:
    """Draw a row per quantity; return whether one has a logarithmic scale."""
    labels, logs = [], []
    for y, (_, mine) in enumerate(part.groupby(KEY, sort=False, dropna=False)):
        mine = mine.set_index("network").loc[list(styles)]
        ends = mine[["mean", "low", "high"]].to_numpy(float)
        logs.append(wide(ends))
        labels.append(_name(mine) + ", log" * logs[-1])
        _row(axes, y, ends, bool(mine.higher_is_better.iloc[0]), styles)
    axes.set(ylim=(len(labels) - 0.4, -0.6), xlim=(-0.12, 1.11))
    axes.set_yticks(range(len(labels)), labels, size=6.5)
    axes.set_xticks([])
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return any(logs)


def wide(ends: np.ndarray) -> bool:
    """Whether a row's numbers are too far apart for a linear scale."""
    known = ends[~np.isnan(ends)]
    return bool(known.size and 0 < WIDE * known.min() < known.max())


def _row(axes: Axes, y: int, ends: np.ndarray, higher: bool, styles: dict[str, dict]) -> None:
    """Draw one quantity, `ends` (networks, 3) its mean and interval; where all are one number, only that is written."""
    known = ends[~np.isnan(ends)]
    if not known.size or known.min() == known.max():
        said = f"all {_written(known[0])}" if known.size else "no score"
        axes.text(0.5, y, said, size=6, ha="center", va="center", color="0.35")
        return
    axes.plot([0, 1], [y, y], color="0.88", lw=0.6, zorder=0)
    low, high = known.min(), known.max()
    place = np.log(ends / low) / np.log(high / low) if wide(ends) else (ends - low) / (high - low)
    place = place if higher else 1 - place
    offsets = 0.36 * (np.arange(len(styles)) - (len(styles) - 1) / 2) / max(len(styles) / 2, 1)
    for (x, *bar), up, style in zip(place, offsets, styles.values(), strict=True):
        axes.plot(bar, [y + up] * 2, color=style["color"], lw=0.9)
        axes.plot(x, y + up, **style)
    for x, value in ((-0.015, low if higher else high), (1.015, high if higher else low)):
        axes.text(x, y, _written(value), size=6, ha="right" if x < 0 else "left", va="center", color="0.35")


def _written(value: float) -> str:
    return f"{value:.0f}" if 1000 <= abs(value) < 1e5 else f"{value:.3g}"


def _name(mine: pd.DataFrame) -> str:
    """Return a row's name, with the images of those that only some images have."""
    facts = mine.iloc[0]
    arrow = "" if facts.what == GAP else " ↑" if facts.higher_is_better else " ↓"
    name = facts.metric if facts.block == ATTACK else facts.label.removesuffix(f" {facts.method}")
    n = f" (n {mine.n.min()}–{mine.n.max()})" if facts.block == ATTACK else ""  # noqa: RUF001
    return readable([name])[0] + arrow + n
