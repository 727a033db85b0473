"""Gradient methods against captum, finite differences and closed forms."""

from dataclasses import replace

import pytest
import torch
from captum.attr import InputXGradient as CaptumInputXGradient
from captum.attr import IntegratedGradients as CaptumIntegratedGradients
from captum.attr import Saliency
from torch import nn

from methods import Inapplicable
from methods.full_grad import FullGrad, full_gradients
from methods.gradient import Gradient, InputXGradient, IntegratedGradients
from methods.noise import SmoothGrad, SmoothGradSquared, VarGrad
from methods.path import BlurIntegratedGradients, ExpectedGradients, GuidedIntegratedGradients
from models.canonical import canonical
from tests.methods import networks
from tests.methods.entries import assert_near, background, explain, logit

IG = IntegratedGradients(steps=20, baseline=0.3, batch=16)
FULL = FullGrad(canonical)
INVARIANT = [
    Gradient(),
    InputXGradient(),
    replace(IG, steps=3),
    ExpectedGradients(samples=3, seed=0, batch=16),
    BlurIntegratedGradients(steps=3, sigma=0.2, batch=16),
    GuidedIntegratedGradients(steps=3, fraction=0.5, deviation=1.0, baseline=0.0, batch=16),
    *(kind(samples=3, noise=0.15, seed=0, batch=16) for kind in (SmoothGrad, SmoothGradSquared, VarGrad)),
]


@pytest.fixture(params=["residual", "plain", "branches", "resnet18"])
def case(request):
    return networks.network(request.param), *networks.images()


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


@pytest.mark.parametrize("method", [Gradient(), InputXGradient(), IG])
def test_first_layer_may_work_in_place(method):
    tail, (x, target) = networks.network("plain"), networks.images()
    before = x.clone()
    maps = method(nn.Sequential(nn.ReLU(inplace=True), tail), x, target)
    assert torch.equal(x, before)
    assert torch.equal(maps, method(nn.Sequential(nn.ReLU(), tail), x, target))


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"steps": 2.0}, {"baseline": float("nan")}, {"batch": 0}])
def test_values_out_of_range_are_named(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=f"needs .*{name}.*; {name}={value!r} was given"):
        replace(IG, **wrong)


@pytest.mark.parametrize("network", networks.ARCHITECTURES)
@pytest.mark.parametrize("method", INVARIANT, ids=lambda method: type(method).__name__)
def test_maps_depend_on_the_function_not_on_its_form(method, network):
    """Implementation invariance: the canonical form computes the same function with other layers."""
    model, x, target, _ = networks.architecture(network)
    graph = canonical(model, x)
    assert len(list(graph.modules())) != len(list(model.modules()))
    assert_near(explain(method, graph, x, target), explain(method, model, x, target), 1e-6)


class Blind(nn.Module):
    """A network that does not see one pixel."""

    def __init__(self, tail):
        super().__init__()
        self.tail = tail

    def forward(self, x):
        seen = torch.ones_like(x)
        seen[..., 5, 7] = 0
        return self.tail(x * seen)


@pytest.mark.parametrize("method", INVARIANT, ids=lambda method: type(method).__name__)
def test_a_pixel_that_is_not_seen_gets_nothing(method):
    model, (x, target) = Blind(networks.network("residual")), networks.images()
    maps = explain(method, model, x, target)
    assert (maps[:, 5, 7] == 0).all() and (maps != 0).sum((1, 2)).min() > 900


@pytest.mark.parametrize("method", INVARIANT, ids=lambda method: type(method).__name__)
def test_symmetric_pixels_get_the_same(method):
    """A function that is symmetric under a mirror, on a mirrored image; noise and background are not mirrored."""
    tail, (x, target) = networks.network("plain").double(), networks.images()
    x = (x + x.flip(3)).double()

    class Symmetric(nn.Module):
        def forward(self, x):
            return tail(x) + tail(x.flip(3))

    maps = method(Symmetric(), x, target, **({"background": background(x) * 0} if hasattr(method, "needs") else {}))
    if hasattr(method, "noise"):
        assert not torch.allclose(maps, maps.flip(2))
    else:
        assert_near(maps, maps.flip(2), 1e-9)


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


@pytest.mark.parametrize("network", ["resnet18", "inception_v3"])
def test_full_gradients_sum_to_the_logit_of_timms_networks(network):
    model, x, target, _ = networks.architecture(network)
    pixels, layers = full_gradients(canonical(model, x), x, target)
    total = sum(term.flatten(1).sum(1) for term in (pixels, *layers.values()))
    torch.testing.assert_close(total, logit(model, x, target), rtol=1e-9, atol=1e-9)


def test_full_grad_without_spatial_biases_is_the_rescaled_input_term():
    model, (x, target) = networks.network("plain"), networks.images()
    for module in model.features:
        if isinstance(module, nn.Conv2d):
            module.bias = None
    term = (x * torch.autograd.grad(logit(model, x.requires_grad_(), target).sum(), x)[0]).detach().abs()
    least, most = term.amin((1, 2, 3), keepdim=True), term.amax((1, 2, 3), keepdim=True)
    assert_near(FULL(model, x, target), ((term - least) / (most - least)).sum(1), 1e-5)


def test_full_grad_does_not_depend_on_the_scale_of_the_logits():
    model, (x, target) = networks.network("plain"), networks.images()
    maps = FULL(model, x, target)
    with torch.no_grad():
        model.head[-1].weight.mul_(1e-6)
    assert_near(FULL(model, x, target), maps)


def test_full_grad_needs_a_canonical_form():
    class Forked(nn.Module):
        def forward(self, x):
            return x.mean((2, 3)) if x.sum() > 0 else x.amax((2, 3))

    with pytest.raises(Inapplicable, match=r"^FullGrad needs a canonical form: .*Forked"):
        FULL(Forked(), *networks.images(2, classes=3))
