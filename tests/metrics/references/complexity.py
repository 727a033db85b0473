"""Complexity, written a second time."""

import numpy as np
from scipy import stats

from tests.metrics.writing import dense


def gini(e, i, metric):
    values = np.abs(dense(e.maps[i])).ravel()
    return np.abs(values[:, None] - values[None]).mean() / (2 * values.mean())  # half the relative mean difference


def entropy(e, i, metric):
    values = np.abs(dense(e.maps[i])).ravel()
    return stats.entropy(values, base=values.size if metric.unit == "share" else None)


def effective_complexity(e, i, metric):
    values = np.abs(dense(e.maps[i]))
    return np.mean(values / values.max() > metric.threshold)
