"""Relative changes, written a second time."""

from copy import deepcopy

import numpy as np
import torch

from benchmarks.conformance.models import MEAN, STD
from tests.metrics.references.noise import noises, noisy, noisy_images
from tests.metrics.writing import dense, explain, logits


def largest(e, i, metric, denominators):
    ours, clean, found = explain(e, i, e.x[i]), logits(e, e.x[i]), []
    guarded = np.where(abs(ours) > metric.floor * abs(ours).max(), ours, metric.floor * abs(ours).max())
    for other, image, below in zip(noisy(e, i, metric), noisy_images(e, i, metric), denominators, strict=True):
        if logits(e, image).argmax() == clean.argmax():
            found.append(np.sqrt((((ours - other) / guarded) ** 2).sum()) / max(below, metric.eps_min))
    return max(found)


def relative_input_stability(e, i, metric):
    pixels = dense(e.x[i]) * dense(STD)[:, None, None] + dense(MEAN)[:, None, None]
    return largest(e, i, metric, [np.linalg.norm(d / np.maximum(pixels, 1 / 255)) for d in noises(e, metric)])


def relative_output_stability(e, i, metric):
    clean = logits(e, e.x[i])
    return largest(e, i, metric, [np.linalg.norm(logits(e, x) - clean) for x in noisy_images(e, i, metric)])


def relative_representation_stability(e, i, metric):
    model = deepcopy(e.model).double()
    known = {"": model, "second": lambda x: model.second(model.norm(model.first(x)).relu())}[metric.layer]

    def layer(image):
        return known(torch.as_tensor(image, dtype=torch.float64)[None])[0].detach().numpy().ravel()

    clean = layer(e.x[i])
    size = np.clip(abs(clean), metric.floor * abs(clean).max(), None)
    return largest(e, i, metric, [np.linalg.norm((layer(x) - clean) / size) for x in noisy_images(e, i, metric)])
