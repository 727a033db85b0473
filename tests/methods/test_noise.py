"""The draws of noisy gradients, and how their mean, square and variance belong together."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from methods.gradient import Gradient, SmoothGrad, SmoothGradSquared, VarGrad
from tests.methods import networks
from tests.methods.entries import assert_near, inputs
from tests.methods.networks import Square

SMOOTH = SmoothGrad(samples=5, noise=0.2, seed=0, batch=16)
SQUARED = SmoothGradSquared(samples=5, noise=0.2, seed=0, batch=16)
VARIANCE = VarGrad(samples=5, noise=0.2, seed=0, batch=16)


def test_smooth_grad_draws_are_shared_and_scaled_by_the_range():
    model, (x, target) = networks.network("plain"), networks.images()
    x = x * torch.tensor([1.0, 3.0, 0.1])[:, None, None, None]
    _, seen = inputs(replace(SMOOTH, samples=60, batch=3), model, x, target)
    span = x.flatten(1).amax(1) - x.flatten(1).amin(1)
    draws = (torch.stack(seen) - x) / span[:, None, None, None]
    torch.testing.assert_close(draws[:, 0], draws[:, 1], atol=1e-5, rtol=0)
    torch.testing.assert_close(draws[:, 0], draws[:, 2], atol=1e-5, rtol=0)
    count = draws[:, 0].numel()
    assert abs(draws[:, 0].std() / SMOOTH.noise - 1) < 5 / (2 * count) ** 0.5
    assert abs(draws[:, 0].mean()) < 5 * SMOOTH.noise / count**0.5
    assert (draws[0, 0] - draws[1, 0]).std() > SMOOTH.noise


def test_the_square_is_the_variance_and_the_squared_mean():
    """For images of one channel, where no channel has to be chosen."""
    tail, (x, target) = networks.network("residual"), networks.images()

    class Grey(nn.Module):
        def forward(self, x):
            return tail(x.expand(-1, 3, -1, -1))

    smooth, squared, variance = (method(Grey(), x[:, :1], target) for method in (SMOOTH, SQUARED, VARIANCE))
    assert_near(squared, variance + smooth**2, 1e-5)


@pytest.mark.parametrize("batch", [3, 6, 300])
def test_variance_does_not_drown_in_a_large_mean(batch):
    """float32 holds 1e5 to 0.008: the variance as a difference of moments near 1e10 would be rounding."""
    x, target = networks.images(3, side=8, classes=1)
    method = replace(VARIANCE, samples=50, noise=0.5, batch=batch)
    exact = method(Square(1e5), x.double(), target)
    assert_near(method(Square(1e5), x, target).double(), exact, 1e-2)


def test_without_noise():
    model, (x, target) = networks.network("residual"), networks.images()
    gradient = Gradient()(model, x, target)
    assert_near(replace(SMOOTH, noise=0.0)(model, x, target), gradient, 1e-5)
    assert_near(replace(SQUARED, noise=0.0)(model, x, target), gradient**2, 1e-5)
    assert replace(VARIANCE, noise=0.0)(model, x, target).max() < 1e-8
