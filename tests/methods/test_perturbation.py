"""Occlusion of images that squares do not divide; RISE shares its masks and meets its expectation."""

from dataclasses import replace

import numpy
import pytest
import torch
from torch import nn

from methods.perturbation import Occlusion, Rise
from tests.methods import networks
from tests.methods.entries import assert_near, inputs
from tests.methods.references.perturbation import occlusion

OCCLUSION = Occlusion(window=0.25, stride=0.125, value=-0.4, batch=16)
RISE = Rise(masks=40, grid=5, p=0.4, seed=0, batch=16)


@pytest.mark.parametrize(
    ("height", "width", "window", "stride"), [(20, 13, 0.3, 0.2), (9, 8, 0.01, 0.01), (11, 12, 1, 0.5)]
)
def test_the_last_square_of_occlusion_is_moved_back_to_the_border(height, width, window, stride):
    """On sides that squares do not divide; the shared architectures have square images."""
    model, (x, target) = networks.network("plain").double(), networks.images(2, side=20)
    x, method = x[:, :, :height, :width].double(), replace(OCCLUSION, window=window, stride=stride)
    assert_near(method(model, x, target), occlusion(method, model, x, target), 1e-9)


class Sum(nn.Module):
    """Two classes; the probability of the first is the weighed sum of the image, which must lie in (0, 1)."""

    def __init__(self, weight):
        super().__init__()
        self.weight = weight

    def forward(self, x):
        probability = (self.weight * x).sum((1, 2, 3))
        return torch.stack([probability, 1 - probability], 1).log()


def seen_by(method, model, x, target):
    """The map, and everything that the method passes through the model."""
    maps, seen = inputs(method, model, x, target)
    return maps, torch.cat(seen)


def ramp(side, cell, grid):
    """Linear interpolation of `grid` values to (grid + 1) cells, by numpy."""
    centres = (numpy.arange((grid + 1) * cell) + 0.5) * grid / ((grid + 1) * cell) - 0.5
    return numpy.stack([numpy.interp(centres, numpy.arange(grid), row) for row in numpy.eye(grid)], 1)


def test_rise_shows_every_image_the_same_masks():
    model, x = networks.network("plain"), networks.images(2)[0]
    x[0] = 1.0
    seen = seen_by(RISE, model, x, torch.tensor([0, 1]))[1]
    torch.testing.assert_close(seen[1::2], seen[::2] * x[1])


def test_rise_meets_its_expectation_on_a_linear_model():
    """E map = p sum(e) + cov(M) e / p, evidence e = sum_c w x, cov(M) = p (1 - p) mean over crops (R R') x (C C')."""
    side, cell = 20, 4
    rng = torch.Generator().manual_seed(0)
    x = torch.rand(1, 3, side, side, generator=rng)
    weight = torch.rand(3, side, side, generator=rng) / (3 * side * side)
    weight[:, 4:9, 10:16] *= 30
    weight *= 0.9 / (weight * x).sum()
    method = replace(RISE, masks=6000, batch=500)
    evidence = (weight * x)[0].sum(0).double().numpy()
    crops = [ramp(side, cell, RISE.grid)[shift : shift + side] for shift in range(cell)]
    kernel = sum(crop @ crop.T for crop in crops) / cell
    wanted = RISE.p * evidence.sum() + (1 - RISE.p) * kernel @ evidence @ kernel
    maps, seen = seen_by(method, Sum(weight), x, torch.tensor([0]))
    masks = seen[:, 0] / x[:, 0]
    terms = (weight * seen).sum((1, 2, 3))[:, None, None] * masks / RISE.p
    error = terms.double().std(0) / method.masks**0.5
    assert ((maps[0] - torch.from_numpy(wanted)).abs() < 5 * error).all()
    inside = torch.zeros(side, side, dtype=torch.bool)
    inside[4:9, 10:16] = True
    assert inside.flatten()[maps[0].argmax()]
