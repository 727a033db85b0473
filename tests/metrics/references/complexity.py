"""Complexity, written a second time."""

import numpy as np

from tests.metrics.writing import dense


def gini(e, i, metric):
    values = np.abs(dense(e.maps[i])).ravel()
    return np.abs(values[:, None] - values[None]).mean() / (2 * values.mean())  # half the relative mean difference
