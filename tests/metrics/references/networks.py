"""Attacks on networks, CLEVER and the loss's gradient, written a second time."""

from copy import deepcopy

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.special import softmax
from scipy.stats import weibull_max

from benchmarks.conformance.models import MEAN, STD
from tests.metrics.writing import dense, stream


def pixels_of(e, i):
    mean, std = (dense(t)[:, None, None] for t in (MEAN, STD))
    return np.clip(dense(e.x[i]) * std + mean, 0, 1)


def answer(e, pixels):
    """The logits (k,) for pixels (3, h, w), and their gradients with respect to these (k, 3, h, w)."""
    mean, std = (t.double()[:, None, None] for t in (MEAN, STD))
    pixels = torch.tensor(pixels).requires_grad_()
    out = deepcopy(e.model).double()(((pixels - mean) / std)[None])[0]
    return out.detach().numpy(), np.stack([torch.autograd.grad(z, pixels, retain_graph=True)[0] for z in out])


def uphill(out, slopes, target):
    """The log odds against the target, and their gradient."""
    others = [k for k in range(len(out)) if k != target]
    weight = softmax(out[others])
    odds = np.log(np.exp(out[others] - out[target]).sum())
    return odds, np.tensordot(weight, slopes[others], 1) - slopes[target]


def loss_gradient(e, i, metric):
    out, slopes = answer(e, pixels_of(e, i))
    miss = softmax(out)
    miss[e.target[i]] -= 1
    return np.sqrt((np.tensordot(miss, slopes, 1) ** 2).sum())


def robust_accuracy(e, i, metric):
    image, target, area, before, at = pixels_of(e, i), int(e.target[i]), 0, None, 0
    clean = answer(e, image)[0].argmax() == target
    for radius in (0, *metric.radii):
        right = clean and all(survives(e, image, target, radius, start, metric) for start in starts(image, metric))
        if before is not None:
            area += (radius - at) * (before + right) / 2
        before, at = right, radius
    return area / at


def survives(e, image, target, radius, start, metric):
    pixels = np.clip(image + radius * start, 0, 1)
    for _ in range(metric.steps):
        out, slopes = answer(e, pixels)
        if out.argmax() != target:
            return False
        gradient = uphill(out, slopes, target)[1]
        step = np.sign(gradient) if metric.norm == "linf" else gradient / np.linalg.norm(gradient)
        moved = pixels + metric.step * radius * step - image
        if metric.norm == "linf":
            moved = np.minimum(np.maximum(moved, -radius), radius)
        elif np.linalg.norm(moved) > radius:
            moved = moved / np.linalg.norm(moved) * radius
        pixels = np.clip(image + moved, 0, 1)
    return answer(e, pixels)[0].argmax() == target


def starts(image, metric):
    if metric.attack == "fgsm":
        return [np.zeros_like(image)]
    return ball(stream("attack"), metric.restarts, image.shape, metric.norm)


def ball(rng, count, shape, norm):
    if norm == "linf":
        return [2 * p - 1 for p in dense(torch.rand((count, *shape), generator=rng))]
    reach = dense(torch.rand(count, generator=rng)) ** (1 / np.prod(shape))
    points = dense(torch.randn((count, *shape), generator=rng))
    return [r * p / np.linalg.norm(p) for r, p in zip(reach, points, strict=True)]


fgsm_linf = fgsm_l2 = pgd_linf = pgd_l2 = robust_accuracy


def nearest_classes(out, target, count):
    return [k for k in np.argsort(-out, kind="stable") if k != target][:count]


def empirical_robustness(e, i, metric):
    image, target = pixels_of(e, i), int(e.target[i])
    pixels, total = image, 0
    others = nearest_classes(answer(e, image)[0], target, metric.candidates)
    for _ in range(metric.steps):
        out, slopes = answer(e, pixels)
        if out.argmax() != target:
            break
        steps = [(out[target] - out[k], slopes[k] - slopes[target]) for k in others]
        margin, slope = min(steps, key=lambda step: step[0] / np.linalg.norm(step[1]))
        size = np.linalg.norm(slope)
        total = total + max(margin / size, 1e-4) * slope / size
        pixels = np.clip(image + (1 + metric.overshoot) * total, 0, 1)
    right = answer(e, pixels)[0].argmax() == target
    return np.nan if right else np.linalg.norm(pixels - image) / np.linalg.norm(image)


def clever(e, i, metric):
    image, target = pixels_of(e, i), int(e.target[i])
    out, rng, order = answer(e, image)[0], stream("clever"), 1 if metric.norm == "linf" else 2
    others = nearest_classes(out, target, metric.candidates)
    if out[others[0]] >= out[target]:
        return 0
    maxima = []
    for _ in range(metric.batches):
        points = ball(rng, metric.samples, image.shape, metric.norm)
        slopes = [answer(e, np.clip(image + metric.radius * point, 0, 1))[1] for point in points]
        maxima.append([max(np.linalg.norm((s[target] - s[k]).ravel(), order) for s in slopes) for k in others])
    ends = [end(np.array(values)) for values in zip(*maxima, strict=True)]
    return min(metric.radius, *((out[target] - out[k]) / L for k, L in zip(others, ends, strict=True)))


def end(maxima):
    """The location at which scipy's likelihood of the sample is largest, of shapes from 1 to 10."""
    peak, spread = maxima.max(), np.ptp(maxima)
    if spread < 1e-6 * peak:
        return peak
    sample, best = (maxima - peak) / spread, (np.inf, 0)
    for shape in (1.5, 4, 9):
        for reach in (0.01, 0.3, 3):
            found = minimize(lambda p: weibull_max.nnlf((p[0], p[1], p[2]), sample), (shape, reach, reach + 0.5),
                             method="Nelder-Mead", bounds=[(1, 10), (1e-6, 100), (1e-6, None)],
                             options={"xatol": 1e-9, "fatol": 1e-12, "maxfev": 4000})  # fmt: skip
            best = min(best, (found.fun, found.x[1]))
    return peak + spread * best[1]


clever_linf = clever_l2 = clever
