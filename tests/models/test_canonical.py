"""The canonical form computes what the network computes, and says of each operation what it is."""

import copy
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
from models.modules import Dense
from tests.methods.networks import plain, randomised, residual

# name: (arguments, size, what the form must hold); at these sizes the last map is one pixel
TIMM = {
    "vgg16": ({"mlp_ratio": 1 / 32}, 32, {"convolution": 13, "linear": 3, "relu": 15, "max": 5}),
    "resnet18": ({}, 48, {"convolution": 20, "linear": 1, "relu": 17, "max": 1, "average": 1, "sum": 8}),
    "inception_v3": ({}, 75, {"convolution": 94, "linear": 1, "relu": 94, "max": 4, "average": 9, "concat": 15}),
    "densenet121": ({}, 32, {"convolution": 120, "linear": 1, "relu": 121, "scale": 62, "average": 3}),
    "efficientnet_b0": ({}, 32, {"convolution": 81, "linear": 1, "relu": 0, "": 16, "sum": 9}),
}


def images(size: int, n: int = 2) -> Tensor:
    return torch.randn(n, 3, size, size, generator=torch.Generator().manual_seed(1))


def logits_and_gradient(model: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    x = x.clone().requires_grad_()
    logits = model(x)
    return logits.detach(), torch.autograd.grad(logits[:, 1].sum(), x)[0]


def assert_same(model: nn.Module, x: Tensor) -> nn.Module:
    """Logits in float32; logits and gradients in float64, where rounding moves no ReLU across its kink."""
    graph = canonical(model, x)
    logits = model(x)
    torch.testing.assert_close(graph(x), logits, rtol=0, atol=1e-4 * logits.abs().max().item())
    exact, x = copy.deepcopy(model).double(), x.double()
    for ours, theirs in zip(logits_and_gradient(canonical(exact, x), x), logits_and_gradient(exact, x), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-9 * theirs.abs().max().item())
    return graph


def roles(graph: nn.Module) -> Counter:
    return Counter(node.meta["role"] for node in graph.graph.nodes)


QUICK = ("vgg16", "resnet18")


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in TIMM]
)
def test_timm(name):
    options, size, expected = TIMM[name]
    graph = assert_same(randomised(timm.create_model(name, num_classes=5, **options)), images(size))
    counts = roles(graph)
    assert {role: counts[role] for role in expected} == expected
    calls = Counter(node.target for node in graph.graph.nodes if node.op == "call_module")
    assert set(calls.values()) == {1}
    assert not any(getattr(module, "inplace", False) for module in graph.modules())
    assert not any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in graph.modules())
    assert not any(parameter.requires_grad for parameter in graph.parameters())


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


def test_handwritten_modules():
    counts = roles(assert_same(randomised(Handwritten()), images(12)))
    assert [counts[role] for role in ("relu", "sum", "concat", "max", "average")] == [3, 1, 1, 1, 2]
    # the norm, the factor and the shift are folded; `expand` has no rule
    assert counts["scale"] == 0 and counts[""] == 1
    assert roles(assert_same(randomised(ChangedInPlace()), images(12)))["sum"] == 1


def test_odd_pools_and_linear_layers_of_other_kinds():
    assert_same(randomised(nn.Sequential(nn.Flatten(), nn.Linear(3 * 25, 4), nn.BatchNorm1d(4))), images(5))
    body = (nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU6(True), nn.AdaptiveAvgPool2d(4), nn.BatchNorm2d(4))
    head = (nn.Conv2d(4, 4, 4), nn.ReLU(True), nn.Conv2d(4, 5, 1), nn.Flatten())
    graph = assert_same(randomised(nn.Sequential(*body, *head)), images(12))
    assert any(isinstance(module, nn.AdaptiveAvgPool2d) for module in graph.modules())  # 10 to 4: windows differ
    assert sum(isinstance(module, Dense) for module in graph.modules()) == 2


def test_the_model_is_untouched_and_its_memory_shared():
    model, x = randomised(plain()), images(32)
    before = {name: (id(module), len(module._forward_hooks), module.training) for name, module in model.named_modules()}
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    graph = canonical(model, x)
    assert before == {n: (id(m), len(m._forward_hooks), m.training) for n, m in model.named_modules()}
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
    assert not set(map(id, graph.modules())) & set(map(id, model.modules()))
    theirs = {parameter.data_ptr() for parameter in model.parameters()}
    assert {parameter.data_ptr() for parameter in graph.parameters()} == theirs


def test_changed_weights_are_seen():
    model, x = randomised(residual()), images(32)
    first = canonical(model, x)
    assert canonical(model, x) is first
    model.features[3].bn1.running_mean.add_(0.5)
    assert canonical(model, x) is not first
    assert_same(model, x)
    model.features[0].weight = nn.Parameter(-model.features[0].weight, requires_grad=False)
    assert_same(model, x)
    model.features[4] = nn.AvgPool2d(3, 2, 1)
    assert_same(model, x)
    assert_same(model, images(40))


def test_forward_hooks_of_the_original_are_called_with_its_logits():
    model, x, seen = randomised(Handwritten()), images(12), []
    with model.register_forward_hook(lambda module, args, out: seen.append((module, args[0], out))):
        graph = canonical(model, x)
        assert not seen
        logits = graph(x)
    assert len(seen) == 1 and seen[0][0] is model and seen[0][1] is x and seen[0][2] is logits


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
