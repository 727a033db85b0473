"""What the second writings of the metrics share: one image at a time, float64, numpy and scipy."""

import zlib
from copy import deepcopy

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from scipy.stats import spearmanr

from benchmarks.conformance.models import MEAN, STD

SEED, SIDE = 0, 16


def dense(tensor):
    return tensor.double().numpy()


def logits(e, image):
    """One image (3, h, w), in float64."""
    with torch.no_grad():
        return deepcopy(e.model).double()(torch.as_tensor(image, dtype=torch.float64)[None])[0].numpy()


def explain(e, i, image, model=None, target=None):
    model = deepcopy(model or e.model).double()
    target = e.target[i : i + 1] if target is None else torch.tensor([target])
    return e.method(model, torch.as_tensor(image, dtype=torch.float64)[None], target)[0].numpy()


def resolved(values):
    """The values' places, from 0; a step of at most 2^-21 of the largest magnitude is none."""
    place, places, last = 0, np.zeros(values.size), None
    for p in np.argsort(values.ravel()):
        place += last is not None and values.flat[p] - last > 2.0**-21 * np.abs(values).max()
        places[p], last = place, values.flat[p]
    return places


def correlation(a, b):
    return spearmanr(resolved(a), resolved(b)).statistic


def order(values):
    """Pixels from the most important, ties by the permutation that all maps share."""
    values = resolved(values)
    tie = torch.randperm(values.size, generator=torch.Generator().manual_seed(SEED)).numpy()
    return sorted(range(values.size), key=lambda p: (-values.flat[p], -tie[p]))


def stream(purpose):
    return torch.Generator().manual_seed(zlib.crc32(f"{SEED} {purpose}".encode()))


def fill(name, image):
    side = image.shape[-1]
    mean, std = (dense(t)[:, None, None] for t in (MEAN, STD))
    match name:
        case "black":
            pixels = np.zeros_like(image)
        case "mean":
            pixels = np.zeros_like(image) + mean
        case "blur":
            blur = {"sigma": 0.1 * side, "mode": "mirror", "radius": round(0.3 * side)}
            pixels = np.stack([gaussian_filter(channel, **blur) for channel in image * std + mean])
        case "uniform":
            pixels = torch.rand(image.shape, generator=stream("baseline")).numpy()
    return (pixels - mean) / std
