"""How stable ranks are: in resamples of the images, and for all values that undefined scores might have had.

    ranks = rank_draws(values, higher, resampled)   # {metric: Ranks}
    mean_ranks([*ranks.values()]).table()

`values` and `resampled` are those of `results.summary`.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from results.summary import Flags, blocks, comparable, interval, ranks, ratio, resampled_means


@dataclass(frozen=True)
class Ranks:
    """Ranks, or means of ranks, in the sample (row 0) and in every resample of the images."""

    draws: pd.DataFrame  # (1 + resamples, entries)
    images: int
    merged: pd.Series  # how many ranks each entry's mean is over
    of: int

    def table(self) -> pd.DataFrame:
        """Return the mean ranks, their order, and the range of 95 % of the resamples: no confidence interval."""
        values = self.draws.to_numpy()
        low, high = interval(values, np.where(np.isnan(values[0]), 0, self.images))
        columns = {"rank": ranks(values, False, 1)[0], "mean": values[0], "low": low, "high": high}
        return pd.DataFrame(columns, self.draws.columns).assign(merged=self.merged, merged_of=self.of)


def rank_draws(
    values: pd.DataFrame, higher_is_better: Flags, resampled: np.ndarray | None = None
) -> dict[Hashable, Ranks]:
    """Return each block's ranks in the sample and in every resample."""
    means = resampled_means(values) if resampled is None else resampled
    higher, entries = np.broadcast_to(higher_is_better, means.shape[1]), values.columns.get_level_values(-1)
    tables = {
        name: pd.DataFrame(ranks(means[:, places], higher[places]), columns=entries[places])
        for name, places in blocks(values.columns)
    }
    return {name: Ranks(table, len(values), table.loc[0].notna().astype(int), 1) for name, table in tables.items()}


def mean_ranks(several: Sequence[Ranks]) -> Ranks:
    """Average ranks draw by draw (over metrics, categories or models), each entry over those that it has."""
    entries = pd.Index(dict.fromkeys(entry for one in several for entry in one.draws.columns))
    total, count = np.zeros((2, len(several[0].draws), len(entries)))
    for one in several:
        values, places = one.draws.to_numpy(), entries.get_indexer(one.draws.columns)
        missing = np.isnan(values)
        places = slice(None) if np.array_equal(places, range(len(entries))) else places  # a view, which is faster
        total[:, places] += np.where(missing, 0, values) if missing.any() else values
        count[:, places] += ~missing
    mean, merged = pd.DataFrame(ratio(total, count), columns=entries), pd.Series(count[0].astype(int), entries)
    return Ranks(mean, min(one.images for one in several), merged, len(several))


def rank_bounds(
    values: pd.DataFrame, higher_is_better: Flags, lower_bound: np.ndarray, upper_bound: np.ndarray
) -> pd.DataFrame:
    """Return `rank_worst` and `rank_best`: a column's rank if its own undefined images had the worst score that the
    metric can give and those of all others the best, and the other way round.

    A metric without a bound gives the least or the largest score of its block. Entries without any score move nobody.
    """
    array, bounds = values.to_numpy(float), np.stack([lower_bound, upper_bound])
    sign = np.where(np.broadcast_to(higher_is_better, array.shape[1]), 1, -1)
    rank = np.full((2, array.shape[1]), np.nan)
    for _, places in blocks(values.columns):
        places = places[~np.isnan(array[:, places]).all(0)]
        scores = sign[places] * array[:, places]
        if scores.size:
            ends = np.sort(sign[places[0]] * bounds[:, places[0]].astype(float))
            ends = np.where(np.isfinite(ends), ends, (np.nanmin(scores), np.nanmax(scores)))
            low, high = comparable(np.stack([np.where(np.isnan(scores), end, scores).mean(0) for end in ends]))
            others = ~np.eye(len(places), dtype=bool)
            rank[0, places] = 1 + ((high[:, None] > low) & others).sum(0)
            rank[1, places] = 1 + ((low[:, None] > high) & others).sum(0)
    return pd.DataFrame(rank.T, values.columns, ["rank_worst", "rank_best"])
