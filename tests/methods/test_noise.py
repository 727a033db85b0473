"""Statistics of noisy gradients against captum, what they pass and closed forms."""

from dataclasses import replace

import pytest
import torch
from captum.attr import NoiseTunnel, Saliency
from torch import nn

from methods.gradient import Gradient
from methods.noise import SmoothGrad, SmoothGradSquared, VarGrad
from tests.conftest import composed
from tests.methods import networks
from tests.methods.entries import assert_near, inputs, logit
from tests.methods.networks import Square

SMOOTH = SmoothGrad(samples=5, noise=0.2, seed=0, batch=16)
SQUARED = SmoothGradSquared(samples=5, noise=0.2, seed=0, batch=16)
VARIANCE = VarGrad(samples=5, noise=0.2, seed=0, batch=16)


@pytest.fixture(params=["residual", "plain", "branches", "resnet18"])
def case(request):
    return networks.network(request.param), *networks.images()


def test_smooth_grad_averages_gradients_of_what_it_passes(case):
    """Signed gradients are averaged first, the absolute value follows."""
    model, x, target = case
    maps, seen = inputs(replace(SMOOTH, batch=len(x)), model, x, target)
    assert len(seen) == SMOOTH.samples
    model, total = model.double(), 0
    for noisy in seen:
        noisy = noisy.double().requires_grad_()
        total = total + torch.autograd.grad(logit(model, noisy, target).sum(), noisy)[0]
    assert_near(maps, (total / len(seen)).abs().amax(1))


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


def test_smooth_grad_and_captums_noise_tunnel_meet_the_expectation():
    """For sum(x^3) the mean gradient under noise s is 3 (x^2 + s^2); its standard error is known."""

    class Cube(nn.Module):
        def forward(self, x):
            return (x**3).sum((1, 2, 3))[:, None]

    x, target = networks.images(1, side=8, classes=1)
    samples, s = 4000, SMOOTH.noise * (x.max() - x.min()).item()
    wanted = 3 * (x**2 + s**2)
    error = (3 * (4 * x**2 * s**2 + 2 * s**4).sqrt() / samples**0.5).amax(1)
    ours = replace(SMOOTH, samples=samples, batch=500)(Cube(), x, target)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        options = {"nt_type": "smoothgrad", "nt_samples": samples, "stdevs": s, "abs": False}
        captums = NoiseTunnel(Saliency(Cube())).attribute(x.clone().requires_grad_(), target=target, **options)
    for maps in (ours, captums.abs().amax(1)):
        assert ((maps - wanted.amax(1)).abs() < 5 * error).all()


def test_smooth_grad_without_noise_is_the_gradient(case):
    model, x, target = case
    assert_near(replace(SMOOTH, noise=0.0)(model, x, target), Gradient()(model, x, target), 1e-5)


@pytest.mark.parametrize("method", [SQUARED, VARIANCE])
def test_moments_are_of_gradients_of_what_is_passed(method, case):
    model, x, target = case
    maps, seen = inputs(replace(method, batch=len(x)), model, x, target)
    model = model.double()
    seen = [noisy.double().requires_grad_() for noisy in seen]
    gradients = torch.stack([torch.autograd.grad(logit(model, noisy, target).sum(), noisy)[0] for noisy in seen])
    wanted = gradients.var(0, correction=0) if method is VARIANCE else gradients.square().mean(0)
    assert_near(maps, wanted.amax(1))


def test_all_share_their_draws():
    model, (x, target) = networks.network("plain"), networks.images()
    seen = [torch.cat(inputs(method, model, x, target)[1]) for method in (SMOOTH, SQUARED, VARIANCE)]
    assert torch.equal(seen[0], seen[1]) and torch.equal(seen[0], seen[2])


def test_the_square_is_the_variance_and_the_squared_mean(case):
    """For images of one channel, where no channel has to be chosen."""
    tail, x, target = case

    class Grey(nn.Module):
        def forward(self, x):
            return tail(x.expand(-1, 3, -1, -1))

    smooth, squared, variance = (method(Grey(), x[:, :1], target) for method in (SMOOTH, SQUARED, VARIANCE))
    assert_near(squared, variance + smooth**2, 1e-5)


def test_moments_meet_the_expectation():
    """The gradient of a square is the image and its noise: squares x^2 + s^2, variance s^2, errors known."""
    x, target = networks.images(2, side=8, classes=1)
    x, samples = x[:, :1], 2000
    s = SMOOTH.noise * (x.amax((1, 2, 3)) - x.amin((1, 2, 3)))[:, None, None]
    options = {"samples": samples, "batch": 200}
    error = (replace(VARIANCE, **options)(Square(), x, target) / s**2 - 1).abs()
    assert 0.1 * (2 / samples) ** 0.5 < error.mean() and error.max() < 5 * (2 / samples) ** 0.5
    wanted = x[:, 0] ** 2 + s**2
    deviation = ((4 * x[:, 0] ** 2 * s**2 + 2 * s**4) / samples).sqrt()
    assert ((replace(SQUARED, **options)(Square(), x, target) - wanted).abs() < 5 * deviation).all()


@pytest.mark.parametrize("batch", [3, 6, 300])
def test_variance_does_not_drown_in_a_large_mean(batch):
    """float32 holds 1e5 to 0.008: the variance as a difference of moments near 1e10 would be rounding."""
    x, target = networks.images(3, side=8, classes=1)
    method = replace(VARIANCE, samples=50, noise=0.5, batch=batch)
    exact = method(Square(1e5), x.double(), target)
    assert_near(method(Square(1e5), x, target).double(), exact, 1e-2)


def test_without_noise(case):
    model, x, target = case
    assert_near(replace(SQUARED, noise=0.0)(model, x, target), Gradient()(model, x, target) ** 2, 1e-5)
    assert replace(VARIANCE, noise=0.0)(model, x, target).max() < 1e-8


def test_linear_network_has_no_variance():
    model, (x, target) = (
        nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 4)).requires_grad_(False),
        networks.images(3, 8),
    )
    evidence = model[1].weight[target].view_as(x).abs().amax(1)
    assert_near(SMOOTH(model, x, target), evidence, 1e-5)
    assert_near(SQUARED(model, x, target), evidence**2, 1e-5)
    assert VARIANCE(model, x, target).max() < 1e-12


@pytest.mark.parametrize("method", [SMOOTH, SQUARED, VARIANCE])
def test_first_layer_may_work_in_place(method):
    tail, (x, target) = networks.network("plain"), networks.images()
    before = x.clone()
    maps = method(nn.Sequential(nn.ReLU(inplace=True), tail), x, target)
    assert torch.equal(x, before)
    assert torch.equal(maps, method(nn.Sequential(nn.ReLU(), tail), x, target))


@pytest.mark.parametrize("scale, samples", [(0.1, 3), (1, 32), (10, 320)])
@pytest.mark.parametrize("name", ["smooth_grad", "smooth_grad_squared", "var_grad", "expected_gradients"])
def test_budget_is_scaled(name, scale, samples):
    assert composed(f"method={name}", f"budget.scale={scale}").method.samples == samples


@pytest.mark.parametrize("method", [SMOOTH, SQUARED, VARIANCE])
@pytest.mark.parametrize(
    "wrong", [{"noise": -0.1}, {"noise": float("inf")}, {"samples": -1}, {"seed": -1}, {"batch": True}]
)
def test_values_out_of_range_are_named(method, wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=f"needs .*{name}.*; {name}={value!r} was given"):
        replace(method, **wrong)
