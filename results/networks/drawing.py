"""Draw a comparison of networks: robust accuracy, all blocks at a glance, and correlations within networks."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from results import collect
from results.gallery import HEIGHT, PAGE, note, readable, styled
from results.networks.clouds import clouds, shown
from results.networks.dots import dots
from results.networks.gathered import compared
from results.networks.heatmaps import attacked, rows_of
from results.networks.look import look
from results.networks.measures import Compared, Measure, radius
from results.networks.table import table, with_medians
from results.networks.within import within

NORMS = {"linf": r"L$_\infty$", "l2": r"L$_2$"}
WIDTH = 2.5  # inches of a panel's axis, about


def drawn(scores: pd.DataFrame) -> Iterator[tuple[str, Figure]]:
    """Yield name and figure of everything that the sweep has the data for; its cells lie where `scores` says."""
    for ours in compared(scores):
        rows, found, name = table(ours), within(ours), ours.dataset
        if ours.attacks():
            yield f"robust_accuracy_{name}", robust_accuracy(rows, ours)
        for method in ours.methods() or [""]:
            ending = f"{method}_{name}" if method else name
            if len(ours.networks) > 1:  # one has nothing to be placed by
                yield f"blocks_{ending}", dots(with_medians(rows), ours.networks, method)
            if len(shown(found, method)):
                yield f"within_{ending}", clouds(ours, found, method)
        cells = scores[(scores.dataset == name) & (scores.image != "")] if "folder" in scores else scores.iloc[:0]
        galleries = {network: collect.galleries(mine) for network, mine in cells.groupby("model", sort=False)}
        for method in ours.methods():
            stored = {network: maps[method] for network, maps in galleries.items() if method in maps}
            if some := rows_of(stored, ours.images):
                yield f"attacked_{method}_{name}", attacked(stored, some, method)


@styled
def robust_accuracy(rows: pd.DataFrame, ours: Compared) -> Figure:
    """Draw robust accuracy against radius: a panel per attack and norm, a line per network with its 95 % band."""
    attacks, styles = ours.attacks(), look(ours.networks)
    across = min(2, len(attacks))
    down = -(-len(attacks) // across)
    figure = Figure((PAGE, min(HEIGHT, 0.6 + 1.75 * down)), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False).ravel()
    for axes, (metric, curve) in zip(panels, attacks.items(), strict=False):
        points = rows[(rows.metric == metric) & rows["at"].notna()].sort_values("at")
        for network, style in styles.items():
            mine = points[points.network == network]
            if points["at"].min() > 0:  # the images were chosen for being right there
                mine = pd.concat([pd.DataFrame([{"at": 0.0, "mean": 1.0, "low": 1.0, "high": 1.0}]), mine])
            axes.plot(mine["at"], mine["mean"], ms=3, **style)
            axes.fill_between(mine["at"], mine.low, mine.high, color=style["color"], alpha=0.13, lw=0)
        _radii(axes, curve[0].norm, np.union1d(0, points["at"]))
        axes.set_title(_attack(curve[0]), size=8, pad=3)
    for axes in panels[len(attacks) :]:
        axes.set_axis_off()
    for axes in panels[::across]:
        axes.set_ylabel("robust accuracy")
    handles = [Line2D([], [], ms=3, **style) for style in styles.values()]
    figure.legend(handles, readable(ours.networks), loc="outside right center", frameon=False, handlelength=2.6)
    bands = rows[rows.metric.isin(attacks) & rows["at"].notna()].low.notna().any()
    said = f"bands: 95 % intervals (Wilson) over {ours.right()}" if bands else f"{ours.right()}: too few for bands"
    note(figure, (), said)
    return figure


def _attack(curve: Measure) -> str:
    """Return an attack's name and norm as they are read."""
    name = curve.metric.removesuffix(f"_{curve.norm}")
    name = name.upper() if name == curve.setting("attack") else readable([name])[0]
    return f"{name}, {NORMS[curve.norm]}" if curve.norm in NORMS else name


def _radii(axes: Axes, norm: str, at: np.ndarray) -> None:
    """Make the axis logarithmic from the smallest radius on, with a mark at every radius that has room."""
    least = at[at > 0].min() if (at > 0).any() else 1
    axes.set_xscale("symlog", linthresh=least, linscale=0.5)
    said = [radius(norm, value) for value in at]
    steps = all(value.endswith("/255") for value in said[1:])
    said = [value.removesuffix("/255" * steps) for value in said]
    places = np.where(at < least, at / least / 2, 0.5 + np.log10(np.maximum(at, least) / least))
    kept, end = [], -np.inf
    for k, place in enumerate(places * WIDTH / places[-1]):
        half = 0.028 * len(said[k])  # inches
        if place - half > end:
            kept, end = [*kept, k], place + half + 0.04
    axes.set_xticks(at[kept], [said[k] for k in kept])
    axes.minorticks_off()
    axes.set(xlim=(0, at.max() * 1.05), ylim=(0, 1.03))
    axes.set_xlabel("radius / (1/255)" if steps else "radius (pixels in [0, 1])")
