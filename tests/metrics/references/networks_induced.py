"""Whole networks, written a second time: corruptions, the pulled-back metric as a matrix of pixels, attacked maps."""

from copy import deepcopy

import numpy as np
import torch
from scipy.special import softmax

from benchmarks.conformance.models import MEAN, STD
from benchmarks.metrics.networks.corruptions import CORRUPTIONS, corrupted
from tests.metrics.references.attack import uphill
from tests.metrics.references.noise import wang
from tests.metrics.writing import SIDE, correlation, dense, explain, logits, order


def units():
    return (dense(t)[:, None, None] for t in (MEAN, STD))


def corruption_error(e, i, metric):
    """The pictures themselves are compared with a library's in `test_corruptions`."""
    mean, std = units()
    pixels = torch.tensor(dense(e.x[i]) * std + mean)[None]
    pictures = [corrupted(pixels, name, s, metric.seed)[0].numpy() for name in CORRUPTIONS for s in range(1, 6)]
    return np.mean([logits(e, (picture - mean) / std).argmax() != e.target[i].item() for picture in pictures])


def matrix(e, i, of):
    """J' F J, a matrix of pixel values by pixel values."""
    std = dense(STD)[:, None, None]
    x = torch.tensor(dense(e.x[i]))[None].requires_grad_()
    out = deepcopy(e.model).double()(x)[0]
    rows = np.stack([(torch.autograd.grad(z, x, retain_graph=True)[0][0].numpy() / std).ravel() for z in out])
    p = softmax(out.detach().numpy())
    return rows.T @ (np.diag(p) - np.outer(p, p) if of == "probabilities" else np.eye(len(p))) @ rows


def fisher_eigenvalue(e, i, metric):
    return np.linalg.eigvalsh(matrix(e, i, metric.of))[-1]


def fisher_trace(e, i, metric):
    return np.trace(matrix(e, i, metric.of))


def fisher_radius(e, i, metric):
    return min(np.sqrt(2 * metric.divergence / fisher_eigenvalue(e, i, metric)), np.sqrt(e.x[i].numel()))


logit_eigenvalue, logit_trace, logit_radius = fisher_eigenvalue, fisher_trace, fisher_radius


def attacked(e, i, metric):
    """The image after the attack, or nothing where its prediction is not of the kind asked for."""
    mean, std = units()
    start = pixels = dense(e.x[i]) * std + mean
    for _ in range(metric.iterations):
        pixels = pixels + 2.5 * metric.radius / metric.iterations * np.sign(uphill(e, i, (pixels - mean) / std))
        pixels = np.clip(np.clip(pixels, start - metric.radius, start + metric.radius), 0, 1)
    image = (pixels - mean) / std
    kept = logits(e, image).argmax() == logits(e, e.x[i]).argmax()
    return image if kept == (metric.prediction == "kept") else None


def change(measure):
    def score(e, i, metric):
        image = attacked(e, i, metric)
        return np.nan if image is None else measure(explain(e, i, e.x[i]), explain(e, i, image))

    return score


def common(ours, theirs):
    count = round(SIDE * SIDE / 10)
    return len(set(order(ours)[:count]) & set(order(theirs)[:count])) / count


attacked_spearman_kept = attacked_spearman_changed = change(correlation)
attacked_ssim_kept = attacked_ssim_changed = change(wang)
attacked_top_10_kept = attacked_top_10_changed = change(common)
