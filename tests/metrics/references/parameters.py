"""Randomised weights, written a second time."""

import zlib
from copy import deepcopy

import numpy as np
import torch

from benchmarks.conformance.models import MEAN, STD
from tests.metrics.references.noise import noisy, noisy_images
from tests.metrics.writing import SEED, correlation, dense, explain


def mprt(e, i, metric):
    ours = explain(e, i, e.x[i])
    copies = randomised(e, (["head", "second"], ["norm"], ["first"]))  # 4 layers in 3 stages: ceil(4/3), ceil(8/3), 4
    return np.mean([abs(correlation(ours, explain(e, i, e.x[i], model))) for model in copies])


def smooth_mprt(e, i, metric):
    (model,) = randomised(e, (["head", "second", "norm", "first"],))
    ours = np.mean(list(noisy(e, i, metric)), 0)
    return abs(correlation(ours, np.mean([explain(e, i, x, model) for x in noisy_images(e, i, metric)], 0)))


def randomised(e, stages):
    """The model with the layers of each stage drawn anew, beside those of the stages before."""
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
