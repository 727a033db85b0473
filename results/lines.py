"""Draw what a score does along a path: of deleted or inserted pixels, or of a growing budget."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from results import statistics
from results.gallery import DAGGER, HEIGHT, PAGE, note, readable, styled
from results.statistics import RESAMPLES, SEED
from results.tables import order_of
from results.validity import marked

COLOURS = [colour for k, colour in enumerate(sns.color_palette("colorblind")) if k in (0, 1, 2, 3, 4, 9)]
DASHES = [(3, 1.5), (1, 1), (6, 2), (6, 1.5, 1, 1.5), (3, 1, 1, 1, 1, 1), (1, 3)]
FLOOR = "uniform"  # the control that a figure of budgets shows: what no pass at all reaches


@styled
def curves(lines: pd.DataFrame, table: pd.DataFrame) -> Figure:
    """Draw the mean deletion and insertion curves of one model, the best methods in colour, with 95 % bands."""
    metrics = [metric for metric in ("deletion", "insertion") if (lines.metric == metric).any()]
    order = order_of(table)
    rank = table[table.metric.isin(metrics)].groupby("method")["rank"].mean().sort_values()
    best = [method for method in rank.index if not order[method]][: len(COLOURS)]
    rest = [method for method in order.index[~order] if method not in best]
    look = {method: {"color": "0.82", "lw": 0.8} for method in rest}
    look |= {method: {"color": "0.5", "lw": 0.8, "ls": (0, DASHES[k % len(DASHES)])}
             for k, method in enumerate(order.index[order])}  # fmt: skip
    look |= {method: {"color": colour} for method, colour in zip(best[::-1], COLOURS[: len(best)][::-1], strict=True)}
    figure = Figure((PAGE, 2.5), layout="constrained")
    panels = figure.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
    for axes, metric in zip(panels, metrics, strict=True):
        ours = lines[lines.metric == metric]
        for method, style in look.items():
            if (mine := ours[ours.method == method]).empty:
                continue
            fraction, mean, low, high = band(mine)
            axes.plot(fraction, mean, **style)
            if method in best:
                axes.fill_between(fraction, low, high, color=style["color"], alpha=0.15, lw=0)
        axes.set(xlabel=f"fraction of pixels {'deleted' if metric == 'deletion' else 'inserted'}", xlim=(0, 1))
        axes.set_ylim(0, 1.02)
    panels[0].set_ylabel("probability of the class")
    shown = [*best, *rest[:1], *order.index[order]]
    names = ["other methods" if method in rest else method for method in shown]
    handles = [Line2D([], [], **look[method]) for method in shown]
    names = marked(names, table, DAGGER)
    figure.legend(handles, readable(names), loc="outside right center", frameon=False, handlelength=2)
    note(figure, names)
    return figure


def band(lines: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return fractions, the mean curve over images, and the ends of its 95 % intervals, point by point."""
    values = lines.groupby(["image", "fraction"]).value.mean().unstack("fraction").sort_index(axis=1)
    images, array = values.index.tolist(), values.to_numpy()
    drawn = statistics.resampled(array, images, RESAMPLES, SEED)
    low, high = statistics.interval(drawn, (~np.isnan(array)).sum(0))
    return values.columns.to_numpy(float), drawn[0], low, high


@styled
def budget(points: pd.DataFrame) -> Figure:
    """Draw mean scores against passes per map on one model, a line per method and a panel per metric, 95 % bands."""
    metrics = points.drop_duplicates("metric").set_index("metric").higher_is_better
    stems = [stem for stem in points.stem.unique() if (points.passes[points.stem == stem] > 0).any()]
    look = {stem: {"color": COLOURS[k % len(COLOURS)], "marker": "osD^v"[k // len(COLOURS) % 5], "ms": 2.5}
            for k, stem in enumerate(stems)}  # fmt: skip
    look |= {FLOOR: {"color": "0.4", "ls": (0, DASHES[0])}} if (points.stem == FLOOR).any() else {}
    across = {1: 1, 2: 2, 4: 2}.get(len(metrics), 3)
    down = -(-len(metrics) // across)
    figure = Figure((min(PAGE, 1.4 + 1.9 * across), min(0.5 + 1.55 * down, HEIGHT)), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False).ravel()
    for axes, (metric, higher) in zip(panels, metrics.items(), strict=False):
        for stem, style in look.items():
            mine = points[(points.metric == metric) & (points.stem == stem)]
            if stem == FLOOR and len(mine):
                axes.axhline(mine["mean"].mean(), **style)
                continue
            axes.plot(mine.passes, mine["mean"], **style)
            axes.fill_between(mine.passes, mine.low, mine.high, color=style["color"], alpha=0.15, lw=0)
        axes.set_xscale("log")
        axes.set_title(*readable([metric]), size=7, pad=9)
        axes.text(0.5, 1.01, f"{'higher' if higher else 'lower'} is better", transform=axes.transAxes, size=6,
                  color="0.4", ha="center", va="bottom")  # fmt: skip
    for axes in panels[len(metrics) - across : len(metrics)]:
        axes.set_xlabel("passes per map")
    for axes in panels[len(metrics) :]:
        axes.set_axis_off()
    invalid = points.assign(method=points.stem)
    names = marked(look, invalid, DAGGER)
    handles = [Line2D([], [], **style) for style in look.values()]
    figure.legend(handles, readable(names), loc="outside right center", frameon=False, handlelength=2)
    note(figure, names)
    return figure
