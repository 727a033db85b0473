"""Figure of all blocks at a glance: a row per quantity, a point per network."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from results import style
from results.networks.comparison import Comparison
from results.networks.measures import POINTS
from results.panels import DASHED, described

NOTE = """\
Each row has a scale of its own, whose ends stand beside it; to the right is better. Blocks are never merged. Bars are \
95 % intervals over images, where six or more have a score. Rows with "log" have a logarithmic scale, since their ends \
are more than a factor of 100 apart. Clean accuracy is over all {} images."""
GAPS = " Rows of the block map-induced say how much better the maps are than random ones."
WIDE = 100  # ends that are this many times as large as each other need a logarithmic scale
ROW = 0.25  # inches


def look(networks: list[str]) -> dict[str, dict]:
    """Return each network's colour, marker and dashes: each tells it from the next five, all three from many."""
    return {
        network: {"color": style.COLOURS[k % 8], "marker": "osD^vP"[(k + k // 6) % 6], "ls": DASHED[k % 7], "ms": 3}
        for k, network in enumerate(networks)
    }


def dots(rows: pd.DataFrame, comparison: Comparison, method: str) -> Figure:
    """Draw every score of two networks or more, and of one method's maps; curves are drawn elsewhere."""
    shown = rows[(rows.part != POINTS) & rows.method.isin(["", method])]
    shown = shown[shown.groupby("number")["mean"].transform("count") > 0]
    styles = {network: one | {"ls": ""} for network, one in look(comparison.networks).items()}
    lines = shown.number.nunique() + 1.5 * shown.block.nunique()
    figure = style.figure(style.PAGE, 1 + lines * min(ROW, (style.HEIGHT - 1) / lines))
    axes, names, y = figure.add_subplot(), {}, 0.0
    for block, part in shown.groupby("block", sort=False):
        about = f" ({style.readable([method])[0]})" if part.method.ne("").any() else ""
        axes.text(-0.15, y, f"{block}{about}", size=8, weight="bold", va="center")
        for _, mine in part.groupby("number", sort=False):
            y += 1
            names[y] = _row(axes, y, mine.set_index("network"), styles)
        y += 1.5
    axes.set(ylim=(y - 0.8, -0.6), xlim=(-0.15, 1.12), xticks=[])
    axes.set_yticks([*names], names.values(), size=6.5)
    style.bare(axes)
    handles = [Line2D([], [], **one) for one in styles.values()]
    axes.legend(handles, style.readable(styles), loc="lower right", bbox_to_anchor=(1, 1), ncols=6)
    note = NOTE.format(len(comparison.images) + comparison.left_out) + GAPS * bool((shown.what == "gap").any())
    return described(figure, f"Networks on {style.readable([comparison.dataset])[0]}: {comparison.selection()}", note)


def _row(axes: Axes, y: float, mine: pd.DataFrame, styles: dict[str, dict]) -> str:
    """Draw one quantity from its worst end to its best one; return its name."""
    ends = mine[["mean", "low", "high"]].to_numpy(float)
    small = {"size": style.SMALL, "va": "center", "color": "0.35", "parse_math": True}
    worst, best = (np.nanmin(ends), np.nanmax(ends))[:: 1 if mine.higher_is_better.iloc[0] else -1]
    places = pd.DataFrame(scaled(ends, worst, best), mine.index)
    axes.plot([0, 1], [y, y], color="0.88", lw=0.6, zorder=0)
    axes.text(-0.015, y, _written(worst), ha="right", **small)
    axes.text(1.015, y, _written(best), ha="left", **small)
    for up, (network, one) in zip(np.linspace(-0.3, 0.3, len(styles)), styles.items(), strict=True):
        mean, *bar = places.loc[network]
        axes.plot(bar, [y + up] * 2, color=one["color"], lw=0.9)
        axes.plot(mean, y + up, **one)
    return _name(mine) + ", log" * wide(ends)


def wide(ends: np.ndarray) -> bool:
    """Return whether a row's numbers are too far apart for a linear scale."""
    return bool(0 < WIDE * np.nanmin(ends) < np.nanmax(ends))


def scaled(ends: np.ndarray, worst: float, best: float) -> np.ndarray:
    """Return places between 0, the worst end, and 1, the best one; if both are the same, the middle."""
    if worst == best:
        return np.where(np.isnan(ends), np.nan, 0.5)
    return np.log(ends / worst) / np.log(best / worst) if wide(ends) else (ends - worst) / (best - worst)


def _written(value: float) -> str:
    if 1000 <= abs(value) < 1e5:
        return f"{value:.0f}"
    number, _, power = f"{value:{'.2e' if 0 < abs(value) < 1e-3 else '.3g'}}".partition("e")
    return rf"${float(number):g} \cdot 10^{{{int(power)}}}$" if power else number


def _name(mine: pd.DataFrame) -> str:
    """Return the name of a row of the figure: the quantity's, without that of the method, which stands above.

    Of what attacks change, the number of images follows.
    """
    facts = mine.iloc[0]
    arrow = "" if facts.what == "gap" else " ↑" if facts.higher_is_better else " ↓"
    (name,) = style.readable([facts.label])
    name = name.replace(f", {facts.method}", "").replace(f" ({facts.method})", "") if facts.method else name
    return name + arrow + (f" (n {mine.n.min()} to {mine.n.max()})" if facts.block == "attack-induced" else "")
