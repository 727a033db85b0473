"""Write a comparison of networks for a terminal."""

import shutil
from collections.abc import Callable, Iterator

import pandas as pd

from results.grid import Column, grid, underlined, wrapped
from results.networks.measures import ATTACK, CLEAN, MAP, METRIC, ROBUSTNESS, Compared, Measure, compared
from results.networks.table import block_of, notices, table, units
from results.tables import DASH, numbers

LEGEND = (
    "Networks are compared on the images that all of them classify correctly; clean accuracy is over all images. Our "
    "reading of Liu et al. 2023; the paper was not available. Its induced metrics can be read in three ways: three "
    "blocks, never merged into one score.",
    "[ ]: 95 % interval over images, the same draws for all networks; Wilson's for shares of images; none below 6 "
    "images. n: images with a score.",
    "*: cannot be told from the best network (paired t over images, Holm over all pairs of networks, 5 %).",
)
SAID = {
    ROBUSTNESS: "attacks and corruptions of pixels in [0, 1]; area: of robust accuracy over radius, by the largest",
    MAP: "how much better a method's maps are than random ones, same network and image; higher is better",
    METRIC: "pull-back to the pixels of the output's Fisher metric (fisher) and of the logits' distances (logit)",
    ATTACK: "the maps of an image and of its attacked neighbour compared",
}
Show = Callable[[float], str]


def summary(scores: pd.DataFrame, width: int | None = None) -> str:
    """Return the comparison as text, at most `width` columns wide (by default the terminal's, at most 120)."""
    width = width or min(shutil.get_terminal_size((110, 24)).columns, 120)
    parts = [wrapped(paragraph, width) for paragraph in LEGEND]
    for ours in compared(scores):
        several = "s" * (len(ours.networks) > 1)
        parts.append(underlined(f"{ours.dataset}: {len(ours.networks)} network{several}, {len(ours.images)} images"))
        parts += [wrapped(line, width) for line in (left_out(ours), *notices(ours))]
        rows = table(ours)
        rows["label"] = [label(measure) for measure in ours.measures for _ in ours.networks]
        for block, what, part in block_of(rows):
            parts += ["\n", wrapped(f"{block}{f', {what}' if what else ''}: {SAID[block]}", width), "\n"]
            parts.append(_grid(part, ours, width))
            parts += [wrapped(line, width) for line in (units(part), *_missing(part))]
    return "".join(parts)


def left_out(ours: Compared) -> str:
    """Say how many images the comparison does without."""
    none = f" ({ours.unscored} of them not scored on every network)" if ours.unscored else ""
    return (f"{len(ours.images)} images that all networks classify correctly; {ours.left_out} left out{none}; "
            "clean accuracy is over all images of a network.")  # fmt: skip


def label(measure: Measure) -> str:
    """Return a row's name: metric, radius, method."""
    method = f" {measure.method}{' (control)' * measure.control}" if measure.method else ""
    return measure.name.removesuffix("_kept").removesuffix("_changed") + method


def _grid(rows: pd.DataFrame, ours: Compared, width: int) -> str:
    """Lay out a block: rows are quantities, and every network has its mean, interval and count of images."""
    by_row = [(name, part.set_index("network").loc[ours.networks]) for name, part in rows.groupby("label", sort=False)]
    shows = [numbers(part) for _, part in by_row]
    alone = len(ours.networks) == 1
    counts = (rows.block == ATTACK).any()
    columns = [Column("", ["better"], ["higher" if part.higher_is_better.iloc[0] else "lower" for _, part in by_row],
                      left=True)]  # fmt: skip
    for network in ours.networks:
        cells = [(show, part.loc[network]) for show, (_, part) in zip(shows, by_row, strict=True)]
        means = [show(row["mean"]) + ("" if alone else "*" if row.best else " ") for show, row in cells]
        columns += [Column(network, ["mean"], means),
                    Column(network, ["95 %"], [span(row, show) for show, row in cells])]  # fmt: skip
        columns += [Column(network, ["n"], [str(row.n) for _, row in cells])] if counts else []
    return grid(Column("", [""], [name for name, _ in by_row], left=True), columns, 0, width)


def _missing(rows: pd.DataFrame) -> Iterator[str]:
    """Say which means are over fewer images, where no count is in the table."""
    gone = rows[(rows.undefined > 0) & (rows.block != ATTACK) & (rows.metric != CLEAN)]
    if len(gone):
        counts = [f"{row.label} of {row.network} ({row.undefined})" for row in gone.itertuples()]
        yield f"Undefined on some images: {', '.join(counts)}"


def span(row: pd.Series, show: Show) -> str:
    """Return an interval, a dash where there is none."""
    return f"[{show(row.low)}, {show(row.high)}]" if row.low == row.low else DASH
