"""Does robustness go with interpretability within a network? Rank correlations over images."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy import stats

from results import summary
from results.networks.comparison import Comparison
from results.networks.measures import MINIMAL, Measure

ROBUST = (MINIMAL, "pgd_linf", "pgd_l2", "clever_linf", "fgsm_linf")  # the first that most images have counts
MOST = 0.8
READABLE = ("insertion", "deletion", "attacked_spearman_kept")
COLUMNS = ["dataset", "network", "method", "robustness", "interpretability", "rho", "low", "high", "n"]


def within(comparison: Comparison) -> pd.DataFrame:
    """Return Spearman's correlation of every method's measures with robustness, within each network over images.

    95 % intervals: expanded percentiles of a bootstrap over the images on which both are defined, none below six, none
    where one of them is the same on all images.
    """
    rows = [
        (comparison.dataset, network, y.method, x.metric, y.metric, *spearman(x.values[network], y.values[network]))
        for x, y in pairs(comparison)
        for network in comparison.networks
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def pairs(comparison: Comparison) -> Iterator[tuple[Measure, Measure]]:
    """Yield what is set against each other: one measure of robustness, and each method's of interpretability."""
    robust = {m.metric: m for m in comparison.measures if m.block == "robustness" and m.what in ("score", "area")}
    known = [robust[name] for name in ROBUST if name in robust] + [m for m in robust.values() if m.what == "area"]
    x = next((measure for measure in known if measure.values.notna().mean().min() >= MOST), None)
    for y in comparison.measures if x is not None else ():
        if (y.what == "gap" or y.block == "attack-induced") and y.stem in READABLE and not y.control:
            yield x, y


def spearman(x: pd.Series, y: pd.Series) -> tuple[float, float, float, int]:
    """Return rho, the ends of its interval, and of how many images."""
    both = x.notna() & y.notna()
    images, n = list(x.index[both]), int(both.sum())
    if n < 3 or x[both].nunique() < 2 or y[both].nunique() < 2:
        return np.nan, np.nan, np.nan, n
    pair = np.stack([x[both], y[both]]).astype(float)
    weights = summary.draws(images).astype(int)
    sampled = np.repeat(np.tile(np.arange(n), len(weights)), weights.ravel()).reshape(len(weights), n)
    a, b = stats.rankdata(pair[:, sampled], axis=-1) - (n + 1) / 2
    size = np.sqrt((a**2).sum(1) * (b**2).sum(1))
    rho = np.divide((a * b).sum(1), size, out=np.full(len(size), np.nan), where=size > 0)
    return (rho[0], *summary.interval(rho[:, None], [n])[:, 0], n)
