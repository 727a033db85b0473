"""Write a comparison of networks for a terminal."""

import shutil
from collections.abc import Callable, Iterator

import pandas as pd

from results.grid import Column, grid, underlined, wrapped
from results.networks.gathered import compared
from results.networks.measures import ATTACK, CLEAN, MAP, METRIC, RADIUS, ROBUSTNESS, SEVERITY, Compared
from results.networks.table import block_of, notices, table, units, with_medians
from results.tables import DASH, numbers

LEGEND = (
    "Networks are compared on the images that all of them classify correctly; clean accuracy is over all images. Our "
    "reading of Liu et al. 2023; the paper was not available. Its induced metrics can be read in three ways: three "
    "blocks, never merged into one score.",
    "Means over images. [ ]: 95 % interval, the same draws of images for all networks; Wilson's for shares of images, "
    "between order statistics for medians; none below 6 images. n: images with a score.",
)
STAR = "*: cannot be told from the best network (paired t over images, Holm over all pairs of networks, 5 %)."
ELSEWHERE = "Intervals of these are in networks.csv."
SAID = {
    ROBUSTNESS: "attacks and corruptions of pixels in [0, 1]; area: of robust accuracy over radius, by the largest; "
                "clever: an estimate, too large where samples are few",
    MAP: "how much better a method's maps are than random ones, same network and image; higher is better",
    METRIC: "pull-back to the pixels of the output's Fisher metric (fisher) and of the logits' distances (logit); read "
            "the logit rows first: a saturated softmax makes the Fisher metric vanish, and its mean that of a few "
            "images",
    ATTACK: "the maps of an image and of its attacked neighbour compared",
}  # fmt: skip
PARTS = {  # where a part of a block is something else
    "by radius or severity": "robust accuracy at each radius, error at each severity",
    "scores themselves": "no random maps to compare with, so that networks differ by their probabilities, too",
}  # fmt: skip
KEY = ["metric", "method", "at", "label"]
Show = Callable[[float], str]


def summary(scores: pd.DataFrame, width: int | None = None) -> str:
    """Return the comparison as text, at most `width` columns wide (by default the terminal's, at most 120)."""
    width = width or min(shutil.get_terminal_size((110, 24)).columns, 120)
    found = list(compared(scores))
    legend = LEGEND + (STAR,) * any(len(ours.networks) > 1 for ours in found)
    parts = [wrapped(paragraph, width) for paragraph in legend]
    for ours in found:
        several = "s" * (len(ours.networks) > 1)
        parts.append(underlined(f"{ours.dataset}: {len(ours.networks)} network{several}, {len(ours.images)} images"))
        parts += [wrapped(line, width) for line in (left_out(ours), *notices(ours))]
        for block, what, part in block_of(with_medians(table(ours))):
            parts += ["\n", wrapped(title(block, what), width), "\n"]
            parts.append(_grid(part, ours, width))
            parts += [wrapped(line, width) for line in (units(part), *elsewhere(part), *_missing(part))]
    return "".join(parts)


def left_out(ours: Compared) -> str:
    """Say how many images the comparison does without."""
    none = f" ({ours.unscored} of them not scored on every network)" if ours.unscored else ""
    return f"{ours.right()}; {ours.left_out} left out{none}; clean accuracy is over all images of a network."


def title(block: str, part: str) -> str:
    """Name a part of a block, and say what is in it."""
    return f"{block}, {part}: {PARTS.get(part, SAID[block])}" if part else f"{block}: {SAID[block]}"


def written(rows: pd.DataFrame) -> Show:
    """Return how to write a quantity of all networks: in powers of ten where a score would be written as 0."""
    show = numbers(rows)
    lost = any(value and float(show(value)) == 0 for value in rows["mean"].dropna())
    return (lambda value: f"{value:.2e}" if value == value else DASH) if lost else show


def _grid(rows: pd.DataFrame, ours: Compared, width: int) -> str:
    """Lay out a part: rows are quantities; every network has its mean, of scores its interval, too, and what n."""
    by_row = [(key[-1], part.set_index("network").loc[ours.networks])
              for key, part in rows.groupby(KEY, sort=False, dropna=False)]  # fmt: skip
    curve = rows.what.isin([RADIUS, SEVERITY]).all()
    shows = [written(rows[rows.metric == part.metric.iloc[0]] if curve else part) for _, part in by_row]
    alone = len(ours.networks) == 1
    spans = not curve and rows.low.notna().any()
    counts = (rows.block == ATTACK).any()
    columns = [Column("", ["better"], ["higher" if part.higher_is_better.iloc[0] else "lower" for _, part in by_row],
                      left=True)]  # fmt: skip
    for network in ours.networks:
        cells = [(show, part.loc[network]) for show, (_, part) in zip(shows, by_row, strict=True)]
        means = [show(row["mean"]) + ("" if alone else "*" if row.best else " ") for show, row in cells]
        own = [Column(network, ["95 %"], [span(row, show) for show, row in cells])] if spans else []
        own += [Column(network, ["n"], [str(row.n) for _, row in cells])] if counts else []
        columns += [Column(network, ["mean"], means), *own] if own else [Column("", [network], means)]
    return grid(Column("", [""], [name for name, _ in by_row], left=True), columns, 0, width)


def elsewhere(rows: pd.DataFrame) -> list[str]:
    """Say where the intervals of a curve are, which would make a table too long."""
    return [ELSEWHERE] * bool(rows.what.isin([RADIUS, SEVERITY]).all() and rows.low.notna().any())


def _missing(rows: pd.DataFrame) -> Iterator[str]:
    """Say which means are over fewer images, where no count is in the table."""
    gone = rows[(rows.undefined > 0) & (rows.block != ATTACK) & (rows.metric != CLEAN) & rows["rank"].notna()]
    if len(gone):
        counts = [f"{row.label} of {row.network} ({row.undefined})" for row in gone.itertuples()]
        yield f"Undefined on some images: {', '.join(counts)}"


def span(row: pd.Series, show: Show) -> str:
    """Return an interval, a dash where there is none."""
    return f"[{show(row.low)}, {show(row.high)}]" if row.low == row.low else DASH
