"""Deconvnet and guided backprop against captum, and against matrices written out in float64."""

import pytest
import timm
import torch
from torch import Tensor, nn

from methods import Inapplicable
from methods.backprop import Deconvnet, GuidedBackprop
from models.canonical import canonical

CAPTUM = {Deconvnet: "Deconvolution", GuidedBackprop: "GuidedBackprop"}


def randomised(model: nn.Module) -> nn.Module:
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.3, generator=rng)
                module.running_var.uniform_(0.5, 2, generator=rng)
                module.bias.normal_(0, 0.2, generator=rng)
            elif isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
                module.bias.normal_(0, 0.1, generator=rng)
    return model.eval().requires_grad_(False)


@pytest.mark.parametrize("kind", CAPTUM)
@pytest.mark.parametrize(("name", "size"), [("vgg16", 32), ("resnet18", 40), ("inception_v3", 75)])
def test_captum(kind, name, size):
    """captum needs ReLUs that are modules and do not work in place; the network is otherwise the same."""
    attr = pytest.importorskip("captum.attr")
    options = {"mlp_ratio": 1 / 32} if name == "vgg16" else {}
    model = randomised(timm.create_model(name, num_classes=5, **options)).double()
    x = torch.randn(2, 3, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    target = torch.tensor([4, 0])
    ours = kind(canonical)(model, x, target)
    for module in model.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    theirs = getattr(attr, CAPTUM[kind])(model).attribute(x.clone().requires_grad_(), target=target).abs().amax(1)
    torch.testing.assert_close(ours, theirs.detach(), rtol=0, atol=1e-6 * theirs.max().item())


@pytest.mark.parametrize("kind", CAPTUM)
def test_matrices(kind):
    """Two hidden layers written out: W1'(m1 * W2'(m2 * w3)) with the masks of the method."""
    hidden = (nn.Linear(18, 12), nn.ReLU(True), nn.Linear(12, 9), nn.ReLU(True))
    net = randomised(nn.Sequential(nn.Flatten(), *hidden, nn.Linear(9, 3)))
    x = torch.randn(1, 2, 3, 3, generator=torch.Generator().manual_seed(2))
    (w1, b1), (w2, b2), w3 = *((net[i].weight.double(), net[i].bias.double()) for i in (1, 3)), net[5].weight.double()
    a1 = w1 @ x.double().reshape(-1) + b1
    a2 = w2 @ a1.relu() + b2

    def back(g: Tensor, a: Tensor) -> Tensor:
        return g * (g > 0) * ((a > 0) if kind is GuidedBackprop else 1)

    for target in range(3):
        theirs = w1.t() @ back(w2.t() @ back(w3[target], a2), a1)
        ours = kind(canonical)(net, x, torch.tensor([target]))
        torch.testing.assert_close(ours.double()[0], theirs.reshape(2, 3, 3).abs().amax(0), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("kind", CAPTUM)
def test_a_network_without_relu_is_refused(kind):
    model = timm.create_model("efficientnet_b0", num_classes=5).eval()
    with pytest.raises(Inapplicable, match=f"{kind.__name__} needs a ReLU; EfficientNet has none"):
        kind(canonical)(model, torch.randn(1, 3, 32, 32), torch.tensor([0]))
