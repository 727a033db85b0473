"""Path integrals: their laws, the points on their paths, and closed forms."""

from dataclasses import replace

import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import nn

from methods.path import BlurIntegratedGradients, ExpectedGradients, GuidedIntegratedGradients
from tests.methods import networks
from tests.methods.entries import assert_near, background, inputs, logit
from tests.methods.networks import Square

EXPECTED = ExpectedGradients(samples=5, seed=0, batch=16)
BLUR = BlurIntegratedGradients(steps=5, sigma=0.2, batch=16)
GUIDED = GuidedIntegratedGradients(steps=5, fraction=0.25, deviation=1.0, baseline=0.3, batch=16)


def linear(side: int = 8) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * side * side, 4)).requires_grad_(False)


def residuals(method, model, x, target, reference):
    """What the maps' sums miss, of what they explain."""
    wanted = logit(model, x, target) - logit(model, reference, target)
    return (method(model, x, target).sum((1, 2)) - wanted).abs() / wanted.abs().max()


def test_linear_network_is_input_less_reference_times_weight():
    model, (x, target) = linear(), networks.images(3, side=8)
    evidence = model[1].weight[target].view_as(x)
    others = background(x)
    wanted = ((x - others.mean(0)) * evidence).sum(1)
    assert_near(replace(EXPECTED, samples=2 * len(others))(model, x, target, background=others), wanted, 1e-5)
    assert_near(BLUR(model, x, target), ((x - BLUR.reference(x)) * evidence).sum(1), 1e-5)
    for deviation in (0.0, 0.1, 1.0):
        maps = replace(GUIDED, deviation=deviation)(model, x, target)
        assert_near(maps, ((x - GUIDED.baseline) * evidence).sum(1), 1e-5)


@pytest.mark.parametrize("samples", [1, 5, 12])
def test_background_images_are_used_evenly(samples):
    """At a linear network a map tells which images were used: the share of each in the mean is solved for."""
    model, (x, target) = linear(), networks.images(1, side=8)
    others = background(x)
    maps = replace(EXPECTED, samples=samples)(model, x, target, background=others)
    columns = ((x - others) * model[1].weight[target].view_as(x)).sum(1).flatten(1).T
    counts = torch.linalg.lstsq(columns.double(), maps.flatten().double()[:, None]).solution[:, 0] * samples
    torch.testing.assert_close(counts, counts.round(), atol=1e-3, rtol=0)
    assert round(counts.sum().item()) == samples and counts.max() - counts.min() < 1.01


def test_expected_gradients_meet_the_expectation():
    """For half a square the mean over a is (x^2 - x'^2) / 2, its standard error (x - x')^2 / sqrt(12 samples)."""
    x, target = networks.images(3, side=8, classes=1)
    others, samples = background(x), 2000
    maps = replace(EXPECTED, samples=samples, batch=600)(Square(), x, target, background=others)
    wanted = ((x**2 - (others**2).mean(0)) / 2).sum(1)
    error = ((x[:, None] - others) ** 2).sum(2).square().mean(1).sqrt() / (12 * samples) ** 0.5
    assert ((maps - wanted).abs() < 4 * error).all() and ((maps - wanted).abs() > 0.01 * error).any()


def test_blur_integrated_gradients_are_complete():
    model, (x, target) = networks.network("residual"), networks.images()
    few, many = (
        residuals(replace(BLUR, steps=steps, batch=150), model, x, target, BLUR.reference(x)) for steps in (4, 300)
    )
    assert many.max() < 1e-2 and many.mean() < 0.3 * few.mean()


def test_blurred_path_is_exact_where_the_gradient_is_linear():
    x, target = networks.images(2, side=8, classes=1)
    reference = BLUR.reference(x)
    assert_near(replace(BLUR, steps=1)(Square(), x, target), ((x**2 - reference**2) / 2).sum(1), 1e-5)


def test_blur_is_a_fraction_of_the_shorter_side():
    x, _ = networks.images(2)
    x = x[:, :, :16]
    wanted = gaussian_filter(x.numpy(), (0, 0, 0.25 * 16, 0.25 * 16), mode="reflect", truncate=10)
    reference = replace(BLUR, sigma=0.25).reference(x)
    assert (reference - torch.from_numpy(wanted)).abs().max() < 0.02 * reference.abs().max()
    torch.testing.assert_close(replace(BLUR, sigma=5.0).reference(x), x.mean((2, 3), keepdim=True).expand_as(x))
    assert not replace(BLUR, sigma=5.0).reference(x.clone().requires_grad_()).requires_grad


@pytest.mark.parametrize(("deviation", "fraction"), [(0.05, 1.0), (0.3, 0.01), (1.0, 0.25)])
def test_guided_path_goes_to_the_image_in_equal_steps(deviation, fraction):
    model, (x, target) = networks.network("plain").double(), networks.images()
    x = x.double()
    method = replace(GUIDED, deviation=deviation, fraction=fraction, batch=3)
    _, seen = inputs(method, model, x, target)
    way, shares = x - GUIDED.baseline, (torch.stack(seen) - GUIDED.baseline) / (x - GUIDED.baseline)
    distances = [(x - point).abs().sum((1, 2, 3)) / way.abs().sum((1, 2, 3)) for point in seen]
    wanted = torch.arange(5, 0, -1)[:, None].double() / 5
    torch.testing.assert_close(torch.stack(distances), wanted.expand(-1, 3), atol=1e-9, rtol=0)
    assert (shares.diff(dim=0) > -1e-9).all() and shares.max() < 1 + 1e-9
    assert ((shares + wanted[:, :, None, None, None] - 1).abs() < deviation + 1e-9).all()


def test_guided_path_that_does_not_move():
    model = networks.network("plain")
    x, target = torch.full((2, 3, 32, 32), GUIDED.baseline), torch.tensor([0, 1])
    assert (GUIDED(model, x, target) == 0).all()
