"""Compare networks: one row per network and quantity, in blocks that are never merged into one score."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from scipy import stats

from results import statistics
from results.networks.gathered import compared
from results.networks.measures import BLOCKS, METRIC, Compared, Measure, radius
from results.networks.within import within
from results.statistics import FEWEST, LEVEL, RESAMPLES, SEED

FACTS = ["block", "method", "metric", "what", "at", "higher_is_better", "unit", "control", "label", "part"]
COLUMNS = ["dataset", "network", "block", "part", "method", "metric", "what", "at", "mean", "low", "high", "median",
           "median_low", "median_high", "n", "undefined", "rank", "best", "higher_is_better", "unit", "control",
           "images", "left_out", "label"]  # fmt: skip


def tables(scores: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return every quantity of every network, and correlations within networks, by a file's ending."""
    found = list(compared(scores))
    return {"": pd.concat([table(ours) for ours in found], ignore_index=True),
            "_within": pd.concat([within(ours) for ours in found], ignore_index=True)}  # fmt: skip


def table(ours: Compared) -> pd.DataFrame:
    """Return one row per network and measure: mean and median over images with 95 % intervals, and its place.

    Of means, images are drawn with replacement, the same draws for all networks; intervals are Wilson's for shares of
    images, else expanded percentiles. Of medians, they are between order statistics. None below six images. `n` images
    have a score, `undefined` have none. `rank` is by the mean; `best`: cannot be told from the network of rank 1
    (paired t over the images that both have, Holm over all pairs of networks, 5 %). `at` is the radius or severity of a
    point of a curve, nan for a score.
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
    median, median_low, median_high = np.transpose([middle(column) for column in values.T])
    ranks, n = statistics.ranks(drawn[:1], measure.higher_is_better)[0], (~np.isnan(values)).sum(0)
    first = int(np.nanargmin(ranks)) if n.any() else 0
    return pd.DataFrame({
        "network": measure.values.columns, "mean": drawn[0], "low": low, "high": high, "median": median,
        "median_low": median_low, "median_high": median_high, "n": n, "undefined": len(values) - n, "rank": ranks,
        "best": (n > 0) & ~statistics.better(sign * values)[first],
    }).assign(**{name: getattr(measure, name) for name in FACTS})  # fmt: skip


def middle(values: np.ndarray) -> tuple[float, float, float]:
    """Return the median and the ends of its interval: order statistics that hold it in 95 % of samples or more.

    How many of n values lie below the true median is binomial with p = 1/2, whatever their distribution.
    """
    ordered = np.sort(values[~np.isnan(values)])
    if not (n := len(ordered)):
        return np.nan, np.nan, np.nan
    cut = int(stats.binom.ppf(LEVEL / 2, n, 0.5))  # at most 2.5 % of samples have fewer below
    low, high = (ordered[cut - 1], ordered[n - cut]) if n >= FEWEST else (np.nan, np.nan)
    return float(np.median(ordered)), low, high


def with_medians(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows, and below each of the metric-induced block one with medians in place of means, unranked.

    These quantities span many powers of ten, and their means are those of a few images.
    """
    rows = rows.assign(order=np.arange(len(rows)) // max(rows.network.nunique(), 1) * 1.0)
    ours = rows[rows.block == METRIC]
    medians = ours.assign(mean=ours["median"], low=ours.median_low, high=ours.median_high, order=ours.order + 0.5,
                          rank=np.nan, best=False, label=ours.label + " median")  # fmt: skip
    return pd.concat([rows, medians], ignore_index=True).sort_values("order", kind="stable")


def notices(ours: Compared) -> Iterator[str]:
    """Yield what a reader of the numbers has to know, one sentence each."""
    if len(ours.images) < FEWEST:
        yield f"No intervals: they need {FEWEST} images, and there are {len(ours.images)}."
    if len(ours.networks) == 1:
        yield "One network has nothing to be compared with: no places, and no figure of all blocks."
    if len(set(ours.sizes.values())) > 1:
        sizes = ", ".join(f"{network} {size}" for network, size in ours.sizes.items())
        length = [m.metric for m in ours.measures if m.squared]
        yield (f"Warning: input sizes differ ({sizes}): L2 lengths grow with the number of pixels, so "
               f"{', '.join(length) or 'what is measured in them'} do not compare between these networks.")  # fmt: skip
    yield from rises(ours)
    yield from ours.reasons


def rises(ours: Compared) -> Iterator[str]:
    """Yield where robust accuracy does not fall monotonically to 0 with growing radius, for each network and attack."""
    for metric, curve in ours.attacks().items():
        norm = curve[0].norm
        for network in ours.networks:
            up, last = [], curve[-1].values[network].mean()
            for one, other in pairwise(curve):
                a, b = one.values[network], other.values[network]
                if count := int((b > a).sum()):
                    what = f"from {a.mean():.3g} at {radius(norm, one.at)} to {b.mean():.3g}"
                    up.append(f"{what} at {radius(norm, other.at)} ({count} image{'s' * (count > 1)} right again)")
            if up:
                yield f"Not monotone: robust accuracy of {network} under {metric}, {'; '.join(up)}."
            if last > 0:
                yield (f"Not 0 at the end: robust accuracy of {network} under {metric} is {last:.3g} at the largest "
                       f"radius, {radius(norm, curve[-1].at)}.")  # fmt: skip


def units(rows: pd.DataFrame) -> str:
    """Return what the rows of a block are measured in."""
    found: dict[str, list[str]] = {}
    for row in rows.drop_duplicates("metric").itertuples():
        found.setdefault(row.unit or "the metric's own", []).append(row.metric)
    said = [f"{unit} ({', '.join(of)})" if len(found) > 1 else unit for unit, of in found.items()]
    return f"Units: {'; '.join(said)}."


def block_of(rows: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Yield each block's name, which part of it, and its rows: curves apart, kept and changed predictions apart."""
    for block in BLOCKS:
        for part in rows[rows.block == block].part.unique():
            yield block, part, rows[(rows.block == block) & (rows.part == part)]
