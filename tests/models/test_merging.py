"""A network with merged batch norms is the same function, with the same names and no norm left."""

import pytest
import timm
import torch
from torch import nn

from models.merging import merged

IMAGE = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", ["resnet18", "tf_efficientnet_lite0"])
def test_the_same_logits_and_gradients_without_a_norm(name):
    torch.manual_seed(0)
    plain = timm.create_model(name, num_classes=5)
    for norm in (module for module in plain.modules() if isinstance(module, nn.BatchNorm2d)):
        for tensor in (norm.weight, norm.running_var):
            nn.init.uniform_(tensor, 0.5, 1.5)
        for tensor in (norm.bias, norm.running_mean):
            nn.init.normal_(tensor, std=0.1)
    plain = plain.eval().requires_grad_(False)
    names = [place for place, _ in plain.named_modules()]
    results = []
    for one in (plain, merged(plain_copy(plain), IMAGE[:1])):
        x = IMAGE.clone().requires_grad_()
        logits = one(x)
        results.append((logits.detach(), torch.autograd.grad(logits[:, 0].sum(), x)[0]))
    for before, after in zip(*results, strict=True):
        assert (after - before).abs().max() <= 1e-3 * before.abs().max()
    assert not any(isinstance(module, nn.BatchNorm2d) for module in one.modules())
    assert {place for place, _ in one.named_modules()} <= set(names)
    assert not any(parameter.requires_grad for parameter in one.parameters())


def plain_copy(model: nn.Module) -> nn.Module:
    copy = timm.create_model("resnet18" if "ResNet" in type(model).__name__ else "tf_efficientnet_lite0", num_classes=5)
    copy.load_state_dict(model.state_dict())
    return copy.eval().requires_grad_(False)


class Shared(nn.Module):
    """A convolution whose output is read beside its norm, too."""

    def __init__(self):
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
        nn.init.constant_(self.norm.bias, 1.0)

    def forward(self, x):
        y = self.convolution(x)
        return (y + self.norm(y)).mean((2, 3))


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.BatchNorm2d(4)), "has none"),
        (Shared(), "has others"),
    ],
)
def test_a_network_without_norms_to_merge_is_refused(model, said):
    with pytest.raises(ValueError, match=f"model.merged needs .*{said}"):
        merged(model.eval(), IMAGE[:1])
