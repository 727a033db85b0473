"""Second writings, in float64 and image by image, of those metrics whose value nothing else proves.

A function of a metric's name takes a batch, the number of an image, and the metric; `test_proofs` compares.
"""

import zlib
from copy import deepcopy
from itertools import product

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from scipy.sparse import diags, lil_matrix
from scipy.sparse.linalg import spsolve
from scipy.stats import pearsonr, spearmanr

from benchmarks.conformance.models import MEAN, STD

SEED = 0


def dense(tensor):
    return tensor.double().numpy()


def logits(e, image):
    with torch.no_grad():
        return deepcopy(e.model).double()(torch.as_tensor(image, dtype=torch.float64)[None])[0].numpy()


def explain(e, i, image, model=None, target=None):
    model = deepcopy(model or e.model).double()
    target = e.target[i : i + 1] if target is None else torch.tensor([target])
    return e.method(model, torch.as_tensor(image, dtype=torch.float64)[None], target)[0].numpy()


def stream(purpose):
    return torch.Generator().manual_seed(zlib.crc32(f"{SEED} {purpose}".encode()))


def fill(name, image, removed=None):
    """Return the normalised image that shows where pixels are removed; `noisy_linear` reads which ones are."""
    mean, std = (dense(t)[:, None, None] for t in (MEAN, STD))
    match name:
        case "black":
            pixels = np.zeros_like(image)
        case "mean":
            pixels = np.zeros_like(image) + mean
        case "blur":
            sigma, radius = ([share * side for side in image.shape[1:]] for share in (0.1, 0.3))
            blur = {"sigma": sigma, "mode": "mirror", "radius": np.round(radius).astype(int)}
            pixels = np.stack([gaussian_filter(channel, **blur) for channel in image * std + mean])
        case "uniform":
            pixels = torch.rand(image.shape, generator=stream("baseline")).numpy()
        case "noisy_linear":
            left = removed is not None and not removed.all()
            pixels = means_of_neighbours(image * std + mean, removed) if left else np.zeros_like(image) + mean
            pixels = pixels + 0.01 * torch.randn(image.shape, generator=stream("noisy linear")).numpy()
    return (pixels - mean) / std


def means_of_neighbours(image, removed):
    """Return the image (c, h, w) whose removed pixels are weighted means of their neighbours: one sparse system."""
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


def of_sets(e, i, metric, sets):
    """Correlate the map's sums over sets of pixels with the falls of the logit without them."""
    image, target, values = dense(e.x[i]), e.target[i], dense(e.maps[i])
    clean, baseline = logits(e, image)[target], fill(metric.baseline, image)
    falls = [clean - logits(e, np.where(pixels, baseline, image))[target] for pixels in sets.numpy()]
    return pearsonr([values[pixels].sum() for pixels in sets.numpy()], falls).statistic


def faithfulness_correlation(e, i, metric):
    return of_sets(e, i, metric, metric.pixel_sets(e))


def sensitivity_n(e, i, metric):
    return np.mean([of_sets(e, i, metric, sets) for sets in metric.pixel_sets(e)])


def spearman(a, b):
    return spearmanr(a.ravel(), b.ravel()).statistic


def noisy_images(e, i, metric):
    rng = stream("noise")
    for _ in range(metric.samples):
        noise = metric.radius * (2 * torch.rand(e.x.shape[1:], generator=rng).double() - 1)
        yield e.x[i].double() + noise / STD[:, None, None]


def random_logit(e, i, metric):
    offset = torch.randint(1, 4, (), generator=torch.Generator().manual_seed(SEED)).item()
    other = explain(e, i, e.x[i], target=(e.target[i].item() + offset) % 4)
    return abs(spearman(explain(e, i, e.x[i]), other))


def mprt(e, i, metric):
    """Four layers in three stages: ceil(4 / 3), ceil(8 / 3), 4."""
    before, models = explain(e, i, e.x[i]), randomised(e, (["head", "second"], ["norm"], ["first"]))
    return np.mean([abs(spearman(before, explain(e, i, e.x[i], model))) for model in models])


def smooth_mprt(e, i, metric):
    (model,) = randomised(e, (["head", "second", "norm", "first"],))
    before, after = (np.mean([explain(e, i, x, m) for x in noisy_images(e, i, metric)], 0) for m in (e.model, model))
    return abs(spearman(before, after))


def randomised(e, stages):
    """Yield the model with the layers of each stage drawn anew, beside those of the stages before."""
    model, settled = deepcopy(e.model), False
    for stage in stages:
        for name in stage:
            layer = model.get_submodule(name)
            rng = torch.Generator().manual_seed(zlib.crc32(f"{SEED} {name}".encode()))
            if name == "norm":
                layer.reset_parameters()
                settled = True
            else:
                fan_in = layer.weight.numel() // layer.weight.shape[0]
                layer.weight.copy_(torch.randn(layer.weight.shape, generator=rng) * np.sqrt(2 / fan_in))
                layer.bias.zero_()
        if settled:
            noise = torch.rand(8, *e.x.shape[1:], generator=torch.Generator().manual_seed(SEED))
            before = dense(model.first((noise - MEAN[:, None, None]) / STD[:, None, None]))
            model.norm.running_mean.copy_(torch.from_numpy(before.mean((0, 2, 3))))
            model.norm.running_var.copy_(torch.from_numpy(before.var((0, 2, 3), ddof=1)))
        yield model
