"""Gradient methods where networks are awkward or numbers large, and the identity of full gradients."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from methods.gradient import full_gradients
from models.canonical import canonical
from tests.methods import networks
from tests.methods.entries import assert_near, entry, explain, logit, relative

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


class ChannelsLast(nn.Module):
    """A convolution of single pixels as a linear layer over the last dimension, followed by a scale or not."""

    def __init__(self, last: bool):
        super().__init__()
        self.last, self.first, self.head = last, nn.Conv2d(3, 4, 3), nn.Linear(5, 4)
        self.pixelwise = nn.Linear(4, 5) if last else nn.Conv2d(4, 5, 1)
        self.scale, self.shift = (nn.Parameter(torch.arange(1.0, 6)) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        x = self.pixelwise(x.permute(0, 2, 3, 1) if self.last else x).relu()
        shape = (-1,) if self.last else (-1, 1, 1)
        x = x * self.scale.view(shape) + self.shift.view(shape)
        return self.head(x.mean((1, 2) if self.last else (2, 3)))


def test_full_grad_of_channels_in_the_last_dimension():
    last, first = (ChannelsLast(last).double().eval().requires_grad_(False) for last in (True, False))
    weights = {k: v[..., None, None] if k == "pixelwise.weight" else v for k, v in last.state_dict().items()}
    first.load_state_dict(weights)
    (x, target), method = networks.images(2, 12), entry("full_grad")
    assert relative(method(last, x.double(), target), method(first, x.double(), target)) < 1e-9


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
