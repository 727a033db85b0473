"""Compare networks: one row per network and quantity, in blocks that are never merged into one score."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from results import statistics
from results.networks.measures import ATTACK, ATTACKS, BLOCKS, METRIC, Compared, Measure, compared, radius
from results.networks.within import within

RESAMPLES, SEED = 2000, 0
COLUMNS = ["dataset", "network", "block", "method", "metric", "at", "mean", "low", "high", "n", "undefined", "rank",
           "best", "higher_is_better", "unit", "control", "images", "left_out"]  # fmt: skip


def tables(scores: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return every quantity of every network, and correlations within networks, by a file's ending."""
    found = list(compared(scores))
    return {"": pd.concat([table(ours) for ours in found], ignore_index=True),
            "_within": pd.concat([within(ours) for ours in found], ignore_index=True)}  # fmt: skip


def table(ours: Compared) -> pd.DataFrame:
    """Return one row per network and measure: mean over images with its 95 % interval, and its place.

    Images are drawn with replacement, the same draws for all networks; intervals are Wilson's for shares of images,
    else expanded percentiles, none below six images. `n` images have a score, `undefined` have none. `rank` is by the
    mean; `best`: cannot be told from the network of rank 1 (paired t over the images that both have, Holm over all
    pairs of networks, 5 %). `at` is the radius or severity of a point of a curve, nan for a score.
    """
    by_images: dict[tuple[str, ...], list[Measure]] = {}
    for measure in ours.measures:
        by_images.setdefault(tuple(measure.values.index), []).append(measure)
    drawn = {id(measure): means for same in by_images.values() for measure, means in _drawn(same)}
    rows = pd.concat([_rows(measure, drawn[id(measure)]) for measure in ours.measures], ignore_index=True)
    facts = {"dataset": ours.dataset, "images": len(ours.images), "left_out": ours.left_out}
    return rows.assign(**facts)[COLUMNS]


def _drawn(measures: Sequence[Measure]) -> Iterator[tuple[Measure, np.ndarray]]:
    """Yield measures of the same images with their means (draws, networks): the draws are made once."""
    values = np.hstack([measure.values.to_numpy() for measure in measures])
    means = statistics.resampled(values, list(measures[0].values.index), RESAMPLES, SEED)
    yield from zip(measures, np.hsplit(means, len(measures)), strict=True)


def _rows(measure: Measure, drawn: np.ndarray) -> pd.DataFrame:
    values, sign = measure.values.to_numpy(), 1 if measure.higher_is_better else -1
    low, high = statistics.mean_interval(values, drawn)
    ranks, n = statistics.ranks(drawn[:1], measure.higher_is_better)[0], (~np.isnan(values)).sum(0)
    first = int(np.nanargmin(ranks)) if n.any() else 0
    facts = {name: getattr(measure, name) for name in ("block", "method", "metric", "at", "higher_is_better", "unit",
                                                       "control")}  # fmt: skip
    return pd.DataFrame({
        "network": measure.values.columns, "mean": drawn[0], "low": low, "high": high, "n": n,
        "undefined": len(values) - n, "rank": ranks, "best": (n > 0) & ~statistics.better(sign * values)[first],
    }).assign(**facts)  # fmt: skip


def notices(ours: Compared) -> Iterator[str]:
    """Yield what a reader of the numbers has to know, one sentence each."""
    if len(ours.images) < statistics.FEWEST:
        yield f"No intervals: they need {statistics.FEWEST} images, and all networks have {len(ours.images)} right."
    if len(set(ours.sizes.values())) > 1:
        sizes = ", ".join(f"{network} {size}" for network, size in ours.sizes.items())
        length = [m.metric for m in ours.measures if np.isnan(m.at) and (
            m.block == METRIC or m.metric.endswith("_l2") or m.metric.startswith("loss_gradient"))]  # fmt: skip
        yield (f"Warning: input sizes differ ({sizes}): L2 lengths grow with the number of pixels, so "
               f"{', '.join(length) or 'what is measured in them'} do not compare between these networks.")  # fmt: skip
    yield from rises(ours)
    yield from ours.reasons


def rises(ours: Compared) -> Iterator[str]:
    """Yield where robust accuracy does not fall monotonically to 0 with growing radius, for each network and attack."""
    points = [m for m in ours.measures if m.metric.startswith(ATTACKS) and not np.isnan(m.at)]
    for metric in dict.fromkeys(m.metric for m in points):
        curve = [m for m in points if m.metric == metric]
        for network in ours.networks:
            up, last = [], curve[-1].values[network].mean()
            for one, other in pairwise(curve):
                a, b = one.values[network], other.values[network]
                if count := int((b > a).sum()):
                    what = f"from {a.mean():.3g} at {radius(metric, one.at)} to {b.mean():.3g}"
                    up.append(f"{what} at {radius(metric, other.at)} ({count} image{'s' * (count > 1)} right again)")
            if up:
                yield f"Not monotone: robust accuracy of {network} under {metric}, {'; '.join(up)}."
            if last > 0:
                yield (f"Not 0 at the end: robust accuracy of {network} under {metric} is {last:.3g} at the largest "
                       f"radius, {radius(metric, curve[-1].at)}.")  # fmt: skip


def units(rows: pd.DataFrame) -> str:
    """Return what the rows of a block are measured in."""
    found: dict[str, list[str]] = {}
    for row in rows.drop_duplicates("metric").itertuples():
        found.setdefault(row.unit, []).append(row.metric)
    said = [f"{unit} ({', '.join(of)})" if len(found) > 1 else unit for unit, of in found.items()]
    return f"Units: {'; '.join(said)}."


def block_of(rows: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Yield each block's name, which part of it, and its rows: curves apart, kept and changed predictions apart."""
    parts = np.select(
        [rows["at"].notna(), (rows.block == ATTACK) & rows.metric.str.contains("_kept"),
         (rows.block == ATTACK) & rows.metric.str.contains("_changed")],
        ["by radius or severity", "prediction kept", "prediction changed"], "",
    )  # fmt: skip
    for block in BLOCKS:
        for part in pd.unique(parts):
            if len(ours := rows[(rows.block == block) & (parts == part)]):
                yield block, part, ours
