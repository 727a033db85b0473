"""The image under its map, written a second time."""

from scipy.special import softmax
from skimage.exposure import rescale_intensity

from benchmarks.conformance.models import MEAN, STD
from tests.metrics.writing import SIDE, dense, fill, logits, order


def probability(e, i, image):
    return softmax(logits(e, image))[e.target[i]]


def before_and_after(e, i, metric):
    mean, std = (dense(t)[:, None, None] for t in (MEAN, STD))
    image, shown = dense(e.x[i]), rescale_intensity(dense(e.maps[i]), out_range=(0.0, 1.0))
    pixels = shown * (image * std + mean) + (1 - shown) * (fill(metric.baseline, image) * std + mean)
    return probability(e, i, image), probability(e, i, (pixels - mean) / std)


def average_drop(e, i, metric):
    before, after = before_and_after(e, i, metric)
    return max(0, before - after) / before


def increase_in_confidence(e, i, metric):
    before, after = before_and_after(e, i, metric)
    return float(after > before)


def sufficiency(e, i, metric):
    image, alone = dense(e.x[i]), fill(metric.baseline, dense(e.x[i]))
    for p in order(dense(e.maps[i]))[: round(metric.kept * SIDE * SIDE)]:
        alone[:, p // SIDE, p % SIDE] = image[:, p // SIDE, p % SIDE]
    return probability(e, i, image) - probability(e, i, alone)
