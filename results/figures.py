"""Draw a sweep's figures for a paper: `python -m results.figures outputs/NAME` writes outputs/NAME/figures/."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from results import collect, statistics
from results.gallery import PAGE, first_maps, gallery, readable, save, styled
from results.leaderboard import RESAMPLES, SEED, leaderboard
from results.tables import ALL_MODELS, MEAN_RANK, order_of

__all__ = ["agreement", "curves", "figures", "first_maps", "gallery", "ranks"]
COLUMN = 3.4  # inches: one of the two columns of a paper
COLOURS = [colour for k, colour in enumerate(sns.color_palette("colorblind")) if k in (0, 1, 2, 3, 4, 9)]
DASHES = [(3, 1.5), (1, 1), (6, 2), (6, 1.5, 1, 1.5), (3, 1, 1, 1, 1, 1)]


@styled
def ranks(table: pd.DataFrame) -> Figure:
    """Draw methods x metrics of one model, dark is better; bold cannot be told from the best method."""
    order, metrics = order_of(table), table[table.metric != MEAN_RANK]
    names = metrics.drop_duplicates("metric").set_index("metric").category
    xs = np.arange(len(names)) + 0.35 * np.cumsum((names != names.shift()).to_numpy())
    ys = np.arange(len(order)) + 0.35 * order.to_numpy()
    figure = Figure((min(PAGE, 1.6 + 0.4 * (xs[-1] + 1)), 1.35 + 0.17 * (ys[-1] + 1)), layout="constrained")
    axes = figure.subplots()
    colours = sns.color_palette("YlGnBu_r", as_cmap=True)
    for row in metrics.itertuples():
        x, y = xs[names.index.get_loc(row.metric)], ys[order.index.get_loc(row.method)]
        ranked = metrics["rank"][metrics.metric == row.metric].count()
        known = row.rank == row.rank
        colour = colours(0.15 + 0.8 * (row.rank - 1) / max(ranked - 1, 1)) if known else (0.95, 0.95, 0.95, 1)
        axes.add_patch(Rectangle((x, y), 0.96, 0.94, color=colour, lw=0))
        axes.text(x + 0.48, y + 0.5, f"{row.rank:g}" if known else "–", ha="center", va="center",  # noqa: RUF001
                  color="white" if np.dot(colour[:3], (0.3, 0.6, 0.1)) < 0.55 else "black",
                  weight="bold" if row.tied is True else "normal")  # fmt: skip
    if order.any() and not order.all():
        axes.axhline(ys[(~order).sum()] - 0.2, color="0.3", lw=0.6)
    _categories(axes, names, xs)
    axes.set(xlim=(xs[0] - 0.1, xs[-1] + 1), ylim=(ys[-1] + 1, -0.1))
    axes.set_xticks(xs + 0.6, readable(names.index), rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(ys + 0.5, readable(order.index))
    _bare(axes)
    return figure


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
    figure.legend(handles, readable(names), loc="outside right center", frameon=False, handlelength=2)
    return figure


def band(lines: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return fractions, the mean curve over images, and the ends of its 95 % intervals, point by point."""
    values = lines.groupby(["image", "fraction"]).value.mean().unstack("fraction").sort_index(axis=1)
    images, array = values.index.tolist(), values.to_numpy()
    drawn = np.concatenate([statistics.means(array, weights) for weights in statistics.draws(images, RESAMPLES, SEED)])
    low, high = statistics.interval(drawn, (~np.isnan(array)).sum(0))
    return values.columns.to_numpy(float), drawn[0], low, high


@styled
def agreement(table: pd.DataFrame) -> Figure:
    """Draw the Spearman correlation of every two metrics over the methods of one model, controls left out."""
    chosen = table[(table.metric != MEAN_RANK) & ~table.control.astype(bool)]
    names = chosen.drop_duplicates("metric").set_index("metric").category
    wide = chosen.pivot(index="method", columns="metric", values="rank")[names.index]
    correlation = wide.corr("spearman", min_periods=3).iloc[1:, :-1]
    size = COLUMN if len(names) <= 16 else PAGE
    figure = Figure((size, size - 0.25), layout="constrained")
    axes = figure.subplots()
    hidden = ~np.tri(len(correlation), dtype=bool)
    numbers = correlation.map(lambda r: "0" if abs(r) < 0.05 else f"{r:.1f}".replace("0.", ".").removesuffix(".0"))
    sns.heatmap(correlation, mask=hidden, vmin=-1, vmax=1, cmap="RdBu_r", annot=numbers, fmt="", linewidths=0.5,
                square=True, ax=axes, cbar=False, annot_kws={"size": 6})  # fmt: skip
    for k in np.flatnonzero((names != names.shift(-1)).to_numpy())[:-1] + 1:
        axes.plot([0, k], [k - 1, k - 1], color="0.2", lw=0.7)
        axes.plot([k, k], [k - 1, len(names) - 1 if k < len(names) - 1 else k - 1], color="0.2", lw=0.7)
    axes.set(xlabel="", ylabel="")
    axes.set_xticklabels(readable(names.index[:-1]), rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticklabels(readable(names.index[1:]), rotation=0)
    _bare(axes)
    bar = figure.colorbar(axes.collections[0], cax=axes.inset_axes((0.5, 0.9, 0.45, 0.03)), orientation="horizontal")
    bar.set_label("Spearman correlation\nof the methods' ranks", fontsize=7)
    bar.set_ticks([-1, 0, 1])
    bar.ax.tick_params(length=1.5, pad=1)
    bar.outline.set_visible(False)
    return figure


def _categories(axes, names: pd.Series, xs: np.ndarray) -> None:
    """Write each category over its columns, on a second line where it would run into its neighbour."""
    ends, start = [-9.0, -9.0], 0
    for category, family in groupby(names):
        count = len(list(family))
        left, right = xs[start], xs[start + count - 1] + 0.96
        half = 0.079 * len(category)
        level = 0 if (left + right) / 2 - half > ends[0] else 1
        ends[level] = (left + right) / 2 + half
        axes.plot([left, right], [-0.25, -0.25], color="0.3", lw=0.6, clip_on=False)
        axes.text((left + right) / 2, -0.4 - 0.85 * level, category, ha="center", va="bottom")
        start += count


def _bare(axes) -> None:
    axes.tick_params(length=0, pad=2)
    for spine in axes.spines.values():
        spine.set_visible(False)


def figures(sweep: Path) -> Iterator[Path | str]:
    """Draw every figure that the sweep has the data for; yield the paths written, or why there is none."""
    scores = collect.collect(sweep)
    table, lines = leaderboard(scores), collect.curves(scores)
    (sweep / "figures").mkdir(exist_ok=True)
    for (dataset, model), ours in table[table.model != ALL_MODELS].groupby(["dataset", "model"], sort=False):
        cells = scores[(scores.dataset == dataset) & (scores.model == model)]
        order = order_of(ours)
        drawn = {}
        ranked = ours[(ours.metric != MEAN_RANK) & ours["rank"].notna()]
        if ranked.method.nunique() > 1:
            drawn["ranks"] = ranks(ours)
        if len(lines) and len(here := lines[(lines.dataset == dataset) & (lines.model == model)]):
            drawn["curves"] = curves(here, ours)
        if stored := collect.galleries(cells):
            drawn["gallery"] = gallery(stored, order)
        if ranked.metric.nunique() > 1 and (~order[ranked.method.unique()]).sum() > 2:
            drawn["agreement"] = agreement(ours)
        for name, figure in drawn.items():
            for suffix in (".png", ".pdf"):
                yield save(figure, sweep / "figures" / f"{name}_{dataset}_{model}{suffix}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw a sweep's rank heat maps, curves, galleries and agreement of metrics as PNG and PDF."""
    parser = argparse.ArgumentParser("python -m results.figures", description=main.__doc__)
    parser.add_argument("sweep", type=Path, help="the sweep's folder: outputs/NAME")
    try:
        for path in figures(parser.parse_args(arguments).sweep):
            print(path)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
