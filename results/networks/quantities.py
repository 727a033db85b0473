"""What the measures of a comparison of networks come to: means, medians, verdicts, correlations within networks."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from results import inference, summary
from results.networks.comparison import Comparison
from results.networks.measures import CLEAN, MINIMAL, Measure

FACTS = ["block", "part", "method", "metric", "what", "at", "unit", "higher_is_better", "control", "label"]
ROBUST = (MINIMAL, "pgd_linf", "pgd_l2", "clever_linf", "fgsm_linf")  # the first that most images have counts
MOST = 0.8
READABLE = ("insertion", "deletion", "attacked_spearman_kept")
COLUMNS = ["dataset", "network", "method", "robustness", "interpretability", "rho", "low", "high", "n"]


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
        table[["median", "median_low", "median_high"]] = [summary.median(column) for column in values.to_numpy(float).T]
        tables.append(table.rename_axis(["number", "network"]).reset_index())
    table = pd.concat(tables).sort_values("number", kind="stable", ignore_index=True)
    facts = pd.DataFrame([[getattr(measure, name) for name in FACTS] for measure in measures.values()], columns=FACTS)
    table = table.join(facts, on="number").assign(dataset=comparison.dataset, images=len(comparison.images))
    return table.assign(left_out=comparison.left_out, verdict=table.verdict if len(comparison.networks) > 1 else "")


def with_medians(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows, and below each of the metric-induced block one with medians in place of means, unranked.

    These quantities span many powers of ten, so that their means are those of a few images.
    """
    below = rows[rows.block == "metric-induced"]
    medians = {"mean": below["median"], "low": below.median_low, "high": below.median_high, "verdict": ""}
    below = below.assign(number=below.number + 0.5, label=below.label + " (median)", **medians)
    return pd.concat([rows, below]).sort_values("number", kind="stable", ignore_index=True)


def within(comparison: Comparison) -> pd.DataFrame:
    """Return Spearman's correlation between robustness and each measure of a method's maps, over a network's images.

    95 % intervals: expanded percentiles of a bootstrap over the images on which both are defined, none below six, none
    where one of them is the same on all images.
    """
    rows = [
        (comparison.dataset, name, y.method, x.metric, y.metric, *summary.spearman(x.values[name], y.values[name]))
        for x, y in pairs(comparison)
        for name in comparison.networks
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def pairs(comparison: Comparison) -> Iterator[tuple[Measure, Measure]]:
    """Yield a measure of robustness together with each method's measure of interpretability."""
    robust = {m.metric: m for m in comparison.measures if m.block == "robustness" and m.what in ("score", "area")}
    known = [robust[name] for name in ROBUST if name in robust] + [m for m in robust.values() if m.what == "area"]
    x = next((measure for measure in known if measure.values.notna().mean().min() >= MOST), None)
    for y in comparison.measures if x is not None else ():
        if (y.what == "gap" or y.block == "attack-induced") and y.stem in READABLE and not y.control:
            yield x, y
