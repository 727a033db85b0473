"""Gradient methods against captum, finite differences and closed forms."""

from dataclasses import replace

import pytest
import torch
from captum.attr import InputXGradient as CaptumInputXGradient
from captum.attr import IntegratedGradients as CaptumIntegratedGradients
from captum.attr import NoiseTunnel, Saliency
from torch import nn

from methods.gradient import Gradient, InputXGradient, IntegratedGradients, SmoothGrad
from tests.methods import networks

IG = IntegratedGradients(steps=20, baseline=0.3, batch=16)
SMOOTH = SmoothGrad(samples=5, noise=0.2, seed=0, batch=16)


@pytest.fixture(params=["residual", "plain", "branches", "resnet18"])
def case(request):
    return networks.network(request.param), *networks.images()


def assert_near(maps, wanted, tolerance=1e-4):
    """Equal within a fraction of each map's largest value."""
    assert maps.shape == wanted.shape
    error, scale = (values.abs().amax((1, 2)) for values in (maps - wanted, wanted))
    assert (error <= tolerance * scale).all() and (scale > 0).all()


def logit(model, x, target):
    return model(x).gather(1, target[:, None])[:, 0]


def test_gradient_is_captums(case):
    model, x, target = case
    wanted = Saliency(model).attribute(x.clone().requires_grad_(), target=target, abs=True)
    assert_near(Gradient()(model, x, target), wanted.amax(1))


def test_input_x_gradient_is_captums(case):
    model, x, target = case
    wanted = CaptumInputXGradient(model).attribute(x.clone().requires_grad_(), target=target)
    assert_near(InputXGradient()(model, x, target), wanted.sum(1).detach())


def test_integrated_gradients_are_captums(case):
    model, x, target = case
    options = {"n_steps": IG.steps, "method": "riemann_middle", "internal_batch_size": IG.batch}
    wanted = CaptumIntegratedGradients(model).attribute(x.clone(), baselines=IG.baseline, target=target, **options)
    assert_near(IG(model, x, target), wanted.sum(1))


@pytest.mark.parametrize("family", ["residual", "plain"])
def test_gradient_methods_are_finite_differences(family):
    """Every pixel and channel moved by a little, in float64."""
    model, (x, target) = networks.network(family).double(), networks.images(2, side=12)
    x = x.double()

    def differences(points):
        eye = 1e-6 * torch.eye(x[0].numel(), dtype=x.dtype).view(-1, *x.shape[1:])
        rows = [logit(model, p + eye, t.expand(len(eye))) - logit(model, p - eye, t.expand(len(eye)))
                for p, t in zip(points, target, strict=True)]  # fmt: skip
        return torch.stack(rows).view_as(points) / 2e-6

    assert_near(Gradient()(model, x, target), differences(x).abs().amax(1))
    assert_near(InputXGradient()(model, x, target), (x * differences(x)).sum(1))
    points = [IG.baseline + (k + 0.5) / 4 * (x - IG.baseline) for k in range(4)]
    path = sum(differences(point) for point in points) / 4
    assert_near(replace(IG, steps=4)(model, x, target), ((x - IG.baseline) * path).sum(1))


def test_linear_network_is_its_weights():
    weight = torch.randn(4, 3 * 8 * 8, generator=torch.Generator().manual_seed(0))
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 4))
    model[1].weight.data.copy_(weight)
    x, target = networks.images(3, side=8)
    evidence = weight[target].view_as(x)
    assert_near(Gradient()(model, x, target), evidence.abs().amax(1), 1e-6)
    assert_near(InputXGradient()(model, x, target), (x * evidence).sum(1), 1e-6)
    assert_near(IG(model, x, target), ((x - IG.baseline) * evidence).sum(1), 1e-5)
    assert_near(SMOOTH(model, x, target), evidence.abs().amax(1), 1e-5)


@pytest.mark.parametrize("family", ["residual", "plain", "branches"])
def test_integrated_gradients_are_complete(family):
    model, (x, target) = networks.network(family), networks.images()
    wanted = logit(model, x, target) - logit(model, torch.full_like(x, IG.baseline), target)
    errors = [(replace(IG, steps=steps)(model, x, target).sum((1, 2)) - wanted).abs() for steps in (5, 400)]
    assert errors[1].max() < 1e-2 * wanted.abs().max() and errors[1].mean() < 0.3 * errors[0].mean()


def test_midpoints_are_exact_where_the_gradient_is_linear():
    class Square(nn.Module):
        def forward(self, x):
            return (x**2).sum((1, 2, 3))[:, None]

    x, target = networks.images(2, side=8, classes=1)
    assert_near(replace(IG, steps=1)(Square(), x, target), (x**2 - IG.baseline**2).sum(1), 1e-5)


def inputs(method, model, x, target):
    """Everything that the method passes through the model."""
    seen = []
    handle = model.register_forward_pre_hook(lambda _m, args: seen.append(args[0].detach().clone()))
    maps = method(model, x, target)
    handle.remove()
    return maps, seen


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


@pytest.mark.parametrize("method", [Gradient(), InputXGradient(), IG, SMOOTH])
def test_first_layer_may_work_in_place(method):
    tail, (x, target) = networks.network("plain"), networks.images()
    before = x.clone()
    maps = method(nn.Sequential(nn.ReLU(inplace=True), tail), x, target)
    assert torch.equal(x, before)
    assert torch.equal(maps, method(nn.Sequential(nn.ReLU(), tail), x, target))


@pytest.mark.parametrize(
    ("method", "wrong"),
    [
        *((IG, wrong) for wrong in ({"steps": 0}, {"steps": 2.0}, {"baseline": float("nan")}, {"batch": 0})),
        *((SMOOTH, {"noise": noise}) for noise in (-0.1, float("inf"))),
        *((SMOOTH, wrong) for wrong in ({"samples": -1}, {"seed": -1}, {"batch": True})),
    ],
)
def test_values_out_of_range_are_named(method, wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=f"needs .*{name}.*; {name}={value!r} was given"):
        replace(method, **wrong)
