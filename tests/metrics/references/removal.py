"""Curves of removed and inserted pixels, written a second time."""

import numpy as np
from scipy.special import softmax

from tests.metrics.writing import SIDE, dense, fill, logits, order


def probabilities(e, i, metric, insert=False):
    image = dense(e.x[i])
    start, end = (fill(metric.baseline, image), image) if insert else (image, fill(metric.baseline, image))
    values = []
    for k in range(metric.steps + 1):
        now = start.copy()
        for p in order(dense(e.maps[i]))[: round(k * SIDE * SIDE / metric.steps)]:
            now[:, p // SIDE, p % SIDE] = end[:, p // SIDE, p % SIDE]
        values.append(softmax(logits(e, now))[e.target[i]])
    return np.array(values)


def deletion(e, i, metric):
    return np.trapezoid(probabilities(e, i, metric), np.linspace(0, 1, metric.steps + 1))


def insertion(e, i, metric):
    return np.trapezoid(probabilities(e, i, metric, insert=True), np.linspace(0, 1, metric.steps + 1))


def aopc(e, i, metric):
    values = probabilities(e, i, metric)
    first = values[: round(metric.removed * metric.steps) + 1]
    return sum(values[0] - value for value in first) / len(first)
