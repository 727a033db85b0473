"""Undefined is a result: how often, why, and how far it could move a method's rank."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from results.grid import underlined, wrapped
from results.statistics import comparable

CELL = ["dataset", "model", "method", "metric"]


def undefined(scores: pd.DataFrame) -> pd.DataFrame:
    """Return one row per data set, model, method, metric and reason: how many of its scores are missing for it.

    A score is one image's under one seed. Where a method does not apply to a model it has none, and `of` is 0.
    """
    rows = scores.assign(of=(scores.image != "").astype(int))
    rows["of"] = rows.groupby(CELL).of.transform("sum")
    gone = rows[~np.isfinite(rows.score)]
    gone = gone.assign(status=gone.status.fillna("undefined"), reason=gone.reason.fillna(""))
    counts = gone.groupby([*CELL, "status", "reason"], sort=False).agg(undefined=("image", "size"), of=("of", "first"))
    counts = counts.reset_index()[[*CELL, "undefined", "of", "status", "reason"]]
    return counts.assign(undefined=counts.undefined.where(counts.of > 0, 0))


def text(table: pd.DataFrame, width: int) -> str:
    """Return the table by data set, model and reason: each metric, and how many scores of its methods are missing."""
    parts = [] if len(table) else ["Every score is defined.\n"]
    for (dataset, model), rows in table.groupby(["dataset", "model"], sort=False):
        parts.append(underlined(f"{dataset} / {model}"))
        for (status, reason), ours in rows.groupby(["status", "reason"], sort=False):
            parts.append(wrapped(f"{status}: {reason}" if reason else status, width))
            if (ours.of == 0).all():
                parts.append(wrapped(f"- {', '.join(ours.method.unique())}", width))
                continue
            for metric, some in ours.groupby("metric", sort=False):
                counts = [f"{row.method} {row.undefined}/{row.of}" for row in some.itertuples()]
                parts.append(wrapped(f"- {metric}: {', '.join(counts)}", width))
    return "".join(parts)


def extremes(facts: pd.Series, *seen: float) -> tuple[float, float]:
    """Return a metric's worst and best score: its bounds where they are finite, else the least and largest `seen`."""
    ends = [facts.get("lower_bound", np.nan), facts.get("upper_bound", np.nan)]
    low, high = (end if np.isfinite(end) else own for end, own in zip(ends, seen, strict=True))
    return (low, high) if facts.higher_is_better else (high, low)


def rank_bounds(
    total: np.ndarray, defined: np.ndarray, asked: np.ndarray, worst_best: tuple[float, float], higher_is_better: bool
) -> Iterator[np.ndarray]:
    """Yield each method's rank at its worst, where its own undefined scores are the worst and those of all others the
    best, and at its best, the other way round.

    Shapes: `total` of the defined scores, `defined` and `asked` (images, methods) count an image's seeds. Who has no
    score at all has bounds, but moves nobody. nan where a method was never asked.
    """
    fills = np.nan_to_num(worst_best, nan=0.0)  # no score and no bound: nobody is better
    with np.errstate(invalid="ignore"):
        filled = [((total + (asked - defined) * fill) / asked).mean(0) for fill in fills]
    low, high = comparable(np.stack(filled)) * (1 if higher_is_better else -1)
    ranked = defined.any(0)[:, None]
    for own, others in ((low, high), (high, low)):
        ahead = ranked & (others[:, None] > own)
        np.fill_diagonal(ahead, False)
        yield np.where(np.isnan(own), np.nan, 1.0 + ahead.sum(0))


def moved(rows: pd.DataFrame, shown: int = 3) -> str:
    """Return whose rank the undefined images could move, the widest bounds first."""
    rows = rows.assign(width=rows.rank_worst - rows.rank_best)
    rows = rows[rows.width > 0].sort_values("width", ascending=False, kind="stable")
    ends = [f"{row.method} {row.rank_best:g}..{row.rank_worst:g}" for row in rows[:shown].itertuples()]
    more = f" and {len(rows) - shown} more" if len(rows) > shown else ""
    return f"; ranks at best..worst: {', '.join(ends)}{more}" if ends else ""
