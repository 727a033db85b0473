"""What the second writings of the metrics share: one image at a time, float64, numpy and scipy."""

import zlib
from copy import deepcopy
from itertools import product

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from scipy.sparse import diags, lil_matrix
from scipy.sparse.linalg import spsolve
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
    """The values' places, from 0; what exceeds a place's first value by at most 2^-20 of the largest is in it."""
    width, place, places, first = 2.0**-20 * np.abs(values).max(), -1, np.zeros(values.size), -np.inf
    for p in np.argsort(values.ravel()):
        if values.flat[p] > first + width:
            place, first = place + 1, values.flat[p]
        places[p] = place
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


def fill(name, image, removed=None):
    """The image that shows where one is removed; `noisy_linear` has to know all that is."""
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
        case "noisy_linear":
            left = removed is not None and not removed.all()
            pixels = means_of_neighbours(image * std + mean, removed) if left else np.zeros_like(image) + mean
            pixels = pixels + 0.01 * torch.randn(image.shape, generator=stream("noisy linear")).numpy()
    return (pixels - mean) / std


def means_of_neighbours(image, removed):
    """The image (c, h, w) whose removed pixels are weighted means of their neighbours: one sparse system."""
    h, w = removed.shape
    pixels = np.arange(h * w).reshape(h, w)
    weights = lil_matrix((h * w, h * w))
    for (y, x), (dy, dx) in product(np.argwhere(removed), product((-1, 0, 1), repeat=2)):
        if (dy or dx) and 0 <= y + dy < h and 0 <= x + dx < w:
            weights[pixels[y, x], pixels[y + dy, x + dx]] = 1 / 12 if dy and dx else 1 / 6
    sums = np.asarray(weights.sum(1)).ravel()
    system = diags(np.where(removed.ravel(), sums, 1)) - weights
    right = np.where(removed, 0, image).reshape(len(image), -1)
    return spsolve(system.tocsc(), right.T).T.reshape(image.shape)
