"""Occlusion and RISE against captum, literal loops in float64 and the known expectation."""

from dataclasses import replace

import numpy
import pytest
import torch
from captum.attr import Occlusion as CaptumOcclusion
from torch import nn

from methods.perturbation import Occlusion, Rise
from tests.methods import networks
from tests.methods.entries import assert_near, inputs

OCCLUSION = Occlusion(window=0.25, stride=0.125, value=-0.4, batch=16)
RISE = Rise(masks=40, grid=5, p=0.4, seed=0, batch=16)


@pytest.fixture(params=["residual", "plain", "branches", "resnet18"])
def case(request):
    return networks.network(request.param), *networks.images()


def test_occlusion_is_captums(case):
    """Where the windows divide the side: 8 of 32 pixels, every 4."""
    model, x, target = case
    softmax = nn.Sequential(model, nn.Softmax(1))
    options = {"baselines": OCCLUSION.value, "perturbations_per_eval": 8}
    wanted = CaptumOcclusion(softmax).attribute(x.clone(), (3, 8, 8), (3, 4, 4), target=target, **options)
    assert_near(OCCLUSION(model, x, target), wanted[:, 0])


@pytest.mark.parametrize(
    ("height", "width", "window", "stride", "tops", "lefts", "size"),
    [
        (20, 13, 0.3, 0.2, [0, 4, 8, 12, 14], [0, 3, 6, 9], (6, 4)),
        (16, 16, 0.01, 0.01, range(16), range(16), (1, 1)),
        (11, 12, 1.0, 0.5, [0], [0], (11, 12)),
    ],
)
def test_occlusion_is_a_loop_over_squares(height, width, window, stride, tops, lefts, size):
    """The last square is moved back to the border."""
    model, (x, target) = networks.network("plain").double(), networks.images(2, side=20)
    x = x[:, :, :height, :width].double()
    score = lambda images: model(images).softmax(1)[range(2), target]  # noqa: E731
    total, count = torch.zeros(2, height, width).double(), torch.zeros(height, width)
    for top in tops:
        for left in lefts:
            hidden = x.clone()
            hidden[:, :, top : top + size[0], left : left + size[1]] = OCCLUSION.value
            total[:, top : top + size[0], left : left + size[1]] += (score(x) - score(hidden))[:, None, None]
            count[top : top + size[0], left : left + size[1]] += 1
    method = replace(OCCLUSION, window=window, stride=stride)
    assert_near(method(model.float(), x.float(), target).double(), total / count)


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


def masks_of(method, height, width):
    """The masks, read off a white image."""
    white = torch.ones(1, 3, height, width)
    return seen_by(method, Sum(white / white.numel()), white, torch.tensor([0]))[1][:, 0]


def ramp(side, cell, grid):
    """Linear interpolation of `grid` values to (grid + 1) cells, by numpy."""
    centres = (numpy.arange((grid + 1) * cell) + 0.5) * grid / ((grid + 1) * cell) - 0.5
    return numpy.stack([numpy.interp(centres, numpy.arange(grid), row) for row in numpy.eye(grid)], 1)


def test_rise_is_the_sum_over_its_masks(case):
    """A literal loop over images and masks, in float64."""
    model, x, target = case
    maps, masks = RISE(model, x, target), masks_of(RISE, 32, 32).double()
    model, wanted = model.double(), torch.zeros(3, 32, 32).double()
    for i in range(3):
        scores = model(masks[:, None] * x[i].double()).softmax(1)[:, target[i]]
        for score, mask in zip(scores, masks, strict=True):
            wanted[i] += score * mask / (RISE.masks * RISE.p)
    assert_near(maps.double(), wanted)


def test_rise_shows_every_image_the_same_masks():
    model, (x, target) = networks.network("plain"), networks.images()
    _, seen = seen_by(RISE, model, x, target)
    torch.testing.assert_close(seen, (masks_of(RISE, 32, 32)[:, None, None] * x).flatten(0, 1))


@pytest.mark.parametrize(("height", "width", "cells"), [(32, 32, (7, 7)), (35, 22, (7, 5))])
def test_rise_masks_are_upsampled_grids_at_random_places(height, width, cells):
    """Each mask is R G C for a grid G of zeros and ones and a crop of the ramps: find the crop and the grid again."""
    masks = masks_of(RISE, height, width).double().numpy()
    rows, columns = (ramp(side, cell, RISE.grid) for side, cell in zip((height, width), cells, strict=True))
    crops = [(top, left) for top in range(cells[0]) for left in range(cells[1])]
    found, ones = set(), []
    for mask in masks:
        errors = []
        for top, left in crops:
            r, c = rows[top : top + height], columns[left : left + width]
            grid = (numpy.linalg.pinv(r) @ mask @ numpy.linalg.pinv(c).T).round().clip(0, 1)
            errors.append(abs(r @ grid @ c.T - mask).max())
            if errors[-1] == min(errors):
                best, share = (top, left), grid.mean()
        assert min(errors) < 1e-5
        found.add(best)
        ones.append(share)
    assert len(found) > 15, "crops do not vary"
    assert abs(numpy.mean(ones) - RISE.p) < 5 * (RISE.p * (1 - RISE.p) / (RISE.masks * RISE.grid**2)) ** 0.5


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


def test_rise_masks_depend_on_the_seed_and_not_on_the_pass():
    assert torch.equal(masks_of(RISE, 32, 32), masks_of(replace(RISE, batch=1), 32, 32))
    assert not torch.equal(masks_of(RISE, 32, 32), masks_of(replace(RISE, seed=1), 32, 32))


@pytest.mark.parametrize(
    ("method", "wrong"),
    [
        *((RISE, {"p": p}) for p in (0.0, 1.0)),
        *((RISE, wrong) for wrong in ({"masks": 0}, {"grid": 0}, {"seed": -1}, {"batch": 0})),
        *((OCCLUSION, wrong) for wrong in ({"window": 1.5}, {"stride": 0.0}, {"stride": 0.5})),
        *((OCCLUSION, wrong) for wrong in ({"value": float("nan")}, {"batch": 0})),
    ],
)
def test_values_out_of_range_are_named(method, wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=f"needs .*{name}.*; .*{name}={value!r}.* (was|were) given"):
        replace(method, **wrong)
