"""Gradient methods where networks are awkward or numbers large, and the identity of full gradients."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from methods.gradient import full_gradients
from models.canonical import canonical
from tests.methods import networks
from tests.methods.entries import assert_near, entry, explain, logit

GRADIENTS = ["gradient", "input_x_gradient", "integrated_gradients", "expected_gradients", "blur_integrated_gradients"]
GRADIENTS += ["guided_integrated_gradients", "smooth_grad", "smooth_grad_squared", "var_grad"]


@pytest.mark.parametrize("name", GRADIENTS)
def test_first_layer_may_work_in_place(name):
    tail, (x, target) = networks.network("plain"), networks.images(side=16)
    before = x.clone()
    maps = explain(entry(name), nn.Sequential(nn.ReLU(inplace=True), tail), x, target)
    assert torch.equal(x, before)
    assert torch.equal(maps, explain(entry(name), nn.Sequential(nn.ReLU(), tail), x, target))


class Square(nn.Module):
    """Half the sum of squares, and a slope: its gradient is the image plus the slope."""

    def forward(self, x):
        return (x**2 / 2 + 1e5 * x).sum((1, 2, 3))[:, None]


@pytest.mark.parametrize("batch", [3, 6, 300])
def test_variance_does_not_drown_in_a_large_mean(batch):
    """float32 holds 1e5 to 0.008: the variance as a difference of moments near 1e10 would be rounding."""
    x, target = networks.images(3, side=8, classes=1)
    method = replace(entry("var_grad"), samples=50, noise=0.5, batch=batch)
    assert_near(method(Square(), x, target).double(), method(Square(), x.double(), target), 1e-2)


def test_guided_path_that_does_not_move():
    x, method = torch.full((2, 3, 16, 16), 0.3), replace(entry("guided_integrated_gradients"), baseline=0.3)
    assert (method(networks.network("plain"), x, torch.tensor([0, 1])) == 0).all()


@pytest.mark.parametrize("family", networks.FAMILIES)
def test_full_gradients_sum_to_the_logit(family):
    """The paper's identity; the biases of all layers are needed."""
    model, (x, target) = networks.network(family).double(), networks.images()
    x = x.double()
    pixels, layers = full_gradients(canonical(model, x), x, target)
    terms = [term.flatten(1).sum(1) for term in (pixels, *layers.values())]
    wanted = logit(model, x, target)
    torch.testing.assert_close(sum(terms), wanted, rtol=1e-9, atol=1e-9)
    assert max(abs(term).max() for term in terms[1:]) > 0.01 and len(layers) > 2
    assert (sum(terms) - terms[-1] - wanted).abs().max() > 1e-3
