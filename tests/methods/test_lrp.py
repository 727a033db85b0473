"""LRP keeps its laws: the sum of a map without biases, its signs, one neuron computed by hand, the rule for pixels."""

import pytest
import torch
from timm.utils import reparameterize_model
from torch import Tensor, nn

from entries import Inapplicable
from methods.lrp import DeepTaylor, LrpEpsilon, LrpEpsilonGammaBox, LrpEpsilonPlus, LrpGamma
from models.canonical import canonical
from tests.methods import networks
from tests.methods.entries import entry, explain, logit, relative
from tests.methods.references.decomposition import REFERENCES

small = {"stabilizer": 1e-6, "canonical": canonical}


DTD = DeepTaylor(**small)
CONSERVING = {
    "gamma": LrpGamma(gamma=0.25, bias=False, **small),
    "epsilon_plus": LrpEpsilonPlus(epsilon=1e-6, bias=False, **small),
    "epsilon_gamma_box": LrpEpsilonGammaBox(epsilon=1e-6, gamma=0.25, bias=False, **small),
    "deep_taylor": DTD,
}


@pytest.mark.parametrize("rule", CONSERVING)
@pytest.mark.parametrize("name", ["resnet18", pytest.param("inception_v3", marks=pytest.mark.slow)])
def test_without_biases_in_the_rules_relevance_is_conserved(name, rule):
    """Whatever biases the network has; and no magnitudes cancel that are much larger than the logit."""
    model, x, target = networks.precise(name)
    total, maps = logit(model, x, target), explain(CONSERVING[rule], model, x, target)
    assert ((maps.sum((1, 2)) - total) / total).abs().max() < 1e-3
    assert (maps.abs().sum((1, 2)) / total.abs()).max() < 10


@pytest.mark.parametrize("method", REFERENCES)
@pytest.mark.parametrize("name", networks.OWN)
def test_operations_of_networks_that_people_have(name, method):
    """Each has a rule that agrees with its derivation in float64; the table of families has the laws."""
    model, x, target = networks.precise(name)
    assert (
        relative(explain(entry(method), model, x, target), REFERENCES[method].maps(entry(method), model, x, target))
        < 1e-6
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["repghostnet_050", "fastvit_t8"])
def test_branches_share_as_in_the_network_that_timm_merges_them_in(name):
    """Either form of a re-parameterised network has one map."""
    model, x, target = networks.precise(name, 64)
    branched, merged = (
        explain(entry("lrp_alpha2_beta1"), network, x[:1], target[:1])
        for network in (model, reparameterize_model(model).eval().requires_grad_(False))
    )
    assert relative(branched, merged) < 1e-9


class Spread(nn.Module):
    """Numbers of channels that a constant makes a map."""

    def __init__(self):
        super().__init__()
        self.conv, self.place, self.out = nn.Conv2d(3, 4, 3), nn.Parameter(torch.rand(4, 5, 5)), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.out((self.conv(x).relu().mean((2, 3), keepdim=True) * self.place).mean((2, 3)))


def test_a_constant_that_is_larger_than_its_input_loses_nothing():
    model, (x, _) = networks.randomised(Spread()).double(), networks.images(2, 8)
    total, maps = model(x.double())[:, 1], explain(CONSERVING["gamma"], model, x.double(), torch.tensor([1, 1]))
    assert ((maps.sum((1, 2)) - total) / total).abs().max() < 1e-3


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


@pytest.mark.parametrize("name", ["resnet18", pytest.param("densenet121", marks=pytest.mark.slow)])
def test_deep_taylor_keeps_the_logits_sign(name):
    """Everywhere: sums, and pools of what is negative (densenet's transitions), make no other sign."""
    model, x, target = networks.precise(name)
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


def test_pixels_need_a_layer():
    net = nn.Sequential(nn.ReLU(), nn.Conv2d(3, 2, 1), nn.Flatten(), nn.Linear(32, 2)).eval()
    for method in (DTD, CONSERVING["epsilon_gamma_box"]):
        with pytest.raises(Inapplicable, match=type(method).__name__):
            explain(method, net, torch.ones(1, 3, 4, 4), torch.tensor([0]))
