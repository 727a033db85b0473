"""Heat maps: ranks of entries, agreement of metrics, likeness of maps, metrics judged."""

from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np
import pandas as pd
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from results import names, style, tables
from results.maps import laws
from results.maps.board import MEAN_RANK
from results.maps.criteria import REQUIRED
from results.maps.judging import HEADS, cells
from results.maps.likeness import Contrast, Similarity, by_group
from results.maps.overview import ordered
from results.panels import described
from results.style import HEIGHT, PAGE

LEGIBLE = 0.21  # inches of a cell that a number fits in
MANY, FIRST = 30, 10  # entries; the ranks of more are numbered only up to the tenth
RANKS = (
    "Numbers are ranks of the mean score{}. Dark cells are better, and grey cells have no score. Rows are in the order "
    "of the overall mean rank."
)
MARKS = {
    "*": "A star marks the best method and those that are level with it.",
    "?": "A question mark means that there are too few images to decide.",
    "=": "An equals sign means that a control reaches the best possible score, too.",
}
CORRELATIONS = {"vmin": -1, "vmax": 1, "cmap": "RdBu_r"}
JUDGED = """\
Blue cells keep what is required. Red cells with an exclamation mark fail, since their 95 % interval lies below it. \
Grey cells with a question mark are undecided. Nothing is required of white cells; a number in brackets is measured, \
but not required of the category. Truth first is the share of controls that the object's mask beats on the planted \
network, whose answer is known. Class matters and noise loses are the shares of maps that score better than the map of \
another class, and than noise. Agrees is Kendall's tau-b between the ranking of a metric and the mean ranking of the \
other metrics of its category. W, in the first row of a category, is Kendall's W of its metrics. All other columns are \
Kendall's tau-b between two rankings of the methods."""
OUTCOMES = {"failed": "#b2321f", "undecided": "0.85", "kept": "#bcd9ee", "": "white"}


def heatmap(
    values: pd.DataFrame,
    texts: pd.DataFrame | None,
    columns: pd.Series,
    rows: pd.Series,
    cell: tuple[float, float],
    **look,
) -> Figure:
    """Draw a table as coloured cells with `texts`; lines and names separate the groups of its columns and rows.

    A cell has some inches, or fewer where the page needs it. Cells without a value are grey.
    """
    import seaborn  # takes a second to import

    down, across = values.shape
    figure = style.figure(min(PAGE, max(3.6, 2.6 + cell[0] * across)), min(HEIGHT, 2.5 + cell[1] * down))
    size = min(7, 67 * (figure.get_figheight() - 2.5) / down)
    axes = figure.subplots()
    axes.set_facecolor("0.9")
    look = {"cbar": False, "linewidths": 0.3, "annot_kws": {"size": size}} | look
    seaborn.heatmap(values, annot=texts, fmt="", ax=axes, xticklabels=False, yticklabels=False, **look)
    for k, (name, start, _) in enumerate(groups(columns.map(names.label))):
        axes.axvline(start, color="black", lw=0.7 * (start > 0))
        if columns is not rows:  # names of neighbours stand at two heights, so that they do not overlap
            axes.annotate(name, (start, 0), (1, 3 + 9 * (k % 2)), textcoords="offset points")
    for name, start, end in groups(rows.map(names.label)):
        axes.axhline(start, color="black", lw=0.7 * (start > 0))
        axes.text(across + 0.2, (start + end) / 2, name, va="center")
    slant = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if cell[0] > 0.3 else {"rotation": 90}
    axes.set_xticks(np.arange(across) + 0.5, values.columns, size=size, **slant)
    axes.set_yticks(np.arange(down) + 0.5, values.index, size=size)
    axes.set(xlabel="", ylabel="")
    style.bare(axes)
    return figure


def groups(group: pd.Series) -> Iterator[tuple[str, int, int]]:
    """Yield the name, the start and the end of every run of equal values."""
    start = 0
    for name, family in groupby(group):
        end = start + len(list(family))
        yield name, start, end
        start = end


def ranks(metrics: pd.DataFrame, table: pd.DataFrame, place: str) -> Figure:
    """Draw entries x metrics of one network, in the order of `table`, the network's leaderboard."""
    order, invalid = ordered(table), laws.broken(table)
    category = metrics.drop_duplicates("metric").set_index("metric").category
    rank, verdict = (
        metrics.pivot(index="entry", columns="metric", values=column).loc[order.index, category.index]
        for column in ("rank", "verdict")
    )
    texts = rank.map("{:g}".format).where((rank <= FIRST) | (len(rank) <= MANY), "")
    texts += verdict.fillna("").map(lambda one: tables.MARKS.get(one, ""))
    shade = ((rank - 1) / (rank.count() - 1).clip(lower=1)).set_axis(style.readable(category.index), axis=1)
    controls = order.map({True: "Controls", False: "Methods"})
    shade = shade.set_axis(marked(order.index, invalid))
    figure = heatmap(shade, texts, category, controls, (0.4, 0.17), cmap="YlGnBu_r", vmin=-0.2, vmax=1.1)
    few = f", the first {FIRST} of {len(rank)}" if len(rank) > MANY else ""
    said = [
        RANKS.format(few),
        *(said for mark, said in MARKS.items() if texts.stack().str.contains(mark, regex=False).any()),
    ]
    reasons = metrics[metrics.entry.isin(rank.index[rank.isna().all(axis=1)])].drop_duplicates("entry")
    said += [
        f"{names.label(row.entry)} has no score here: {str(row.reason).partition(': ')[2]}."
        for row in reasons.itertuples()
    ]
    return described(figure, place, " ".join(said) + law_note(order.index, invalid))


def marked(entries: Sequence[str], invalid: set[str]) -> list[str]:
    """Return display names, with a dagger behind entries that break their law."""
    return [
        name + laws.DAGGER * (entry in invalid) for entry, name in zip(entries, style.readable(entries), strict=True)
    ]


def law_note(entries: Sequence[str], invalid: set[str]) -> str:
    return laws.NOTE if invalid & set(entries) else ""


def agreement(table: pd.DataFrame, place: str) -> Figure:
    """Draw the Spearman correlation of every two metrics over the methods of one network, controls left out."""
    chosen = table[(table.metric != MEAN_RANK) & ~table.control]
    category = chosen.drop_duplicates("metric").set_index("metric").category
    wide = chosen.pivot(index="entry", columns="metric", values="rank")[category.index]
    label = "Spearman correlation of the methods' ranks"
    note = f"The {wide.notna().any(axis=1).sum()} methods are ranked by their mean scores, without controls."
    correlation = wide.corr("spearman", min_periods=3)
    if correlation.isna().all().any():
        note += " Grey metrics score fewer than three methods, or all of them alike."
    return matrix(correlation, category, label, place, note)


def similarity(likeness: Similarity, group: pd.Series, answer: Contrast | None, place: str) -> Figure:
    """Draw the correlation of every two entries' maps on one network, ordered by group; grey where there is none."""
    group = by_group(group[likeness.correlation.index])
    constant = likeness.undefined[likeness.undefined > 0]
    note = f"Correlations are means over {likeness.images} images. " + (f"{answer} " if answer else "")
    if len(constant):
        counted = [f"{entry} on {count}" for entry, count in zip(style.readable(constant.index), constant, strict=True)]
        note += f"Constant maps have no correlation and are left out: {', '.join(counted)} images."
    label = "Spearman correlation of two maps"
    return matrix(likeness.correlation.loc[group.index, group.index], group, label, place, note)


def matrix(correlation: pd.DataFrame, group: pd.Series, label: str, place: str, note: str) -> Figure:
    """Draw correlations of -1 to 1, with numbers where they can be read."""
    side = min(0.28, (PAGE - 2.6) / len(correlation))
    short = correlation.map("{:.1f}".format).replace({r"^-?0\.0$": ".0", r"0\.": "."}, regex=True)
    named = correlation.set_axis(style.readable(correlation.index)).set_axis(
        style.readable(correlation.columns), axis=1
    )
    bar = {"location": "top", "shrink": 0.4, "aspect": 25, "anchor": (0, 0), "ticks": [-1, 0, 1]}
    look = CORRELATIONS | {"square": True, "cbar": True, "cbar_kws": bar, "linewidths": 0}
    figure = heatmap(named, short if side >= LEGIBLE else None, group, group, (side, side), **look)
    return described(figure, f"{label}: {place}", note)


def judged(table: pd.DataFrame, place: str) -> Figure:
    """Draw metrics x criteria with the outcome as colour; nothing is required of white cells."""
    texts = cells(table).drop(columns="category")
    of_category = [HEADS[name] for name in ("w", "w_chance") if HEADS[name] in texts]
    texts.loc[table.category.duplicated().to_numpy(), of_category] = ""
    stems = {HEADS[name]: name for name in HEADS}
    outcomes = pd.DataFrame({head: table.get(f"{stems[head]}_outcome", "") for head in texts}).set_axis(texts.index)
    codes = outcomes.replace(dict(zip(OUTCOMES, range(len(OUTCOMES)), strict=True))).astype(float)
    least = {HEADS[name]: f"{HEADS[name]} ≥ {value:g}" for name, value in REQUIRED.items()}
    figure = heatmap(
        codes.set_axis(style.readable(table.metric)).rename(columns=least),
        texts.map(str.strip),
        pd.Series("", texts.columns),
        table.category,
        (0.42, 0.17),
        cmap=ListedColormap([*OUTCOMES.values()]),
        vmin=-0.5,
        vmax=len(OUTCOMES) - 0.5,
    )
    return described(figure, place, JUDGED)
