"""Random subsets, written a second time."""

import numpy as np
from scipy.stats import pearsonr

from tests.metrics.writing import dense, fill, logits


def without(e, i, metric, pixels):
    """By how much the target logit falls without these pixels (h, w)."""
    image, target = dense(e.x[i]), e.target[i]
    return (logits(e, image) - logits(e, np.where(pixels, fill(metric.baseline, image), image)))[target]


def over_sets(e, i, metric, sets):
    sums = [sum(float(e.maps[i][tuple(p)]) for p in np.argwhere(pixels)) for pixels in sets]
    return pearsonr(sums, [without(e, i, metric, pixels) for pixels in sets]).statistic


def faithfulness_correlation(e, i, metric):
    return over_sets(e, i, metric, metric.pixel_sets(e).numpy())


def sensitivity_n(e, i, metric):
    return np.mean([over_sets(e, i, metric, sets.numpy()) for sets in metric.pixel_sets(e)])
