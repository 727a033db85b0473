"""LIME and KernelSHAP with few samples and superpixels, and against captum's Shapley values."""

from dataclasses import replace

import pytest
import torch
from captum.attr import ShapleyValues
from torch import nn

from methods.surrogate import KernelShap, Lime, superpixels
from tests.methods import networks

LIME = Lime(masks=60, segments=12, width=0.25, ridge=1.0, value=-0.3, seed=0, batch=200)
SHAP = KernelShap(masks=60, segments=12, baseline=-0.3, seed=0, batch=200)
METHODS = pytest.mark.parametrize("method", [LIME, SHAP], ids=["lime", "kernel_shap"])


def values(method, model, x, target):
    """The values (n, k) of the superpixels: sums of the map."""
    labels, maps = superpixels(x, method.segments).flatten(1), method(model, x, target)
    return torch.zeros(len(x), labels.max() + 1).to(maps).scatter_add_(1, labels, maps.flatten(1))


@pytest.mark.slow
def test_kernel_shap_nears_shapley_values():
    """The error is 1 / sqrt(16) at 16 times the samples. captum's are means over all orders of the superpixels."""
    model, (x, target) = networks.network("plain").double(), networks.images(1, side=16)
    x, method, error = x.double(), replace(SHAP, segments=7), []
    labels = superpixels(x, 7)
    options = {"baselines": method.baseline, "target": target, "feature_mask": labels[:, None]}
    shares = ShapleyValues(model).attribute(x, perturbations_per_eval=100, **options)[0, 0]
    wanted = torch.stack([shares[labels[0] == i].mean() for i in range(int(labels.max()) + 1)]).double()
    assert len(wanted) > 4
    for samples in (40, 640):
        runs = [replace(method, masks=samples, seed=seed) for seed in range(10)]
        found = torch.cat([values(run, model, x, target) for run in runs]) - wanted
        error.append(found.square().mean().sqrt().item())
    assert error[1] < 0.02 * wanted.abs().max() and 2.5 < error[0] / error[1] < 7


class All(nn.Module):
    """Two classes; the first earns 8 where no pixel is painted over."""

    def forward(self, x):
        first = 8.0 * (x != SHAP.baseline).flatten(1).all(1).double()
        return torch.stack([first, torch.zeros_like(first)], 1)


def test_kernel_shap_without_samples_to_tell_is_nearest_to_equal():
    """One coalition, which earns nothing of the 8 that there are: its members get 0, the others share alike."""
    x = torch.randn(1, 3, 2, 4).double().repeat_interleave(8, 2).repeat_interleave(8, 3)
    found = values(replace(SHAP, segments=8, masks=1), All(), x, torch.tensor([0]))[0]
    others = found > 1e-9
    assert 0 < others.sum() < len(found) == 8
    torch.testing.assert_close(found, others * 8 / others.sum().double())


@METHODS
def test_map_does_not_depend_on_images_with_other_numbers_of_superpixels(method):
    model, (x, target) = networks.network("residual").double(), networks.images(3)
    x, method = x.double(), replace(method, masks=6, segments=50)
    assert len(set(superpixels(x, 50).amax((1, 2)).tolist())) > 1
    alone = torch.cat([method(model, x[i : i + 1], target[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(method(model, x, target), alone, rtol=1e-8, atol=1e-10)


@METHODS
def test_one_superpixel_is_all_there_is(method):
    model, (x, target) = networks.network("plain").double(), networks.images(2, side=16)
    x, method = x.double(), replace(method, segments=1)
    maps = method(model, x, target)
    assert superpixels(x, 1).max() == 0 and (maps != 0).all() and (maps == maps[:, :1, :1]).all()
