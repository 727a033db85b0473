"""Does robustness go with interpretability within a network? Rank correlations over images."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy import stats

from results import statistics
from results.networks.measures import AREA, ATTACK, GAP, MINIMAL, Compared, Measure
from results.statistics import RESAMPLES, SEED

ROBUST = (MINIMAL, "pgd_linf", "pgd_l2", "clever_linf", "fgsm_linf")  # then any attack; the first that most images have
MOST = 0.8
READABLE = ("insertion", "deletion", "attacked_spearman_kept")
COLUMNS = ["dataset", "network", "method", "robustness", "interpretability", "rho", "low", "high", "n"]


def within(ours: Compared) -> pd.DataFrame:
    """Return Spearman's correlation of every method's measures with robustness, within each network over images.

    95 % intervals: expanded percentiles of a bootstrap over the images on which both are defined, none below six, none
    where one of them is the same on all images.
    """
    rows = [{"dataset": ours.dataset, "network": network, "method": y.method, "robustness": x.metric,
             "interpretability": y.metric} | spearman(x.values[network], y.values[network])
            for x, y in pairs(ours) for network in ours.networks]  # fmt: skip
    return pd.DataFrame(rows, columns=COLUMNS)


def pairs(ours: Compared) -> Iterator[tuple[Measure, Measure]]:
    """Yield what is set against each other: one measure of robustness, and each method's of interpretability."""
    measured = [found for metric in ROBUST if (found := ours.find(metric)) is not None]
    measured += [found for found in ours.measures if found.what == AREA]
    x = next((found for found in measured if found.values.notna().mean().min() >= MOST), None)
    for y in ours.measures if x is not None else ():
        if (y.what == GAP or y.block == ATTACK) and y.metric in READABLE and not y.control:
            yield x, y


def spearman(x: pd.Series, y: pd.Series) -> dict[str, float]:
    """Return rho, the ends of its interval, and of how many images."""
    both = x.notna() & y.notna()
    images, n = list(x.index[both]), int(both.sum())
    empty = {"rho": np.nan, "low": np.nan, "high": np.nan, "n": n}
    if n < 3 or x[both].nunique() < 2 or y[both].nunique() < 2:
        return empty
    pair = np.stack([x[both], y[both]]).astype(float)
    weights = np.concatenate([*statistics.draws(images, RESAMPLES, SEED)]).astype(int)
    taken = np.repeat(np.tile(np.arange(n), len(weights)), weights.ravel()).reshape(len(weights), n)
    a, b = stats.rankdata(pair[:, taken], axis=-1) - (n + 1) / 2
    size = np.sqrt((a**2).sum(1) * (b**2).sum(1))
    rho = np.divide((a * b).sum(1), size, out=np.full(len(size), np.nan), where=size > 0)
    low, high = statistics.interval(rho[:, None], [n])[:, 0]
    return {"rho": rho[0], "low": low, "high": high, "n": n}
