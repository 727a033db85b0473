"""Pixel noise, written a second time."""

import numpy as np
import torch
from skimage.metrics import structural_similarity

from benchmarks.conformance.models import STD
from tests.metrics.writing import SIDE, correlation, dense, explain, order, stream


def noisy(e, i, metric):
    """The i-th map of each noisy copy."""
    rng = stream("noise")
    for _ in range(metric.samples):
        noise = 2 * metric.radius * torch.rand(e.x.shape[1:], generator=rng).double().numpy() - metric.radius
        yield explain(e, i, dense(e.x[i]) + noise / dense(STD)[:, None, None])


def max_sensitivity(e, i, metric):
    ours = explain(e, i, e.x[i])
    return max(np.linalg.norm(ours - other) for other in noisy(e, i, metric)) / np.linalg.norm(ours)


def noise_stability_spearman(e, i, metric):
    ours = explain(e, i, e.x[i])
    return np.mean([correlation(ours, other) for other in noisy(e, i, metric)])


def noise_stability_ssim(e, i, metric):
    return np.mean([wang(explain(e, i, e.x[i]), other) for other in noisy(e, i, metric)])


def noise_stability_top_10(e, i, metric):
    ours, count = explain(e, i, e.x[i]), round(SIDE * SIDE / 10)
    return np.mean([len({*order(ours)[:count]} & {*order(other)[:count]}) / count for other in noisy(e, i, metric)])


def wang(a, b):
    span = max(a.max(), b.max()) - min(a.min(), b.min())
    return structural_similarity(a, b, data_range=span, gaussian_weights=True, sigma=1.5, use_sample_covariance=False)
