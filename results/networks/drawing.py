"""Draw a comparison of networks: robust accuracy, all blocks at a glance, and correlations within networks."""

from collections.abc import Iterator
from math import factorial

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from results import collect
from results.gallery import PAGE, note, readable, styled
from results.lines import COLOURS, DASHES
from results.networks.dots import dots
from results.networks.heatmaps import attacked, rows_of
from results.networks.measures import ATTACKS, MAP, Compared, Measure, compared, radius
from results.networks.table import table
from results.networks.within import pairs, within

MARKERS = "osD^vP"
NORMS = {"linf": r"L$_\infty$", "l2": r"L$_2$"}
SAID = {"insertion": "insertion:\ngain over random map", "deletion": "deletion:\ngain over random map",
        "attacked_spearman_kept": "map of attacked image:\nSpearman, prediction kept"}  # fmt: skip


def drawn(scores: pd.DataFrame) -> Iterator[tuple[str, Figure]]:
    """Yield name and figure of everything that the sweep has the data for; its cells lie where `scores` says."""
    for ours in compared(scores):
        rows, found, name = table(ours), within(ours), ours.dataset
        if len(points := rows[rows.metric.str.startswith(ATTACKS) & rows["at"].notna()]):
            yield f"robust_accuracy_{name}", robust_accuracy(points, ours.networks)
        for method in ours.methods() or [""]:
            ending = f"{method}_{name}" if method else name
            yield f"blocks_{ending}", dots(rows, ours, method)
            if any(y.method == method for _, y in pairs(ours)):
                yield f"within_{ending}", scatter(ours, found, method)
        cells = scores[(scores.dataset == name) & (scores.image != "")] if "folder" in scores else scores.iloc[:0]
        galleries = {network: collect.galleries(mine) for network, mine in cells.groupby("model", sort=False)}
        for method in ours.methods():
            stored = {network: maps[method] for network, maps in galleries.items() if method in maps}
            if shown := rows_of(stored, ours.images):
                yield f"attacked_{method}_{name}", attacked(stored, shown, method)


def look(networks: list[str]) -> dict[str, dict]:
    """Return how each network is drawn: colour, marker and dashes each tell it from the others."""
    lines = ["-", *((0, dash) for dash in DASHES)]
    return {network: {"color": COLOURS[k % len(COLOURS)], "marker": MARKERS[k % len(MARKERS)], "ls": lines[k % 7]}
            for k, network in enumerate(networks)}  # fmt: skip


@styled
def robust_accuracy(points: pd.DataFrame, networks: list[str]) -> Figure:
    """Draw robust accuracy against radius: attack x norm, a line per network with its 95 % band."""
    metrics, styles = list(points.metric.unique()), look(networks)
    across = min(2, len(metrics))
    down = -(-len(metrics) // across)
    figure = Figure((PAGE, 0.6 + 1.75 * down), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False).ravel()
    for axes, metric in zip(panels, metrics, strict=False):
        ours = points[points.metric == metric].sort_values("at")
        for network, style in styles.items():
            mine = ours[ours.network == network]
            if ours["at"].min() > 0:  # the images were chosen for being right there
                mine = pd.concat([pd.DataFrame([{"at": 0.0, "mean": 1.0, "low": 1.0, "high": 1.0}]), mine])
            axes.plot(mine["at"], mine["mean"], ms=3, **style)
            axes.fill_between(mine["at"], mine.low, mine.high, color=style["color"], alpha=0.13, lw=0)
        _radii(axes, metric, np.union1d(0, ours["at"]))
        attack, _, norm = metric.partition("_")
        axes.set_title(f"{attack.upper()}, {NORMS.get(norm, *readable([norm]))}", size=8, pad=3)
    for axes in panels[len(metrics) :]:
        axes.set_axis_off()
    for axes in panels[::across]:
        axes.set_ylabel("robust accuracy")
    handles = [Line2D([], [], ms=3, **style) for style in styles.values()]
    figure.legend(handles, readable(networks), loc="outside right center", frameon=False, handlelength=2.6)
    note(figure, (), f"bands: 95 % intervals (Wilson) over {points.images.iloc[0]} images that all networks classify "
         "correctly")  # fmt: skip
    return figure


def _radii(axes: Axes, metric: str, at: np.ndarray) -> None:
    """Make the axis logarithmic from the smallest radius on, with a mark at every radius that has room."""
    least = at[at > 0].min() if (at > 0).any() else 1
    axes.set_xscale("symlog", linthresh=least, linscale=0.5)
    kept, last = [], -np.inf
    for value in at:
        place = value / least / 2 if value < least else 0.5 + np.log10(value / least)
        if place - last > 0.19:
            kept, last = [*kept, value], place
    axes.set_xticks(kept, [radius(metric, value).removesuffix("/255") for value in kept])
    axes.minorticks_off()
    axes.set(xlim=(0, at.max() * 1.05), ylim=(0, 1.03))
    axes.set_xlabel("radius / (1/255)" if "linf" in metric else "radius (pixels in [0, 1])")


@styled
def scatter(ours: Compared, found: pd.DataFrame, method: str) -> Figure:
    """Draw interpretability against robustness over images, `found` of `within`: column = network, row = measure."""
    every = [(x, y) for x, y in pairs(ours) if y.method == method]
    found = found[found.method == method].set_index(["interpretability", "network"])
    down, across = len(every), len(ours.networks)
    figure = Figure((PAGE, 0.75 + 1.4 * down), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False, sharey="row", sharex=True)
    for line, (x, y) in zip(panels, every, strict=True):
        for axes, network in zip(line, ours.networks, strict=True):
            _cloud(axes, x, y, network, found.loc[(y.metric, network)])
        line[0].set_ylabel(SAID.get(y.metric, *readable([y.metric])), size=7)
    for axes, network in zip(panels[0], readable(ours.networks), strict=True):
        axes.set_title(network, size=8, pad=14)
    figure.supxlabel(f"{readable([every[0][0].name])[0]} of the image\n{caption(across, method)}", size=7)
    return figure


def _cloud(axes: Axes, x: Measure, y: Measure, network: str, found: pd.Series) -> None:
    axes.plot(x.values[network], y.values[network], "o", ms=2.5, mfc=(*COLOURS[0], 0.35), mec=COLOURS[0], mew=0.4)
    if y.block == MAP:
        axes.axhline(0, color="0.6", lw=0.5, ls=(0, DASHES[1]))
    rho = f"ρ {found.rho:.2f}" if found.rho == found.rho else "ρ –"  # noqa: RUF001
    span = f" [{found.low:.2f}, {found.high:.2f}]" if found.low == found.low else ""
    axes.text(0.5, 1.02, f"{rho}{span}, n {found.n}", transform=axes.transAxes, size=6, ha="center", va="bottom")


def caption(networks: int, method: str) -> str:
    """Say why correlations are over images."""
    p = f"{min(1, 2 / factorial(networks)):.2g}".replace("0.", ".")
    across = (f"Across {networks} networks a correlation cannot be tested (n = {networks}: smallest two-sided exact "
              f"p = {p}), so it is within networks. " if networks > 1 else "")  # fmt: skip
    return f"{across}Maps of {readable([method])[0]}.\nρ: Spearman over images, 95 % bootstrap interval."  # noqa: RUF001
