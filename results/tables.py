"""Write a leaderboard as text for a terminal."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd

from results.grid import Column, grid, underlined, wrapped
from results.statistics import fewest_images
from results.undefined import moved
from results.validity import LAW, PROMISE, marked

COLUMNS = [
    "dataset", "model", "category", "metric", "protocol", "version", "higher_is_better", "method", "group", "control",
    "residual", "valid", "rank", "rank_low", "rank_high", "rank_worst", "rank_best", "mean", "low", "high", "groups",
    "tied", "best_control", "gain", "gain_low", "gain_high", "beats_control", "n", "undefined", "images", "left_out",
    "seeds", "merged", "merged_of", "reason",
]  # fmt: skip
MEAN_RANK = "mean rank"
ALL_MODELS = "all models"
ALL_CATEGORIES = "all"
DASH = "-"
MARK = " !"
FAMILY = """\
The 5 % of a family of comparisons hold where scores are distributed alike. Where few scores are skewed
unequally, more families err: 8 to 13 % of 16 to 24 images in simulations, 17 % (4 to 38) of published
scores that were given equal means.
"""
OVERVIEW = f"""\
Rank of the mean score: 1 and how many methods are better; - has no score; controls are below the line.
*  cannot be told from the best method (paired t-test on images that both have, Holm over all pairs, 5 %)
~  mean over fewer ranks than other methods have
{FAMILY}\
Behind a mean rank: where the middle 95 % of resamples put it, rounded outwards. That is a spread and no
confidence: of 17 all but equal methods, 10 metrics and 24 images it holds 86 % of the true mean ranks.
A mean is over a method's own images; seeds are averaged within an image.
"""
DETAILS = f"""\
Rank: set: together these hold all true ranks (95 %, from the tests of the groups).
Bounds: the rank if a method's undefined images had the worst score and those of the others the best, and the other
way round; where the metric has no bound, the worst and the best that was seen. Who has no score moves nobody.
Score: mean over a method's own images; 95 %: percentile bootstrap over images, the same draws for all methods, wider
where images are few; Wilson's for scores of 0 and 1; none below 6 images.
Groups: methods that share a letter cannot be told apart (paired t-test, Holm over all pairs, 5 %).
{FAMILY}\
Over control: how much better than the best control that does not know the truth; beaten: and they share no letter.
Differences and groups are over the images that both methods have, and may disagree with the order of the means.
n: images with a score. Seeds are averaged within an image.
"""
Cell = Callable[..., str]


def overview(table: pd.DataFrame, width: int) -> str:
    """Return, for every data set and model, the ranks by metric and the mean ranks by category."""
    parts = [OVERVIEW, legend(table, width)]
    for (dataset, model), ours in table.groupby(["dataset", "model"], sort=False):
        merged, metrics = ours[ours.metric == MEAN_RANK], ours[ours.metric != MEAN_RANK]
        pooled = model == ALL_MODELS
        parts.append(underlined(f"{dataset} / {model}" + ("" if pooled else _counts(ours))))
        order = order_of(merged)
        if len(order) == 1:
            parts.append(_one_method(metrics, width))
        elif not metrics.empty:
            stub = Column("", ["method"], marked(order.index, ours, MARK), left=True)
            rule = int((~order).sum())
            columns = [Column(category, metric.split("_"), _cells(rows, order, _mean_rank if pooled else _rank))
                       for (category, metric), rows in metrics.groupby(["category", "metric"], sort=False)]  # fmt: skip
            parts += ["Mean of the ranks on each model, by metric\n" if pooled else "Rank by metric\n",
                      grid(stub, columns, rule, width)]  # fmt: skip
            *columns, total = [Column("mean rank", [category], _cells(rows, order, _mean_rank_interval))
                               for category, rows in merged.groupby("category", sort=False)]  # fmt: skip
            parts += ["\nMean of the ranks by category, with its spread; all: mean of the categories\n"
                      "that rank at least half of the methods\n",
                      grid(stub, [total, *columns], rule, width)]  # fmt: skip
        parts += _missing(ours, width) if not pooled else []
    names = [metric for metric in table.metric.unique() if metric != MEAN_RANK]
    hint = wrapped("Scores, groups and distances to controls: --metric " + " ".join(names), width)
    return "".join(parts) + "\n" + hint


def details(table: pd.DataFrame, metrics: Sequence[str], width: int) -> str:
    """Return everything that is known about some metrics: one table for each, data set and model."""
    parts = [DETAILS, legend(table, width)]
    chosen = table[table.metric.isin(metrics) & (table.model != ALL_MODELS)]
    for (metric, dataset, model), rows in chosen.groupby(["metric", "dataset", "model"], sort=False):
        rows = rows.sort_values("rank", na_position="last", kind="stable")
        facts, show = rows.iloc[0], numbers(rows)
        rivals = rows.best_control.dropna()
        parts.append(underlined(f"{metric}: {dataset} / {model}{_counts(rows)}"))
        what = (f"{facts.category}; {_better(facts)}; {facts.protocol or 'no settings'}, version {facts.version}; "
                f"best control: {rivals.iloc[0] if len(rivals) else 'none'}")  # fmt: skip
        parts.append(wrapped(what, width))
        names = marked(rows.method, rows, MARK)
        rows = list(rows.itertuples())
        names = [name + " (control)" * bool(row.control) for name, row in zip(names, rows, strict=True)]
        stub = Column("", ["method"], names, left=True)
        columns = [
            Column("rank", [""], [_number(row.rank) for row in rows]),
            Column("rank", ["set"], [_span(row.rank_low, row.rank_high) for row in rows]),
            *_bounds(rows),
            Column("score", ["mean"], [show(row.mean) for row in rows]),
            Column("score", ["95 %"], [_span(row.low, row.high, show) for row in rows]),
            Column("", ["groups"], [row.groups or DASH for row in rows], left=True),
            Column("over control", [""], [show(row.gain, "+") for row in rows]),
            Column("over control", ["95 %"], [_span(row.gain_low, row.gain_high, show) for row in rows]),
            Column("over control", ["beaten"], [_yes(row.beats_control) for row in rows]),
            Column("", ["n"], [_number(row.n) for row in rows]),
            Column("", ["undefined"], [_number(row.undefined) for row in rows]),
        ]
        parts += [grid(stub, columns, len(rows), width), *_missing(chosen.loc[[row.Index for row in rows]], width)]
    return "".join(parts)


def legend(table: pd.DataFrame, width: int) -> str:
    """Say what the mark behind a method's name means, or that nothing was checked."""
    text = f"!  {PROMISE} on this network (median over images); under all models: on one of them"
    unknown = f"No law was checked: no method states one, or the sweep does not measure {LAW}."
    return wrapped(text, width) + (wrapped(unknown, width) if table.valid.isna().all() else "")


def _one_method(metrics: pd.DataFrame, width: int) -> str:
    """Return the means of a method that has nothing to be ranked against."""
    rows = [(row, numbers(metrics[metrics.metric == row.metric])) for row in metrics.itertuples()]
    better = [f"{row.metric} ({_better(row)})" for row, _ in rows]
    columns = [
        Column("", ["mean"], [show(row.mean) for row, show in rows]),
        Column("", ["95 %"], [_span(row.low, row.high, show) for row, show in rows]),
        Column("", ["n"], [_number(row.n) for row, _ in rows]),
        Column("", ["undefined"], [_number(row.undefined) for row, _ in rows]),
    ]
    stub = Column("", marked(metrics.method[:1], metrics, MARK), better, left=True)
    return grid(stub, columns, len(rows), width) if rows else ""


def order_of(table: pd.DataFrame) -> pd.Series:
    """Return whether each method is a control; by mean rank over the categories, controls last."""
    total = table[(table.metric == MEAN_RANK) & (table.category == ALL_CATEGORIES)]
    return total.sort_values(["control", "mean"], kind="stable").set_index("method").control.astype(bool)


def _cells(rows: pd.DataFrame, order: pd.Series, cell: Cell) -> list[str]:
    return [cell(row) for row in rows.set_index("method").reindex(order.index).itertuples()]


def _rank(row) -> str:
    return _number(row.rank) + ("*" if row.tied is True else " ")


def _mean_rank(row) -> str:
    return f"{row.mean:.1f}{'~' if row.merged < row.merged_of else ' '}" if row.mean == row.mean else f"{DASH} "


def _mean_rank_interval(row) -> str:
    span = f"{np.floor(row.low):.0f}-{np.ceil(row.high):.0f}" if row.low == row.low else ""
    return f"{_mean_rank(row)}{span:>6}"


def _number(value: float) -> str:
    return DASH if pd.isna(value) else f"{value:g}"


def _better(row) -> str:
    return f"{'higher' if row.higher_is_better else 'lower'} is better"


def _yes(value) -> str:
    return DASH if pd.isna(value) else "yes" if value else "no"


def numbers(rows: pd.DataFrame) -> Cell:
    """Return how to write the scores of a metric: two digits of the half-width of an interval that is usual for it."""
    half = ((rows.high - rows.low) / 2).where(lambda half: half > 0).median()
    largest = rows[["mean", "low", "high"]].abs().max(axis=None)
    digits = int(np.clip(1 - np.floor(np.log10(half)), 0, 4)) if half == half else 3
    form = ".2e" if largest >= 1e5 or 0 < largest < 1e-3 else f".{digits}f"
    return lambda value, sign="": f"{value:{sign}{form}}" if value == value else DASH


def _span(low: float, high: float, show: Cell = _number) -> str:
    return f"{show(low)}..{show(high)}" if low == low else DASH


def _counts(rows: pd.DataFrame) -> str:
    images, left_out, seeds = rows.images.iloc[0], rows.left_out.iloc[0], rows.seeds.max()
    methods = rows[rows["rank"].notna()].groupby("metric").method.nunique().max()
    needed = fewest_images(methods) if methods > 1 else 0
    return (f": {images} images" + (f", {seeds} seeds" if seeds > 1 else "")
            + (f"; {left_out} more left out, not every method has them" if left_out else "")
            + (f"; to tell {methods} methods apart takes {needed}" if images < needed else ""))  # fmt: skip


def _bounds(rows: Sequence) -> list[Column]:
    """Return the column of rank bounds if undefined scores could move a rank."""
    cells = [_span(row.rank_best, row.rank_worst) if row.rank_best < row.rank_worst else "" for row in rows]
    return [Column("rank", ["bounds"], cells)] if any(cells) else []


def _missing(rows: pd.DataFrame, width: int) -> Iterator[str]:
    """Yield a line per reason for which there is no score at all, and one on scores missing for some images."""
    gone = rows[rows["rank"].isna() & rows.reason.fillna("").ne("")]
    whole = gone.reason.str.startswith("inapplicable") | (gone.metric == MEAN_RANK)
    for (reason, method), _ in gone[whole].groupby(["reason", "method"], sort=False):
        yield wrapped(f"- {method}: {reason}", width)
    missing = gone[~whole].groupby(["reason", "metric"], sort=False).method.agg(", ".join).reset_index()
    for (reason, methods), ours in missing.groupby(["reason", "method"], sort=False):
        yield wrapped(f"- {', '.join(ours.metric)} of {methods}: {reason}", width)
    some = rows[(rows.undefined.fillna(0) > 0) & (rows.n > 0)]
    if len(some):
        counts = [f"{metric} (up to {ours.undefined.max()}{moved(ours)})"
                  for metric, ours in some.groupby("metric", sort=False)]  # fmt: skip
        yield wrapped(f"Undefined on some images: {', '.join(counts)}", width)
