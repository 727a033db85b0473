"""Pixel noise, written a second time."""

import numpy as np
import torch
from skimage.metrics import structural_similarity

from benchmarks.conformance.models import STD
from tests.metrics.writing import SIDE, correlation, dense, explain, order, stream


def noises(e, metric):
    """Each noise (3, h, w) in pixel units."""
    rng = stream("noise")
    for _ in range(metric.samples):
        yield 2 * metric.radius * torch.rand(e.x.shape[1:], generator=rng).double().numpy() - metric.radius


def noisy_images(e, i, metric):
    for noise in noises(e, metric):
        yield dense(e.x[i]) + noise / dense(STD)[:, None, None]


def noisy(e, i, metric):
    """The i-th map of each noisy copy."""
    for image in noisy_images(e, i, metric):
        yield explain(e, i, image)


def sensitivities(e, i, metric):
    ours = explain(e, i, e.x[i])
    return [np.linalg.norm(ours - other) / np.linalg.norm(ours) for other in noisy(e, i, metric)]


def max_sensitivity(e, i, metric):
    return max(sensitivities(e, i, metric))


def avg_sensitivity(e, i, metric):
    return np.mean(sensitivities(e, i, metric))


def local_lipschitz(e, i, metric):
    sizes = [np.sqrt((noise**2).sum()) for noise in noises(e, metric)]
    return max(np.array(sensitivities(e, i, metric)) / sizes)


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
