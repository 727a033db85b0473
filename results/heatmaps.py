"""Draw methods against metrics, metrics against metrics, and methods against methods."""

from itertools import groupby

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from results.gallery import DAGGER, HEIGHT, PAGE, note, readable, styled
from results.tables import MEAN_RANK, order_of
from results.taxonomy import Contrast, Similarity, by_group
from results.validity import marked

COLUMN = 3.4  # inches: one of the two columns of a paper
BOLD = """\
rank of the mean score, dark: better. Bold: cannot be told from the best method that is no control (paired t-test,
Holm over all pairs, 5 %). Diagrams of critical differences show another rank: within an image, then averaged."""
ACROSS = 30  # metrics of a figure of ranks, so that two digits can be read


def pages(table: pd.DataFrame) -> list[pd.DataFrame]:
    """Split one model's metrics into figures of ranks that can be read, between categories where possible."""
    names = table[table.metric != MEAN_RANK].drop_duplicates("metric").set_index("metric").category
    parts: list[list[str]] = [[]]
    for _, family in groupby(names.index, key=names.get):
        family = list(family)
        for block in (family[k : k + ACROSS] for k in range(0, len(family), ACROSS)):
            if parts[-1] and len(parts[-1]) + len(block) > ACROSS:
                parts.append([])
            parts[-1] += block
    return [table[table.metric.isin([*part, MEAN_RANK])] for part in parts]


@styled
def ranks(table: pd.DataFrame) -> Figure:
    """Draw methods x metrics of one model, dark is better; bold cannot be told from the best method."""
    order, metrics = order_of(table), table[table.metric != MEAN_RANK]
    names = metrics.drop_duplicates("metric").set_index("metric").category
    xs = np.arange(len(names)) + 0.35 * np.cumsum((names != names.shift()).to_numpy())
    ys = np.arange(len(order)) + 0.35 * order.to_numpy()
    row = min(0.17, (HEIGHT - 1.5) / (ys[-1] + 1))
    size = min(7, 60 * row)
    figure = Figure((min(PAGE, 1.6 + 0.4 * (xs[-1] + 1)), 1.35 + row * (ys[-1] + 1)), layout="constrained")
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
                  weight="bold" if row.tied is True else "normal", size=size)  # fmt: skip
    if order.any() and not order.all():
        axes.axhline(ys[(~order).sum()] - 0.2, color="0.3", lw=0.6)
    longest = max(map(len, order.index)) * 0.0075 * size
    _categories(axes, names, xs, min(0.4, (PAGE - longest - 0.2) / (xs[-1] + 1)))
    axes.set(xlim=(xs[0] - 0.1, xs[-1] + 1), ylim=(ys[-1] + 1, -0.1))
    axes.set_xticks(xs + 0.6, readable(names.index), rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(ys + 0.5, readable(names := marked(order.index, table, DAGGER)), size=size)
    _bare(axes)
    note(figure, names, BOLD)
    return figure


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
    many = len(names) > 30
    axes.set_xticklabels(readable(names.index[:-1]), rotation=90 if many else 40, ha="right", rotation_mode="anchor",
                         va="center" if many else "baseline", size=6 if many else 7)  # fmt: skip
    axes.set_yticklabels(readable(names.index[1:]), rotation=0, size=6 if many else 7)
    _bare(axes)
    bar = figure.colorbar(axes.collections[0], cax=axes.inset_axes((0.5, 0.9, 0.45, 0.03)), orientation="horizontal")
    bar.set_label("Spearman correlation\nof the methods' ranks", fontsize=7)
    bar.set_ticks([-1, 0, 1])
    bar.ax.tick_params(length=1.5, pad=1)
    bar.outline.set_visible(False)
    return figure


def _categories(axes, names: pd.Series, xs: np.ndarray, column: float) -> None:
    """Write each category over its columns of some inches, on a second line where it would run into its neighbour."""
    ends, start = [-9.0, -9.0], 0
    for category, family in groupby(names):
        count = len(list(family))
        left, right = xs[start], xs[start + count - 1] + 0.96
        half = 0.0316 * len(category) / column
        level = 0 if (left + right) / 2 - half > ends[0] else 1
        ends[level] = (left + right) / 2 + half
        axes.plot([left, right], [-0.25, -0.25], color="0.3", lw=0.6, clip_on=False)
        axes.text((left + right) / 2, -0.4 - 0.85 * level, category, ha="center", va="bottom")
        start += count


def _bare(axes) -> None:
    axes.tick_params(length=0, pad=2)
    for spine in axes.spines.values():
        spine.set_visible(False)


@styled
def similarity(found: Similarity, rows: pd.DataFrame, answer: Contrast | None) -> Figure:
    """Draw the correlation of every two methods' maps on one model, ordered by group; grey where there is none."""
    group = by_group(rows.drop_duplicates("method").set_index("method").group[found.correlation.index])
    values, n = found.correlation.loc[group.index, group.index].to_numpy(), len(group)
    cell = min(0.28, 5.0 / n)
    size = min(7, 56 * cell)
    figure = Figure((min(PAGE, 2.1 + cell * n), min(HEIGHT, 2.0 + cell * n)), layout="constrained")
    axes = figure.subplots()
    axes.set_facecolor("0.9")
    picture = axes.imshow(values, vmin=-1, vmax=1, cmap="RdBu_r", interpolation="nearest")
    for i, j in np.argwhere(~np.isnan(values)) if cell > 0.2 else ():
        axes.text(j, i, f"{values[i, j]:.1f}".replace("0.", ".").replace("-.0", ".0"), ha="center", va="center", size=5,
                  color="white" if abs(values[i, j]) > 0.7 else "black")  # fmt: skip
    start = 0
    for name, family in groupby(group):
        end = start + len(list(family))
        axes.plot([n - 0.2, n - 0.2], [start - 0.3, end - 0.7], color="0.2", lw=0.8, clip_on=False)
        axes.text(n + 0.1, (start + end - 1) / 2, name, va="center", clip_on=False)
        for line in (axes.axhline, axes.axvline) if start else ():
            line(start - 0.5, color="black", lw=0.7)
        start = end
    names = marked(group.index, rows, DAGGER)
    axes.set_xticks(range(n), readable(names), rotation=90, size=size)
    axes.set_yticks(range(n), readable(names), size=size)
    axes.set(xlim=(-0.5, n - 0.5), ylim=(n - 0.5, -0.5))
    _bare(axes)
    said = f"Spearman correlation of two maps, mean over {found.images} images" + (f"\n{answer}" if answer else "")
    axes.set_title(said, size=7, loc="left")
    bar = figure.colorbar(picture, ax=axes, location="top", shrink=0.35, aspect=25, pad=0.01, anchor=(0.0, 0.0))
    bar.set_ticks([-1, 0, 1])
    bar.ax.tick_params(length=1.5, pad=1)
    bar.outline.set_visible(False)
    constant = [f"{name} ({count})" for name, count in found.undefined.items() if count]
    note(figure, names, f"constant maps, left out: {', '.join(readable(constant))}" if constant else "")
    return figure
