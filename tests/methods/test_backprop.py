"""Modified gradients at the relatives of ReLU, by hand: captum, the reference for ReLUs, has no rule for them."""

import pytest
import torch
from torch import nn

from methods.backprop import Deconvnet, GuidedBackprop
from models.canonical import canonical

RELATIVES = [nn.ReLU(), nn.ReLU6(), nn.LeakyReLU(0.2), nn.SiLU(), nn.GELU(), nn.Hardswish()]


@pytest.mark.parametrize("function", RELATIVES, ids=lambda m: type(m).__name__)
def test_a_rectifier_hands_on_positive_gradients_only(function):
    """Two weights of both signs around one function, at inputs where its slope is 0, negative, small and large."""
    a = torch.tensor([-5.0, -2.0, -0.5, 0.5, 3.0, 7.0], dtype=torch.float64)
    model = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), function, nn.Flatten(), nn.Linear(6, 2, bias=False))
    model = model.double().eval().requires_grad_(False)
    weights = torch.tensor([3.0, -3, 3, -3, 3, -3], dtype=torch.float64)
    model[0].weight.fill_(2), model[3].weight.copy_(torch.stack([weights, -weights]))
    middle = a.clone().requires_grad_()
    (slope,) = torch.autograd.grad(function(middle).sum(), middle)
    for method, wanted in (
        (Deconvnet, lambda g: g.clamp(min=0)),
        (GuidedBackprop, lambda g: (g * slope).clamp(min=0)),
    ):
        for target, g in enumerate(model[3].weight):
            maps = method(canonical)(model, a.view(1, 1, 1, 6) / 2, torch.tensor([target]))
            torch.testing.assert_close(maps.flatten(), 2 * wanted(g))


def test_bounded_functions_keep_their_gradient():
    model = nn.Sequential(nn.ReLU(), nn.Sigmoid(), nn.Flatten(), nn.Linear(2, 1)).double().eval().requires_grad_(False)
    model[3].weight.copy_(torch.tensor([[1.0, -1.0]]))
    x = torch.ones(1, 1, 1, 2, dtype=torch.float64)
    maps = GuidedBackprop(canonical)(model, x, torch.tensor([0])).flatten()
    slope = torch.sigmoid(x[0, 0, 0, 0]) * (1 - torch.sigmoid(x[0, 0, 0, 0]))
    torch.testing.assert_close(maps, torch.stack([slope, torch.zeros_like(slope)]))
