"""Predictions under noisy linear imputation, written a second time; curves under every baseline with it."""

import numpy as np
from scipy.special import softmax

from tests.metrics.references import removal
from tests.metrics.writing import dense, fill, logits, order

deletion_black = deletion_mean = deletion_blur = deletion_uniform = removal.deletion
insertion_black = insertion_mean = insertion_blur = insertion_uniform = removal.insertion


def without(e, i, pixels, baseline):
    """The logits of an image without some of its pixels."""
    image, removed = dense(e.x[i]), np.zeros(e.maps[i].numel(), dtype=bool)
    removed[pixels] = True
    removed = removed.reshape(image.shape[1:])
    return logits(e, np.where(removed, fill(baseline, image, removed), image) if removed.any() else image)


def road(e, i, metric, pixels):
    counts = [round(k * len(pixels) / metric.steps) for k in range(1, metric.steps)]
    states = [without(e, i, pixels[:count], metric.baseline) for count in counts]
    target = e.target[i].item()
    return np.mean([state[target] > np.delete(state, target).max() for state in states])


def road_morf(e, i, metric):
    return road(e, i, metric, order(dense(e.maps[i])))


def road_lerf(e, i, metric):
    return road(e, i, metric, order(dense(e.maps[i]))[::-1])


def road_combined(e, i, metric):
    return road_lerf(e, i, metric) - road_morf(e, i, metric)


def area(e, i, metric, pixels):
    counts = [round(k * len(pixels) / metric.steps) for k in range(metric.steps + 1)]
    values = [softmax(without(e, i, pixels[:count], metric.baseline))[e.target[i]] for count in counts]
    return np.trapezoid(values, np.linspace(0, 1, metric.steps + 1))


def deletion_noisy_linear(e, i, metric):
    return area(e, i, metric, order(dense(e.maps[i])))


def insertion_noisy_linear(e, i, metric):
    return area(e, i, metric, order(dense(e.maps[i]))[::-1])
