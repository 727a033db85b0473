"""LRP against a dense float64 re-derivation, zennit's own composites, and the law of conservation."""

import copy

import pytest
import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods import Inapplicable
from methods.lrp import LrpAlphaBeta, LrpEpsilonGammaBox, LrpEpsilonPlus
from methods.positive_rules import ExcitationBackprop
from models.canonical import canonical
from tests.methods.networks import randomised

EPSILON = 1e-6
small = {"stabilizer": EPSILON, "canonical": canonical}
lrp = LrpEpsilonPlus(epsilon=EPSILON, bias=True, **small)


def images(size: int, n: int = 2) -> Tensor:
    return torch.randn(n, 3, size, size, generator=torch.Generator().manual_seed(1))


class Residual(nn.Module):
    """Every kind of rule once; ReLUs are functions, so zennit alone would miss them."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.hidden, self.out = nn.Linear(16, 6), nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        a = F.relu(self.first(x))
        a = F.relu(self.norm(self.second(a)) + a)
        a = F.avg_pool2d(F.max_pool2d(a, 2), 2)
        return self.out(F.relu(self.hidden(a.flatten(1))))


def dense(function, shape) -> tuple[Tensor, Tensor]:
    """Return the matrix (out, in) and the bias (out,) of an affine function of one image."""
    zero = torch.zeros(shape, dtype=torch.float64)
    size = zero.numel()
    matrix = torch.autograd.functional.jacobian(lambda z: function(z[None])[0].reshape(-1), zero)
    return matrix.reshape(-1, size), function(zero[None])[0].reshape(-1)


def stable(z: Tensor) -> Tensor:
    return z + EPSILON * torch.where(z < 0, -1.0, 1.0)


def zplus(matrix: Tensor, bias: Tensor, a: Tensor, r: Tensor) -> Tensor:
    z = (matrix * a).clamp(min=0)
    return (z / stable(z.sum(1) + bias.clamp(min=0))[:, None]).t() @ r


def epsilon_rule(matrix: Tensor, bias: Tensor, a: Tensor, r: Tensor) -> Tensor:
    z = matrix * a
    return (z / stable(z.sum(1) + bias)[:, None]).t() @ r


def derived(net: Residual, x: Tensor, target: int) -> Tensor:
    """LRP of one image (3, h, w), layer by layer with explicit matrices."""
    normed = lambda z: net.norm(net.second(z))  # noqa: E731
    n, half = x.shape[1:], (4, x.shape[1] // 2, x.shape[2] // 2)
    w1, b1 = dense(net.first, x.shape)
    w2, b2 = dense(normed, (4, *n))
    pool, none = dense(lambda z: F.avg_pool2d(z, 2), half)
    a0 = x.reshape(-1)
    a1 = (w1 @ a0 + b1).relu()
    branch = w2 @ a1 + b2
    total = branch + a1
    max_pool = lambda z: F.max_pool2d(z[None], 2)[0].reshape(-1)  # noqa: E731
    winners = torch.autograd.functional.jacobian(max_pool, total.relu().reshape(4, *n)).reshape(-1, total.numel())
    a3 = winners @ total.relu()
    a4 = pool @ a3
    a5 = (net.hidden.weight @ a4 + net.hidden.bias).relu()
    logits = net.out.weight @ a5 + net.out.bias
    r = epsilon_rule(net.out.weight, net.out.bias, a5, logits * F.one_hot(torch.tensor(target), 5))
    r = epsilon_rule(net.hidden.weight, net.hidden.bias, a4, r)
    r = epsilon_rule(pool, none, a3, r)
    r = winners.t() @ r
    share = r / stable(total)
    r = zplus(w2, b2, a1, branch * share) + a1 * share
    return zplus(w1, b1, a0, r).reshape(x.shape).sum(0)


def test_dense_derivation():
    net, x, target = randomised(Residual()), images(8, 3), torch.tensor([4, 0, 2])
    ours, exact = lrp(net, x, target), copy.deepcopy(net).double()
    for i in range(3):
        theirs = derived(exact, x[i].double(), target[i].item())
        torch.testing.assert_close(ours[i].double(), theirs, rtol=0, atol=1e-4 * theirs.abs().max().item())


def vgg_like() -> nn.Module:
    layers = pytest.importorskip("torchvision").models.vgg.make_layers([8, 8, "M", 16, "M"])
    head = (nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(256, 32), nn.ReLU(True), nn.Dropout(), nn.Linear(32, 5))
    return nn.Sequential(*layers, *head)


BOX = torch.tensor([[-3.0], [3.0]], dtype=torch.float64).expand(2, 3)
COMPOSITES = {
    "EpsilonPlus": lrp,
    "EpsilonAlpha2Beta1": LrpAlphaBeta(alpha=2.0, beta=1.0, epsilon=EPSILON, bias=True, **small),
    "EpsilonGammaBox": LrpEpsilonGammaBox(epsilon=EPSILON, gamma=0.25, bias=True, **small),
    "ExcitationBackprop": ExcitationBackprop(**small),
}


def zennit_map(composite: str, model: nn.Module, x: Tensor, target: Tensor, canonizers: list) -> Tensor:
    from zennit import composites

    options = {"stabilizer": EPSILON, "canonizers": canonizers}
    if composite == "ExcitationBackprop":
        options |= {"zero_params": "bias"}
    else:
        options |= {"epsilon": EPSILON}
    if composite == "EpsilonGammaBox":
        options |= {"low": BOX[:1, :, None, None], "high": BOX[1:, :, None, None]}
    x = x.clone().requires_grad_()
    with getattr(composites, composite)(**options).context(model) as modified:
        logits = modified(x)
        start = F.one_hot(target, logits.shape[1]).to(x)
        start = start if composite == "ExcitationBackprop" else start * logits.detach()
        return torch.autograd.grad(logits, x, start)[0].sum(1)


@pytest.mark.parametrize("composite", COMPOSITES)
@pytest.mark.parametrize("name", ["vgg_like", "resnet18", "squeezenet1_1"])
def test_zennit_composite(composite, name):
    """zennit's canonizers know torchvision's networks; there it must give the same maps."""
    from zennit.torchvision import ResNetCanonizer

    if (composite, name) == ("ExcitationBackprop", "resnet18"):
        pytest.skip("zennit's sums are signed there, and its probabilities can be negative")
    models, target = pytest.importorskip("torchvision").models, torch.tensor([4, 0])
    model = vgg_like() if name == "vgg_like" else getattr(models, name)(weights=None, num_classes=5)
    model, x, method = randomised(model).double(), images(40).double(), COMPOSITES[composite]
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 0.0  # zennit merges it, and then divides by it once more
    theirs = zennit_map(composite, model, x, target, [ResNetCanonizer()] if name == "resnet18" else [])
    if name == "squeezenet1_1":  # a head of one convolution is no linear layer
        assert not any(node.meta["role"] == "linear" for node in canonical(model, x).graph.nodes)
    ours = method(model, x, target, **({"box": BOX} if hasattr(method, "needs") else {}))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6 * theirs.abs().max().item())


@pytest.mark.parametrize(("name", "size"), [("vgg16", 32), ("resnet18", 32), ("inception_v3", 75), ("densenet121", 32)])
def test_conservation_without_biases(name, size):
    options = {"mlp_ratio": 1 / 32} if name == "vgg16" else {}
    model, x = randomised(timm.create_model(name, num_classes=5, **options), bias=False), images(size)
    logits = model(x)
    target = logits.argmax(1)
    logit = logits.gather(1, target[:, None])[:, 0]
    torch.testing.assert_close(lrp(model, x, target).sum((1, 2)), logit, rtol=2e-4, atol=0)


def test_what_absorbs_relevance():
    """A positive bias takes b / (z + b) of a neuron's relevance, a negative one nothing, zero padding nothing."""
    net = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.Flatten(), nn.Linear(1, 1, bias=False)).requires_grad_(False)
    x = torch.tensor([[[[-2.0]]]])
    for bias, share in ((3.0, 4 / 7), (-3.0, 1.0)):
        net[0].weight.fill_(-2.0), net[0].bias.fill_(bias), net[2].weight.fill_(1.0)
        torch.testing.assert_close(lrp(net.eval(), x, torch.tensor([0])), torch.full((1, 1, 1), share * (4 + bias)))


def test_a_linear_layer_written_as_a_convolution_is_linear():
    body = (nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
    as_conv = randomised(nn.Sequential(*body, nn.Conv2d(4, 8, 4), nn.ReLU(), nn.Conv2d(8, 5, 1), nn.Flatten()))
    as_linear = nn.Sequential(*body, nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 5)).eval()
    for linear, conv in ((as_linear[4], as_conv[3]), (as_linear[6], as_conv[5])):
        linear.load_state_dict({"weight": conv.weight.flatten(1), "bias": conv.bias})
    x, target = images(8), torch.tensor([3, 1])
    torch.testing.assert_close(lrp(as_conv, x, target), lrp(as_linear, x, target))


def test_no_hooks_are_left_after_an_exception():
    model, x, target = randomised(Residual()), images(8), torch.tensor([0, 1])
    expected = lrp(model, x, target)

    def fail(*_):
        raise RuntimeError("no such luck")

    handle = model.register_forward_hook(fail)
    with pytest.raises(RuntimeError, match="no such luck"):
        lrp(model, x, target)
    handle.remove()
    hooks = [module for module in canonical(model, x).modules() if module._forward_hooks or module._forward_pre_hooks]
    assert hooks == [] and torch.equal(lrp(model, x, target), expected)


def test_what_has_no_rule_is_named():
    with pytest.raises(Inapplicable, match="no rule for 'mul' of EfficientNet"):
        lrp(timm.create_model("efficientnet_b0", num_classes=5).eval(), images(32), torch.tensor([0, 1]))
    with pytest.raises(Inapplicable, match=r"canonical form.*'batch_norm'"):
        lrp(Residual().train(), images(8), torch.tensor([0, 1]))


@pytest.mark.parametrize("value", [0, -1.0, "abc", None, True, float("nan")])
def test_stabilisers_are_positive_numbers(value):
    with pytest.raises(ValueError, match="needs a number epsilon > 0"):
        LrpEpsilonPlus(epsilon=value, bias=True, **small)
    with pytest.raises(ValueError, match="needs a number stabilizer > 0"):
        LrpEpsilonPlus(epsilon=EPSILON, stabilizer=value, bias=True, canonical=canonical)
