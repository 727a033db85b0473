"""The canonical form computes what the network computes, and says of each operation what it is."""

import gc
import operator
import weakref
from collections import Counter

import pytest
import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.canonical import KNOWN, canonical
from tests.methods.networks import (
    Assorted,
    Gated,
    Mobile,
    Normed,
    inception_v3,
    plain,
    randomised,
    residual,
    resnet18,
    vgg16,
)


def images(size: int) -> Tensor:
    return torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1))


class Handwritten(nn.Module):
    """What people write: functions, one ReLU used everywhere and in place, a stray sum and a shape from the batch."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1)
        self.third = nn.Conv2d(12, 8, 1)
        self.norm, self.relu, self.out = nn.BatchNorm2d(6), nn.ReLU(inplace=True), nn.Linear(8, 4)
        self.shift = nn.Parameter(torch.randn(4))

    def forward(self, x: Tensor) -> Tensor:
        a = self.relu(self.norm(self.first(x)))
        b = F.relu(self.second(a) + a)
        if b.shape[-1] > 4:
            b = F.max_pool2d(b, 2)
        c = torch.cat([b, F.adaptive_avg_pool2d(b, 1).expand(-1, -1, *b.shape[2:])], 1)
        c = F.dropout(self.relu(self.third(c)), 0.5, self.training)
        return self.out(c.mean((2, 3)).view(x.size(0), -1)) * 0.5 + self.shift


class ChangedInPlace(nn.Module):
    """The skip connection reads what the ReLU in place has already changed."""

    def __init__(self):
        super().__init__()
        self.conv, self.relu, self.out = nn.Conv2d(3, 3, 3, padding=1), nn.ReLU(inplace=True), nn.Linear(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        y = self.conv(self.relu(x))
        y += x
        return self.out(torch.flatten(F.avg_pool2d(y, y.shape[2:]), 1))


class Parallel(nn.Module):
    """Branches as in RepVGG, FastViT and with strides, which are one convolution each, and some that are none.

    These are crossed kernels, holes, and a convolution beside the image that it does not read.
    """

    def __init__(self, k: int = 4):
        super().__init__()
        self.stem, self.wide, self.narrow = nn.Conv2d(3, k, 3), nn.Conv2d(k, k, 3, 1, 1), nn.Conv2d(k, k, 1)
        self.norm, self.other = nn.BatchNorm2d(k), nn.BatchNorm2d(k)
        self.single = nn.Conv2d(k, k, (3, 5), padding=(1, 2), groups=k)
        self.down, self.skip = nn.Conv2d(k, k, 3, 2, 1, groups=2), nn.Conv2d(k, k, 1, 2, groups=2, bias=False)
        self.holes, self.out = nn.Conv2d(k, k, 3, 1, 2, dilation=2), nn.Linear(k, 4)
        self.across, self.along = nn.Conv2d(k, k, (1, 3), padding=(0, 1)), nn.Conv2d(k, k, (3, 1), padding=(1, 0))
        self.front = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(self.front(x.relu()) + x).relu()
        x = (self.across(x) + self.along(x)).relu()
        x = (self.wide(x) + self.narrow(x) + self.norm(x)).relu()
        x = (x + 0.5 * (self.single(x) - self.other(x))).relu()
        x = (self.skip(x) + self.down(x)).relu()
        return self.out((self.holes(x) + x).relu().mean((2, 3)))


class Unordered(nn.Module):
    """Gates on either side: broadcast, bounded, of any activation; and products without a gate.

    One of these is a product of convolutions, the other that of the maps before a convolution with what it gives.
    """

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c, self.head = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.a(x), self.b(x)
        a = F.softplus(b) * (b.mean(1, keepdim=True) * (a * torch.sigmoid(a)))
        a = F.gelu(F.relu6(a) * F.relu(b) * self.a(x))
        a = F.relu6(a.clone() * self.c(a))
        return self.head((a * self.c(a).sigmoid()).mean(axis=(2, 3)))


def test_a_gate_is_read_after_its_signal():
    graph = canonical(Unordered().eval(), images(8))
    gates = [node for node in graph.graph.nodes if node.meta["role"] == "gate"]
    names = [[type(graph.get_submodule(factor.target)).__name__ for factor in node.args] for node in gates]
    assert names == [
        ["Conv2d", "Sigmoid"],
        ["Gate", "Scale"],
        ["Gate", "Softplus"],
        ["ReLU", "ReLU6"],
        ["ReLU6", "Sigmoid"],
    ]


def flat() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 25, 4), nn.BatchNorm1d(4))


def odd() -> nn.Module:
    """A pool whose windows differ, and a head of convolutions."""
    body = (nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU6(True), nn.AdaptiveAvgPool2d(4), nn.BatchNorm2d(4))
    return nn.Sequential(*body, nn.Conv2d(4, 4, 4), nn.ReLU(True), nn.Conv2d(4, 5, 1), nn.Flatten())


def densenet121() -> nn.Module:
    return timm.create_model("densenet121", num_classes=4, growth_rate=4)


def efficientnet_b0() -> nn.Module:
    return timm.create_model("efficientnet_b0", num_classes=4)


# (how to build it, size, how many nodes of the form have a role); at these sizes timm's last maps are one pixel
FORMS = [
    (vgg16, 32, {"convolution": 13, "linear": 3, "relu": 15, "max": 5}),
    (resnet18, 48, {"convolution": 21, "linear": 1, "relu": 17, "max": 1, "average": 1, "sum": 8}),
    (densenet121, 32, {"convolution": 120, "linear": 1, "relu": 121, "scale": 62, "average": 3}),
    (inception_v3, 75, {"convolution": 94, "linear": 1, "relu": 94, "max": 4, "average": 9, "concat": 15}),
    (efficientnet_b0, 32, {"convolution": 81, "linear": 1, "relu": 0, "gate": 16, "product": 0, "sum": 9, "": 0}),
    # the norm, the factor and the shift are folded, and the second convolution has the stray sum in its weights
    (Handwritten, 12, {"relu": 3, "sum": 0, "concat": 1, "max": 1, "average": 2, "scale": 0, "": 0}),
    (ChangedInPlace, 12, {"sum": 0, "convolution": 2, "relu": 1}),
    (flat, 5, {"linear": 1, "scale": 0}),
    (Gated, 12, {"gate": 3, "product": 0, "softmax": 1, "concat": 1, "combination": 2, "relu": 2, "rectifier": 2}),
    (Normed, 16, {"norm": 3, "convolution": 4, "linear": 1, "scale": 4, "sum": 4, "combination": 2, "": 0}),
    (Assorted, 12, {"gate": 2, "norm": 2, "sum": 2, "combination": 3, "rectifier": 0, "": 0}),
    (Parallel, 12, {"convolution": 8, "sum": 3, "scale": 0}),
    (Unordered, 12, {"gate": 5, "product": 2, "": 0}),
    (Mobile, 12, {"rectifier": 2, "activation": 1, "shape": 4, "max": 1, "average": 1, "": 0}),
    (odd, 12, {"convolution": 1, "linear": 2, "relu": 1, "rectifier": 1, "average": 1, "scale": 1}),
]
SLOW = (inception_v3, efficientnet_b0)


@pytest.mark.parametrize(
    ("build", "size", "expected"), [pytest.param(*f, marks=[pytest.mark.slow] * (f[0] in SLOW)) for f in FORMS]
)
def test_a_form_computes_the_same_and_knows_its_roles(build, size, expected):
    """Logits and gradients in float64, where rounding moves no ReLU across its kink."""
    model, results = randomised(build()).double(), []
    graph = canonical(model, images(size).double())
    for network in (graph, model):
        x = images(size).double().requires_grad_()
        logits = network(x)
        results.append((logits.detach(), torch.autograd.grad(logits[:, 1].sum(), x)[0]))
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-9 * theirs.abs().max().item())
    counts = Counter(node.meta["role"] for node in graph.graph.nodes)
    assert {role: counts[role] for role in expected} == expected
    calls = Counter(node.target for node in graph.graph.nodes if node.op == "call_module")
    assert set(calls.values()) == {1}
    assert not any(getattr(module, "inplace", False) for module in graph.modules())
    assert not any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in graph.modules())
    assert not any(parameter.requires_grad for parameter in graph.parameters())


def test_the_model_s_memory_is_shared_and_its_modules_are_not():
    model = randomised(plain())
    graph = canonical(model, images(32))
    assert not set(map(id, graph.modules())) & set(map(id, model.modules()))
    assert {p.data_ptr() for p in graph.parameters()} == {p.data_ptr() for p in model.parameters()}


def test_changed_weights_are_seen():
    model, x = randomised(residual()), images(32)
    first = canonical(model, x)
    assert canonical(model, x) is first
    for change in (
        lambda: model.features[3].bn1.running_mean.add_(0.5),
        lambda: setattr(model.features[0], "weight", nn.Parameter(-model.features[0].weight, requires_grad=False)),
        lambda: setattr(model.features, "4", nn.AvgPool2d(3, 2, 1)),
    ):
        change()
        torch.testing.assert_close(canonical(model, x)(x), model(x))
    assert canonical(model, images(40)) is not canonical(model, x)


def test_forward_hooks_of_the_original_are_called_with_its_logits():
    model, x, seen = randomised(Handwritten()), images(12), []
    with model.register_forward_hook(lambda module, args, out: seen.append((module, args[0], out))):
        graph = canonical(model, x)
        assert not seen
        logits = graph(x)
    assert len(seen) == 1 and seen[0][0] is model and seen[0][1] is x and seen[0][2] is logits


@pytest.mark.slow
def test_the_cache_keeps_no_network_alive():
    model = randomised(Handwritten())
    canonical(model, images(12))
    gone, size = weakref.ref(model), len(KNOWN)
    del model
    gc.collect()
    assert gone() is None and len(KNOWN) < size


WITHOUT_FORM = {
    "a condition on values": lambda self, x: Handwritten.forward(self, x if x.amax() > 0 else -x),
    "a number read from a tensor": lambda self, x: Handwritten.forward(self, x) * x.norm().item(),
    "two outputs": lambda self, x: (Handwritten.forward(self, x), x),
    "a batch size that is baked in": lambda self, x: Handwritten.forward(self, x).view(operator.index(x.shape[0]), 4),
}


@pytest.mark.parametrize("forward", WITHOUT_FORM)
def test_what_has_no_form_is_named(forward):
    model = type("Odd", (Handwritten,), {"forward": WITHOUT_FORM[forward]})()
    with pytest.raises(ValueError, match="Odd"):
        canonical(randomised(model), images(12))
