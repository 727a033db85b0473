"""Attacked images, written a second time."""

from copy import deepcopy

import numpy as np
import torch
from scipy.special import softmax

from benchmarks.conformance.models import MEAN, STD
from tests.metrics.references.noise import wang
from tests.metrics.writing import SIDE, correlation, dense, explain, logits, order


def attacked(e, i, metric):
    mean, std = (dense(t)[:, None, None] for t in (MEAN, STD))
    start = dense(e.x[i]) * std + mean
    pixels = start
    for _ in range(metric.iterations):
        pixels = pixels + 2.5 * metric.radius / metric.iterations * np.sign(uphill(e, i, (pixels - mean) / std))
        pixels = np.clip(np.clip(pixels, start - metric.radius, start + metric.radius), 0, 1)
    return explain(e, i, (pixels - mean) / std)


def uphill(e, i, image):
    """The gradient of the cross-entropy: that of each logit, times its probability less one for the explained class."""
    x = torch.tensor(image)[None].requires_grad_()
    out, weight = deepcopy(e.model).double()(x)[0], softmax(logits(e, image))
    weight[e.target[i]] -= 1
    return sum(w * torch.autograd.grad(z, x, retain_graph=True)[0][0].numpy() for w, z in zip(weight, out, strict=True))


def attack_stability_spearman(e, i, metric):
    return correlation(explain(e, i, e.x[i]), attacked(e, i, metric))


def attack_stability_ssim(e, i, metric):
    return wang(explain(e, i, e.x[i]), attacked(e, i, metric))


def attack_stability_top_10(e, i, metric):
    count = round(SIDE * SIDE / 10)
    ours, other = (set(order(m)[:count]) for m in (explain(e, i, e.x[i]), attacked(e, i, metric)))
    return len(ours & other) / count
