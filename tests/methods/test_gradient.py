"""Axioms of gradient methods, and the identity of full gradients."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from methods.full_grad import FullGrad, full_gradients
from models.canonical import canonical
from tests.methods import networks
from tests.methods.entries import assert_near, background, entry, explain, logit

FULL = FullGrad(canonical)
GRADIENTS = ["gradient", "input_x_gradient", "integrated_gradients", "expected_gradients", "blur_integrated_gradients"]
GRADIENTS += ["guided_integrated_gradients", "smooth_grad", "smooth_grad_squared", "var_grad"]
of_every_gradient_method = pytest.mark.parametrize("name", GRADIENTS)


def test_integrated_gradients_are_complete():
    model, (x, target) = networks.network("residual"), networks.images()
    method = replace(entry("integrated_gradients"), baseline=0.3, batch=300)
    wanted = logit(model, x, target) - logit(model, torch.full_like(x, 0.3), target)
    errors = [(replace(method, steps=steps)(model, x, target).sum((1, 2)) - wanted).abs() for steps in (5, 200)]
    assert errors[1].max() < 1e-2 * wanted.abs().max() and errors[1].mean() < 0.3 * errors[0].mean()


@of_every_gradient_method
def test_first_layer_may_work_in_place(name):
    tail, (x, target) = networks.network("plain"), networks.images()
    before = x.clone()
    maps = explain(entry(name), nn.Sequential(nn.ReLU(inplace=True), tail), x, target)
    assert torch.equal(x, before)
    assert torch.equal(maps, explain(entry(name), nn.Sequential(nn.ReLU(), tail), x, target))


@of_every_gradient_method
def test_maps_depend_on_the_function_not_on_its_form(name):
    """Implementation invariance: the canonical form computes the same function with other layers."""
    (model, x, target, _), method = networks.architecture("resnet18"), entry(name)
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


@of_every_gradient_method
def test_a_pixel_that_is_not_seen_gets_nothing(name):
    model, (x, target) = Blind(networks.network("residual")), networks.images()
    maps = explain(entry(name), model, x, target)
    assert (maps[:, 5, 7] == 0).all() and (maps != 0).sum((1, 2)).min() > 900


@of_every_gradient_method
def test_symmetric_pixels_get_the_same(name):
    """A function that is symmetric under a mirror, on a mirrored image; noise and background are not mirrored."""
    (tail, (x, target)), method = (networks.network("plain").double(), networks.images()), entry(name)
    x = (x + x.flip(3)).double()

    class Symmetric(nn.Module):
        def forward(self, x):
            return tail(x) + tail(x.flip(3))

    maps = method(Symmetric(), x, target, **({"background": background(x) * 0} if method.needs else {}))
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


def test_full_grad_does_not_depend_on_the_scale_of_the_logits():
    model, (x, target) = networks.network("plain"), networks.images()
    maps = FULL(model, x, target)
    with torch.no_grad():
        model.head[-1].weight.mul_(1e-6)
    assert_near(FULL(model, x, target), maps)
