"""What the measures of a comparison of networks come to: means, medians, intervals, verdicts."""

import numpy as np
import pandas as pd
from scipy import stats

from results import inference, summary
from results.networks.comparison import Comparison
from results.networks.measures import CLEAN

FACTS = ["block", "part", "method", "metric", "what", "at", "unit", "higher_is_better", "control", "label"]


def quantities(comparison: Comparison) -> pd.DataFrame:
    """Return one row per measure and network: mean and median over images with 95 % intervals, and a verdict.

    Medians have the interval between order statistics. `verdict`: best, level with the best, worse, or undecided.
    """
    measures, tables = dict(enumerate(comparison.measures)), []
    for clean in (True, False):  # clean accuracy is over all images, all else over those that are compared
        chosen = {k: measure.values for k, measure in measures.items() if (measure.metric == CLEAN) == clean}
        values = pd.concat(chosen, axis=1) if chosen else pd.DataFrame()
        numbers = values.columns.get_level_values(0)
        higher, hits = ([getattr(measures[k], name) for k in numbers] for name in ("higher_is_better", "share"))
        table = summary.summary(values, np.array(higher, bool), np.array(hits, bool))
        compared = inference.verdicts(values, np.array(higher, bool), ends=table[["low", "high"]])
        table = table.join(compared[["difference", "p", "verdict"]])
        table[["median", "median_low", "median_high"]] = [middle(column) for column in values.to_numpy(float).T]
        tables.append(table.rename_axis(["number", "network"]).reset_index())
    table = pd.concat(tables).sort_values("number", kind="stable", ignore_index=True)
    facts = pd.DataFrame([[getattr(measure, name) for name in FACTS] for measure in measures.values()], columns=FACTS)
    table = table.join(facts, on="number").assign(dataset=comparison.dataset, images=len(comparison.images))
    return table.assign(left_out=comparison.left_out, verdict=table.verdict if len(comparison.networks) > 1 else "")


def middle(values: np.ndarray) -> tuple[float, float, float]:
    """Return the median and the ends of its interval: order statistics that hold it in 95 % of samples or more.

    How many of n values lie below the true median is binomial with p = 1/2, whatever their distribution.
    """
    ordered = np.sort(values[~np.isnan(values)])
    if not (n := len(ordered)):
        return np.nan, np.nan, np.nan
    beyond = int(stats.binom.ppf(summary.LEVEL / 2, n, 0.5))  # at most 2.5 % of samples have fewer below
    low, high = (ordered[beyond - 1], ordered[n - beyond]) if n >= summary.FEWEST else (np.nan, np.nan)
    return float(np.median(ordered)), low, high


def with_medians(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows, and below each of the metric-induced block one with medians in place of means, unranked.

    These quantities span many powers of ten, so that their means are those of a few images.
    """
    below = rows[rows.block == "metric-induced"]
    medians = {"mean": below["median"], "low": below.median_low, "high": below.median_high, "verdict": ""}
    below = below.assign(number=below.number + 0.5, label=below.label + " (median)", **medians)
    return pd.concat([rows, below]).sort_values("number", kind="stable", ignore_index=True)
