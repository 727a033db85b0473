"""Laws of relevance: what a map sums to, where it is bounded, and what its rules become in closed form."""

from functools import cache

import pytest
import timm
import torch
from torch import Tensor, nn

from methods import Inapplicable
from methods.lrp import LrpAlphaBeta, LrpEpsilon, LrpEpsilonGammaBox, LrpEpsilonPlus, LrpGamma
from methods.positive_rules import DeepTaylor
from methods.relevance import pixel_layers
from models.canonical import canonical
from tests.methods import networks
from tests.methods.entries import explain, logit, relative

small = {"stabilizer": 1e-6, "canonical": canonical}


def rules(bias: bool) -> dict[str, object]:
    return {
        "gamma": LrpGamma(gamma=0.25, bias=bias, **small),
        "alpha_beta": LrpAlphaBeta(alpha=2.0, beta=1.0, epsilon=1e-6, bias=bias, **small),
        "epsilon_plus": LrpEpsilonPlus(epsilon=1e-6, bias=bias, **small),
        "epsilon_gamma_box": LrpEpsilonGammaBox(epsilon=1e-6, gamma=0.25, bias=bias, **small),
    }


DTD = DeepTaylor(**small)
CONSERVING = rules(bias=False) | {"deep_taylor": DTD}


@cache
def network(name: str) -> tuple[nn.Module, Tensor, Tensor]:
    """A network of float64 with live batch norms, two images and their targets."""
    if name in networks.ARCHITECTURES:
        return networks.architecture(name)[:3]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = networks.ready(timm.create_model(name, num_classes=4), 32)
    x, target = networks.images(2, 32)
    return model.double(), x.double(), target + 1


@pytest.mark.parametrize("rule", CONSERVING)
@pytest.mark.parametrize("name", ["vgg16", "resnet18", "resnet34", "inception_v3"])
def test_without_biases_in_the_rules_relevance_is_conserved(name, rule):
    """Whatever biases the network has; and no magnitudes cancel that are much larger than the logit."""
    model, x, target = network(name)
    total, maps = logit(model, x, target), explain(CONSERVING[rule], model, x, target)
    assert ((maps.sum((1, 2)) - total) / total).abs().max() < 1e-3
    assert (maps.abs().sum((1, 2)) / total.abs()).max() < 10


def test_epsilon_of_a_quarter_stays_bounded_on_34_layers():
    """It has no law without biases; the bound tells the relative epsilon from a tiny one (1e37)."""
    model, x, target = network("resnet34")
    total = logit(model, x, target)
    for bias, bound in ((True, 10), (False, 100)):
        maps = LrpEpsilon(epsilon=0.25, bias=bias, **small)(model, x, target)
        assert ((maps.sum((1, 2)) - total) / total).abs().max() < bound


def test_gamma_is_bounded_where_the_form_for_positive_neurons_is_not():
    """w + gamma w^+ whatever the signs, on 34 layers."""
    from tests.methods.references.decomposition import away, biased, sharing, walked

    def naive(method, layer, a, r):
        w, b = layer.w, biased(method, layer)
        w, b = w + method.gamma * w.clamp(min=0), b + method.gamma * b.clamp(min=0)
        return sharing(layer, [(a, w)], r / away(layer.forward(a, w, b), method.stabilizer))

    (model, x, target), gamma = network("resnet34"), rules(bias=True)["gamma"]
    total = logit(model, x, target).abs()
    theirs = walked(gamma, model, x, target, conv=naive, linear=naive)
    assert (theirs.abs().sum((1, 2)) / total).max() > 1e4
    assert (gamma(model, x, target).abs().sum((1, 2)) / total).max() < 10


def linear_model(weights: list[float], bias: float) -> nn.Module:
    """One neuron with a pixel for each weight."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(len(weights), 1)).double().requires_grad_(False).eval()
    net[1].weight.copy_(torch.tensor([weights]))
    net[1].bias.fill_(bias)
    return net


def shares(method, net: nn.Module, pixels: list[float]) -> list[float]:
    x = torch.tensor(pixels, dtype=torch.float64).reshape(1, 1, 1, -1)
    return explain(method, net, x, torch.tensor([0])).flatten().tolist()


def test_one_neuron():
    """Contributions 2, -1 and 3 (two negative factors) and a bias of 1: the logit is 5."""
    net, pixels = linear_model([1.0, -0.5, -1.5], 1.0), [2.0, 2.0, -2.0]
    exact = {"stabilizer": 1e-12, "canonical": canonical}
    z, plus = [2.0, -1.0, 3.0], [2.0, 0.0, 3.0]
    for bias in (True, False):
        b = 1.0 if bias else 0.0
        wanted = [5 * v / (4 + b) for v in z]
        assert shares(LrpEpsilon(1e-12, bias=bias, **exact), net, pixels) == pytest.approx(wanted)
        wanted = [5 * (v + p / 4) / (4 + b + (5 + b) / 4) for v, p in zip(z, plus, strict=True)]
        assert shares(LrpGamma(0.25, bias=bias, **exact), net, pixels) == pytest.approx(wanted)
    low, high = -3.0, 3.0  # x w - l w^+ - h w^-
    terms = [2.0 - low, -1.0 + high * 0.5, 3.0 + high * 1.5]
    assert shares(DeepTaylor(**exact), net, pixels) == pytest.approx([5 * v / sum(terms) for v in terms])


def test_gamma_asks_the_sign_of_what_it_divides():
    """Without its bias the neuron is negative, and zennit's own rule, which asks z + b, would divide by zero."""
    net, gamma = linear_model([1.0, -1.25], 1.0), LrpGamma(0.25, 1e-12, False, canonical)
    below = -0.25 - 0.25 * 1.25
    assert shares(gamma, net, [1.0, 1.0]) == pytest.approx([0.75 * 1.0 / below, 0.75 * -1.25 * 1.25 / below])


def test_alpha_beta_in_one_convolution():
    """2 z^+ / (z^+ + b^+) - z^- / (z^- + b^-); the bias is positive, and the max pool takes the neuron of interest."""
    convolution = nn.Sequential(nn.ZeroPad2d((0, 1, 0, 0)), nn.Conv2d(1, 1, (1, 3)))
    net = nn.Sequential(convolution, nn.MaxPool2d((1, 2)), nn.Flatten(), nn.Linear(1, 1, bias=False))
    net = net.double().requires_grad_(False).eval()
    convolution[1].weight.copy_(torch.tensor([1.0, -0.5, -1.5])), convolution[1].bias.fill_(1.0), net[3].weight.fill_(1)
    method = LrpAlphaBeta(2.0, 1.0, 1e-12, 1e-12, True, canonical)
    assert shares(method, net, [2.0, 2.0, -2.0]) == pytest.approx([2 * 5 * 2 / 6, -5, 2 * 5 * 3 / 6])


@pytest.mark.parametrize("name", ["vgg16", "resnet18"])
@pytest.mark.parametrize("kind", [LrpEpsilon, LrpGamma])
def test_as_the_rule_vanishes_lrp_is_input_x_gradient(kind, name):
    """LRP-0 in a network of ReLUs."""
    model, x, target = network(name)
    x = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(logit(model, x, target).sum(), x)
    maps = kind(1e-10, 1e-12, True, canonical)(model, x.detach(), target)
    assert relative(maps, (x * gradient).sum(1).detach()) < 1e-4


def test_alpha_one_is_epsilon_plus():
    model, x, target = network("resnet18")
    one = LrpAlphaBeta(alpha=1.0, beta=0.0, epsilon=1e-6, bias=True, **small)(model, x, target)
    assert relative(one, rules(bias=True)["epsilon_plus"](model, x, target)) < 1e-9


@pytest.mark.parametrize("name", ["resnet18", "inception_v3", "densenet121"])
def test_deep_taylor_keeps_the_logits_sign(name):
    """Everywhere: sums, and pools of what is negative (densenet's transitions), make no other sign."""
    model, x, target = network(name)
    maps = explain(DTD, model, x.clamp(-3, 3), target)
    assert (maps * logit(model, x.clamp(-3, 3), target).sign()[:, None, None]).min() >= 0


class Scaled(nn.Module):
    """Two layers read the pixels: one through a scale that turns black into white, one directly."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)
        self.out = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        a = torch.relu(self.one(-2 * x + 0.5) + self.two(x))
        return self.out(a.mean((2, 3)))


def test_the_box_follows_scales_of_the_pixels():
    """z^B is the same whether a scale is a step of its own or part of the layer."""
    net = Scaled().double().eval().requires_grad_(False)
    x, target = networks.images(2, 8)[0].double(), torch.tensor([1, 2])
    box = torch.tensor([[-4.0, -5.0, -6.0], [4.0, 6.0, 8.0]])
    layers = pixel_layers(canonical(net, x), x, box)
    assert sorted(layers) == ["one", "two"]
    torch.testing.assert_close(layers["one"][0][0, :, 0, 0], 0.5 - 2 * box[1].double())
    torch.testing.assert_close(layers["one"][1][0, :, 0, 0], 0.5 - 2 * box[0].double())
    torch.testing.assert_close(layers["two"][1][0, :, 0, 0], box[1].double())

    class Merged(Scaled):
        def forward(self, x: Tensor) -> Tensor:
            return self.out(torch.relu(self.one(x) + self.two(x)).mean((2, 3)))

    merged = Merged().double().eval().requires_grad_(False)
    merged.load_state_dict(net.state_dict())
    merged.one.bias += 0.5 * merged.one.weight.sum((1, 2, 3))
    merged.one.weight *= -2
    torch.testing.assert_close(net(x), merged(x))
    exact = DeepTaylor(1e-12, canonical)
    assert relative(exact(net, x, target, box=box), exact(merged, x, target, box=box)) < 1e-9


def test_a_pixel_outside_the_box_is_no_error():
    model, x, target = network("resnet18")
    maps = DTD(model, x, target, box=torch.tensor([[-1.0], [1.0]]).expand(2, 3))
    total = logit(model, x, target)
    assert (x.abs() > 1).any() and maps.isfinite().all()
    assert ((maps.sum((1, 2)) - total) / total).abs().max() < 1e-3


def test_pixels_need_a_layer():
    net = nn.Sequential(nn.ReLU(), nn.Conv2d(3, 2, 1), nn.Flatten(), nn.Linear(32, 2)).eval()
    for method in (DTD, rules(bias=True)["epsilon_gamma_box"]):
        with pytest.raises(
            Inapplicable, match=f"{type(method).__name__} needs .* reads the pixels; Sequential has none"
        ):
            explain(method, net, torch.ones(1, 3, 4, 4), torch.tensor([0]))


def test_fields():
    with pytest.raises(ValueError, match=r"LrpAlphaBeta needs a number alpha = 1 \+ beta; alpha=2.0 was given"):
        LrpAlphaBeta(alpha=2.0, beta=0.5, epsilon=1e-6, bias=True, **small)
    with pytest.raises(ValueError, match="LrpGamma needs bias to be true or false; bias='no' was given"):
        LrpGamma(gamma=0.25, bias="no", **small)
