"""Means of ranks, draw by draw: over the metrics of a category, over categories, over models."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from results import statistics


@dataclass(frozen=True)
class Ranks:
    """Ranks, or means of ranks, in the sample (row 0) and in every resample."""

    drawn: pd.DataFrame  # (1 + resamples, methods)
    images: int
    merged: pd.Series  # how many ranks each method's mean is over
    of: int

    def table(self) -> pd.DataFrame:
        """Return the mean ranks with their spread over resampled images, and the ranks of these."""
        drawn = self.drawn.to_numpy()
        n = np.where(np.isnan(drawn[0]), 0, self.images)
        rank, (low, high) = statistics.ranks(drawn[:1], False)[0], statistics.interval(drawn, n)
        columns = {"rank": rank, "mean": drawn[0], "low": low, "high": high, "merged": self.merged}
        return pd.DataFrame(columns, index=self.drawn.columns).assign(merged_of=self.of)


def merged_mean(ranks: list[Ranks]) -> Ranks:
    """Average ranks draw by draw, each method over those that it has."""
    methods = pd.Index(dict.fromkeys(method for ours in ranks for method in ours.drawn.columns))
    stack = np.stack([ours.drawn.reindex(columns=methods).to_numpy() for ours in ranks])
    count = (~np.isnan(stack)).sum(0)
    mean = np.divide(np.nansum(stack, 0), count, out=np.full(count.shape, np.nan), where=count > 0)
    merged = pd.Series(count[0], index=methods)
    return Ranks(pd.DataFrame(mean, columns=methods), min(ours.images for ours in ranks), merged, len(ranks))


def merged_rows(merged: dict[tuple[str, str], Ranks], cells: pd.DataFrame) -> pd.DataFrame:
    group = cells.drop_duplicates("method").set_index("method").group
    rows = [ranks.table().rename_axis("method").reset_index().assign(category=category, metric=metric)
            for (category, metric), ranks in merged.items()]  # fmt: skip
    table = pd.concat(rows, ignore_index=True)
    return table.assign(higher_is_better=False, group=table.method.map(group))
