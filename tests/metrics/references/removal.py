"""Curves of removed and inserted pixels, written a second time."""

from itertools import pairwise

import numpy as np
from scipy.special import logit, softmax

from tests.metrics.writing import SIDE, dense, fill, logits, order


def states(e, i, metric, insert=False):
    image = dense(e.x[i])
    start, end = (fill(metric.baseline, image), image) if insert else (image, fill(metric.baseline, image))
    values = []
    for k in range(metric.steps + 1):
        now = start.copy()
        for p in order(dense(e.maps[i]))[: round(k * SIDE * SIDE / metric.steps)]:
            now[:, p // SIDE, p % SIDE] = end[:, p // SIDE, p % SIDE]
        values.append(logits(e, now))
    return np.array(values)


def probabilities(e, i, metric, insert=False):
    return softmax(states(e, i, metric, insert), axis=1)[:, e.target[i]]


def deletion(e, i, metric):
    return np.trapezoid(probabilities(e, i, metric), np.linspace(0, 1, metric.steps + 1))


def insertion(e, i, metric):
    return np.trapezoid(probabilities(e, i, metric, insert=True), np.linspace(0, 1, metric.steps + 1))


def aopc(e, i, metric):
    values = probabilities(e, i, metric)
    first = values[: round(metric.removed * metric.steps) + 1]
    return sum(values[0] - value for value in first) / len(first)


def abpc(e, i, metric):
    fractions = np.linspace(0, 1, metric.steps + 1)
    smallest_first = probabilities(e, i, metric, insert=True)[::-1]
    return np.trapezoid(smallest_first, fractions) - deletion(e, i, metric)


def pixel_flipping_morf(e, i, metric):
    values = states(e, i, metric)[:, e.target[i]]
    return np.trapezoid(values, np.linspace(0, 1, metric.steps + 1))


def pixel_flipping_lerf(e, i, metric):
    values = states(e, i, metric, insert=True)[::-1, e.target[i]]
    return np.trapezoid(values, np.linspace(0, 1, metric.steps + 1))


def monotonicity(e, i, metric):
    odds = logit(probabilities(e, i, metric)[::-1])
    noise = 2.0**-20 * np.abs(states(e, i, metric)).max()
    return np.mean([after >= before - noise for before, after in pairwise(odds)])
