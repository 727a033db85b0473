"""LRP against zennit's own composites; what biases absorb, and which layers are linear."""

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F
from zennit import composites
from zennit.torchvision import ResNetCanonizer

from entries import Inapplicable
from methods.lrp import LrpAlphaBeta, LrpEpsilonGammaBox, LrpEpsilonPlus
from models.canonical import canonical
from tests.methods.entries import relative
from tests.methods.networks import network, randomised

EPSILON = 1e-6
small = {"stabilizer": EPSILON, "canonical": canonical}
lrp = LrpEpsilonPlus(epsilon=EPSILON, bias=True, **small)


def images(size: int, n: int = 2) -> Tensor:
    return torch.randn(n, 3, size, size, generator=torch.Generator().manual_seed(1))


def vgg_like() -> nn.Module:
    layers = torchvision.models.vgg.make_layers([8, 8, "M", 16, "M"])
    head = (nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(256, 32), nn.ReLU(True), nn.Dropout(), nn.Linear(32, 5))
    return nn.Sequential(*layers, *head)


BOX = torch.tensor([[-3.0], [3.0]], dtype=torch.float64).expand(2, 3)
COMPOSITES = {
    "EpsilonPlus": lrp,
    "EpsilonAlpha2Beta1": LrpAlphaBeta(alpha=2.0, beta=1.0, epsilon=EPSILON, bias=True, **small),
    "EpsilonGammaBox": LrpEpsilonGammaBox(epsilon=EPSILON, gamma=0.25, bias=True, **small),
}


def zennit_map(composite: str, model: nn.Module, x: Tensor, target: Tensor, canonizers: list) -> Tensor:
    options = {"stabilizer": EPSILON, "epsilon": EPSILON, "canonizers": canonizers}
    if composite == "EpsilonGammaBox":
        options |= {"low": BOX[:1, :, None, None], "high": BOX[1:, :, None, None]}
    x = x.clone().requires_grad_()
    with getattr(composites, composite)(**options).context(model) as modified:
        logits = modified(x)
        start = F.one_hot(target, logits.shape[1]).to(x) * logits.detach()
        return torch.autograd.grad(logits, x, start)[0].sum(1)


@pytest.mark.parametrize("composite", COMPOSITES)
@pytest.mark.parametrize("name", ["vgg_like", pytest.param("resnet18", marks=pytest.mark.slow)])
def test_zennit_composite(composite, name):
    """zennit's canonizers know torchvision's networks; there it must give the same maps."""
    model = vgg_like() if name == "vgg_like" else torchvision.models.resnet18(num_classes=5)
    model, x, method = randomised(model).double(), images(32).double(), COMPOSITES[composite]
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 0.0  # zennit merges it, and then divides by it once more
    target, box = torch.tensor([4, 0]), {"box": BOX} if method.needs else {}
    wanted = zennit_map(composite, model, x, target, [ResNetCanonizer()] if name == "resnet18" else [])
    assert relative(method(model, x, target, **box), wanted) < 1e-6


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


def test_what_has_no_rule_is_named():
    target = torch.tensor([0, 1])
    with pytest.raises(Inapplicable, match="mul"):
        lrp(timm.create_model("test_efficientnet", num_classes=5).eval(), images(32), target)
    with pytest.raises(Inapplicable, match="batch_norm"):
        lrp(network("residual").train(), images(8), target)
