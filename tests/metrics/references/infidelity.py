"""Random squares, written a second time."""

import numpy as np
import torch
from scipy.optimize import nnls

from tests.metrics.references.subsets import without
from tests.metrics.writing import dense, stream


def pairs(e, i, metric):
    """The map's sum over each square and the fall without it."""
    h, w = e.maps[i].shape
    side, sums, falls = round(metric.side * min(h, w)), [], []
    for down, right in torch.rand(metric.samples, 2, generator=stream("squares")).tolist():
        top, left, square = int(down * (h - side + 1)), int(right * (w - side + 1)), np.zeros((h, w), bool)
        square[top : top + side, left : left + side] = True
        sums.append(dense(e.maps[i])[square].sum())
        falls.append(without(e, i, metric, square))
    return np.array(sums), np.array(falls)


def infidelity(e, i, metric):
    sums, falls = pairs(e, i, metric)
    return np.mean((sums - falls) ** 2)


def infidelity_scaled(e, i, metric):
    sums, falls = pairs(e, i, metric)
    return (nnls(sums[:, None], falls)[1] / np.linalg.norm(falls)) ** 2
