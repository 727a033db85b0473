"""Removal of superpixels, written a second time."""

import numpy as np
import torch
from scipy.ndimage import labeled_comprehension
from scipy.special import softmax
from skimage.segmentation import slic

from benchmarks.conformance.models import MEAN, STD
from tests.metrics.writing import SEED, dense, fill, logits, resolved


def irof(e, i, metric):
    image, values = dense(e.x[i]), dense(e.maps[i])
    pixels = np.moveaxis(image * dense(STD)[:, None, None] + dense(MEAN)[:, None, None], 0, -1)
    for compactness in (10, 100, 1000, 10000):
        parts = slic(pixels, metric.segments, compactness, start_label=0, channel_axis=-1)
        number = parts.max() + 1
        if metric.segments / 2 <= number <= 2 * metric.segments:
            break
    means = labeled_comprehension(values, parts, range(number), np.mean, float, 0)
    tie = torch.randperm(values.size, generator=torch.Generator().manual_seed(SEED)).numpy()
    place = resolved(means)
    first = sorted(range(number), key=lambda part: (-place[part], -tie[part]))
    states = [np.isin(parts, first[: round(k * number / metric.steps)]) for k in range(metric.steps + 1)]
    shown = [np.where(gone, fill(metric.baseline, image), image) for gone in states]
    left = np.array([softmax(logits(e, now))[e.target[i]] for now in shown])
    return 1 - np.trapezoid(left / left[0], np.linspace(0, 1, metric.steps + 1))
