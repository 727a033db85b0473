"""Heat maps: ranks of entries, agreement of metrics, likeness of maps, metrics judged."""

from collections.abc import Iterator, Sequence
from itertools import groupby

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from results import style, tables
from results.maps import laws
from results.maps.board import MEAN_RANK
from results.maps.criteria import REQUIRED
from results.maps.judging import HEADS
from results.maps.likeness import Contrast, Similarity, by_group
from results.maps.overview import ordered
from results.style import HEIGHT, PAGE

LEGIBLE = 0.21  # inches of a cell that a number fits in
ACROSS = 30  # metrics of a figure of ranks, so that two digits can be read
BOLD = (
    "Numbers are ranks of the mean score; dark cells are better. Bold: the best method, or level with it. ?: "
    "undecided, too few images. =: the best possible score, which a control has, too. Controls stand below the line."
)
FACES = {"kept": "#bcd9ee", "undecided": "white", "failed": "#b2321f"}
OUTCOMES = {"kept": "required and kept", "undecided": "undecided: the interval holds the bound", "failed": "failed"}


def cell(axes, x: float, y: float, text: str, face, size: float, weight: str = "normal", **box) -> None:
    """Draw one cell; its letters are white on dark colours."""
    face = matplotlib.colors.to_rgba(face)
    axes.add_patch(Rectangle((x, y), 0.96, 0.94, facecolor=face, **({"lw": 0} | box)))
    colour = "white" if np.dot(face[:3], (0.3, 0.6, 0.1)) < 0.55 and face[3] else box.get("edgecolor", "black")
    colour = "black" if face[3] and colour != "white" else colour
    axes.text(x + 0.48, y + 0.5, text, ha="center", va="center", color=colour, weight=weight, size=size)


def pages(metrics: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Split one network's metrics into figures of ranks that can be read, between categories where possible."""
    category = metrics.drop_duplicates("metric").set_index("metric").category
    parts: list[list[str]] = [[]]
    for _, family in groupby(category.index, key=category.get):
        family = list(family)
        for block in (family[k : k + ACROSS] for k in range(0, len(family), ACROSS)):
            if parts[-1] and len(parts[-1]) + len(block) > ACROSS:
                parts.append([])
            parts[-1] += block
    yield from (metrics[metrics.metric.isin(part)] for part in parts)


def ranks(metrics: pd.DataFrame, table: pd.DataFrame, place: str) -> Figure:
    """Draw entries x metrics of one network, in the order of `table`, the network's leaderboard."""
    order = ordered(table)
    category = metrics.drop_duplicates("metric").set_index("metric").category
    starts = (category != category.shift()).to_numpy()
    xs, ys = np.arange(len(category)) + 0.35 * np.cumsum(starts), np.arange(len(order)) + 0.35 * order.to_numpy()
    row = min(0.17, (HEIGHT - 2.2) / (ys[-1] + 1))
    size = min(7, 60 * row)
    figure = style.figure(max(3.6, min(PAGE, 1.7 + 0.4 * (xs[-1] + 1))), 2.1 + row * (ys[-1] + 1))
    axes = figure.subplots()
    colours = matplotlib.colormaps["YlGnBu_r"]
    counts = metrics.groupby("metric")["rank"].count()
    for line in metrics.itertuples():
        x, y = xs[category.index.get_loc(line.metric)], ys[order.index.get_loc(line.entry)]
        if line.rank != line.rank:
            cell(axes, x, y, tables.NONE, "0.95", size)
            continue
        weight = "bold" if line.verdict in tables.SIGNIFICANT else "normal"
        mark = "" if weight == "bold" else tables.MARKS.get(line.verdict, "")
        face = colours(0.15 + 0.8 * (line.rank - 1) / max(counts[line.metric] - 1, 1))
        cell(axes, x, y, f"{line.rank:g}{mark}", face, size, weight)
    if order.any() and not order.all():
        axes.axhline(ys[(~order).sum()] - 0.2, color="0.3", lw=0.6)
    column, used = (figure.get_figwidth() - 1.7) / (xs[-1] + 1), -1.0
    for start, end in zip(np.flatnonzero(starts), [*np.flatnonzero(starts)[1:], len(category)], strict=True):
        high = xs[start] < used  # the name to the left needs the room
        axes.plot([xs[start], xs[end - 1] + 0.96], [-0.25] * 2, color="0.3", lw=0.6, clip_on=False)
        axes.text(xs[start], -0.3 - 0.95 * high, category.iloc[start], va="bottom")
        used = -1.0 if high else xs[start] + style.inches(category.iloc[start], 7.5) / column
    axes.set(xlim=(xs[0] - 0.1, xs[-1] + 1), ylim=(ys[-1] + 1, -0.1))
    axes.set_xticks(xs + 0.6, style.readable(category.index), rotation=40, ha="right", rotation_mode="anchor")
    invalid = laws.broken(table)
    axes.set_yticks(ys + 0.5, marked(order.index, invalid), size=size)
    style.bare(axes)
    style.heading(figure, place)
    style.note(figure, BOLD + law_note(order.index, invalid))
    return figure


def marked(entries: Sequence[str], invalid: set[str]) -> list[str]:
    """Return display names, with a dagger behind entries that break their law."""
    return [
        name + laws.DAGGER * (entry in invalid) for entry, name in zip(entries, style.readable(entries), strict=True)
    ]


def law_note(entries: Sequence[str], invalid: set[str]) -> str:
    return f" †: {laws.PROMISE}" if invalid & set(entries) else ""


def agreement(table: pd.DataFrame, place: str) -> Figure:
    """Draw the Spearman correlation of every two metrics over the methods of one network, controls left out."""
    chosen = table[(table.metric != MEAN_RANK) & ~table.control]
    category = chosen.drop_duplicates("metric").set_index("metric").category
    wide = chosen.pivot(index="entry", columns="metric", values="rank")[category.index]
    correlation = wide.corr("spearman", min_periods=3)
    label = "Spearman correlation of the methods' ranks"
    note = f"Ranks of {len(wide)} methods, without controls, by their mean scores. Lines separate categories."
    return matrix(correlation, category, label, place, note)


def similarity(found: Similarity, group: pd.Series, answer: Contrast | None, place: str) -> Figure:
    """Draw the correlation of every two entries' maps on one network, ordered by group; grey where there is none."""
    group = by_group(group[found.correlation.index])
    constant = [
        f"{name} ({count})"
        for name, count in zip(style.readable(found.undefined.index), found.undefined, strict=True)
        if count
    ]
    note = f"Mean over {found.images} images. " + (f"{answer} " if answer else "")
    note += f"Constant maps, left out, on so many images: {', '.join(constant)}." if constant else ""
    label = "Spearman correlation of two maps"
    return matrix(found.correlation.loc[group.index, group.index], group, label, place, note)


def matrix(correlation: pd.DataFrame, group: pd.Series, label: str, place: str, note: str) -> Figure:
    """Draw correlations of -1 to 1, with numbers where they can be read and lines between groups."""
    n = len(correlation)
    side = min(0.28, (PAGE - 2.4) / n)
    size = min(7, 62 * side)
    figure = style.figure(min(PAGE, max(3.6, 2.6 + side * n)), min(HEIGHT, 2.6 + side * n))
    axes = figure.subplots()
    axes.set_facecolor("0.9")
    values = correlation.to_numpy()
    image = axes.imshow(values, vmin=-1, vmax=1, cmap="RdBu_r", interpolation="nearest")
    for i, j in np.argwhere(~np.isnan(values)) if side >= LEGIBLE else ():
        text = f"{values[i, j]:.1f}".replace("0.", ".").replace("-.0", ".0")
        axes.text(j, i, text, ha="center", va="center", size=5.5, color="white" if abs(values[i, j]) > 0.7 else "black")
    start = 0
    for name, family in groupby(group):
        end = start + len(list(family))
        axes.plot([n - 0.2, n - 0.2], [start - 0.3, end - 0.7], color="0.2", lw=0.8, clip_on=False)
        axes.text(n + 0.1, (start + end - 1) / 2, name, va="center", clip_on=False, size=min(7, size + 1))
        for line in (axes.axhline, axes.axvline) if start else ():
            line(start - 0.5, color="black", lw=0.7)
        start = end
    axes.set_xticks(range(n), style.readable(correlation.columns), rotation=90, size=size)
    axes.set_yticks(range(n), style.readable(correlation.index), size=size)
    axes.set(xlim=(-0.5, n - 0.5), ylim=(n - 0.5, -0.5))
    style.bare(axes)
    bar = figure.colorbar(image, ax=axes, location="top", shrink=0.4, aspect=25, pad=0.01, anchor=(0.0, 0.0))
    bar.set_label(label)
    bar.set_ticks([-1, 0, 1])
    bar.outline.set_visible(False)
    style.heading(figure, place)
    style.note(figure, note)
    return figure


def judged(table: pd.DataFrame, place: str) -> Figure:
    """Draw metrics x criteria: the outcome as colour; right of them what nothing is required of."""
    shown = [name for name in HEADS if not name.startswith("w") and table[name].notna().any()]
    xs = np.arange(len(shown)) + 0.3 * np.array([name not in REQUIRED for name in shown])
    starts = (table.category != table.category.shift()).to_numpy()
    ys = np.arange(len(table)) + 0.5 * (np.cumsum(starts) - 1)
    row = min(0.16, (HEIGHT - 1.9) / (ys[-1] + 1))
    size = min(7, 46 * row)
    figure = style.figure(PAGE, 1.9 + row * (ys[-1] + 1))
    axes = figure.subplots()
    for y, (_, line) in zip(ys, table.iterrows(), strict=True):
        for x, name in zip(xs, shown, strict=True):
            outcome = line.get(f"{name}_outcome")
            number = tables.NONE if np.isnan(line[name]) else f"{line[name]:.2f}".replace("0.", ".")
            text = f"({number})" if outcome == "" and number != tables.NONE else number
            edge = "0.6" if outcome == "undecided" else "none"
            cell(
                axes,
                x,
                y,
                text,
                FACES.get(outcome, (1, 1, 1, 0)),
                size,
                "bold" if outcome == "failed" else "normal",
                edgecolor="0.5" if outcome == "" else edge if outcome else "black",
                lw=0.5 * (outcome == "undecided"),
            )
    for top, bottom, (_, line) in zip(ys[starts], ys[np.roll(starts, -1)], table[starts].iterrows(), strict=True):
        axes.plot([xs[-1] + 1.15] * 2, [top + 0.05, bottom + 0.91], color="black", lw=0.8)
        w = "" if np.isnan(line.w) else f"\nW {line.w:.2f}, by chance {line.w_chance:.2f}".replace("0.", ".")
        said = f"{line.category}{w}" if bottom - top > 0.5 else f"{line.category}{w}".replace("\n", ": ")
        axes.text(xs[-1] + 1.27, (top + bottom) / 2 + 0.48, said, va="center", size=size, linespacing=1.15)
    axes.set(xlim=(-0.05, xs[-1] + 3.8), ylim=(ys[-1] + 1, -0.1))
    axes.xaxis.tick_top()
    least = {name: f"\n≥ {value:g}".replace("0.", ".") for name, value in REQUIRED.items()}
    axes.set_xticks(xs + 0.48, [HEADS[name].replace(" ", "\n") + least.get(name, "") for name in shown])
    axes.set_yticks(ys + 0.47, style.readable(table.metric), size=size)
    style.bare(axes)
    keys = [Patch(facecolor=face, edgecolor="0.6", lw=0.5, label=OUTCOMES[name]) for name, face in FACES.items()]
    axes.legend(handles=keys, loc="upper left", bbox_to_anchor=(0, 0), ncols=3, handlelength=1.4)
    style.heading(figure, place)
    style.note(
        figure,
        "Truth first: share of controls that the object's mask beats on a network with a known answer. "
        "Class matters, noise loses: share of maps that score better than the map of another class, or than "
        "noise. All others: Kendall's tau-b between two rankings of the methods. (.50): measured, but not "
        "required of the category. Columns without ≥: nothing is required. W: Kendall's W of the category's "
        "metrics.",
    )
    return figure
