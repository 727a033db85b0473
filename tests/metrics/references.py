"""Second writings, in float64 and image by image, of those metrics whose value nothing else proves.

A function of a metric's name takes a batch, the number of an image, and the metric; `test_proofs` compares.
"""

import zlib
from copy import deepcopy

import numpy as np
import torch
from scipy.stats import pearsonr, spearmanr

from benchmarks.conformance.models import MEAN, STD

SEED = 0


def dense(tensor):
    return tensor.double().numpy()


def logits(e, image):
    with torch.no_grad():
        return deepcopy(e.model).double()(torch.as_tensor(image, dtype=torch.float64)[None])[0].numpy()


def explain(e, i, image, model=None):
    model = deepcopy(model or e.model).double()
    return e.method(model, torch.as_tensor(image, dtype=torch.float64)[None], e.target[i : i + 1])[0].numpy()


def of_sets(e, i, metric, sets):
    """Correlate the map's sums over sets of pixels with the falls of the logit where they have the mean colour, 0."""
    image, target, values = dense(e.x[i]), e.target[i], dense(e.maps[i])
    falls = [logits(e, image)[target] - logits(e, np.where(pixels, 0, image))[target] for pixels in sets.numpy()]
    return pearsonr([values[pixels].sum() for pixels in sets.numpy()], falls).statistic


def faithfulness_correlation(e, i, metric):
    return of_sets(e, i, metric, metric.pixel_sets(e))


def sensitivity_n(e, i, metric):
    return np.mean([of_sets(e, i, metric, sets) for sets in metric.pixel_sets(e)])


def spearman(a, b):
    return spearmanr(a.ravel(), b.ravel()).statistic


def noisy_images(e, i, metric):
    rng = torch.Generator().manual_seed(zlib.crc32(f"{SEED} noise".encode()))
    for _ in range(metric.samples):
        noise = metric.radius * (2 * torch.rand(e.x.shape[1:], generator=rng).double() - 1)
        yield e.x[i].double() + noise / STD[:, None, None]


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
