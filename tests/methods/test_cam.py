"""Class activation maps on layers that are overwritten, silent or unfit, and where a map is known in closed form."""

import pytest
import torch
from torch import nn

from entries import Inapplicable
from methods.cam import EigenCam, GradCam, GradCamPP, HiResCam, LayerCam, XGradCam
from tests.methods import networks
from tests.methods.entries import assert_near
from tests.methods.networks import not_in_place

METHODS = [GradCam, GradCamPP, XGradCam, HiResCam, LayerCam, EigenCam]

# layers whose output a ReLU, or a sum and a ReLU, overwrites in place
OVERWRITTEN = [
    ("residual", "features.3.bn2"),
    ("plain", "features.3"),
    ("branches", "features.5.wide.1"),
    ("resnet18", "bn1"),
]


@pytest.mark.parametrize(("family", "layer"), OVERWRITTEN)
@pytest.mark.parametrize("method", METHODS)
def test_a_later_in_place_relu_does_not_change_what_is_recorded(method, family, layer):
    model, (x, target) = networks.network(family), networks.images()
    maps = method(layer)(model, x, target)
    assert_near(maps, method(layer)(not_in_place(model), x, target), 1e-5)


@pytest.mark.parametrize("method", [GradCam, EigenCam])
def test_hooks_of_others_still_see_the_layer(method):
    model, (x, target), seen = networks.network("plain"), networks.images(), []
    with model.features.register_forward_hook(lambda _m, _i, out: seen.append(out.detach().clone())):
        method("features")(model, x, target)
    torch.testing.assert_close(seen[0], model.features(x))


class Odd(nn.Module):
    """Layers that a CAM cannot use: used twice, beside the path, without a spatial output, a list as output."""

    def __init__(self):
        super().__init__()
        self.conv, self.aside, self.unused = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3)
        self.twice, self.pair, self.pool, self.fc = nn.ReLU(), Pair(), nn.AdaptiveAvgPool2d(1), nn.Linear(4, 4)

    def forward(self, x):
        x = self.twice(self.twice(self.conv(x)))
        self.aside(x)
        return self.fc(self.pool(self.pair(x)[0]).flatten(1))


class Pair(nn.Module):
    def forward(self, x):
        return [x, x]


@pytest.mark.parametrize("layer", ["nowhere", "conv.weight", "twice", "unused", "fc", "pool", "pair", "aside"])
def test_layers_that_do_not_fit_are_named(layer):
    model, (x, target) = Odd().eval().requires_grad_(False), networks.images()
    with pytest.raises(Inapplicable, match=f"'{layer}'"):
        GradCam(layer)(model, x, target)
    assert not any(module._forward_hooks for module in model.modules())


class Whole(nn.Module):
    """A layer as large as the image, and one linear layer that reads all of its pixels."""

    def __init__(self):
        super().__init__()
        self.layer, self.fc = nn.Sequential(nn.Conv2d(3, 5, 3, padding=1), nn.ReLU()), nn.Linear(5 * 8 * 8, 4)

    def forward(self, x):
        return self.fc(self.layer(x).flatten(1))


@pytest.fixture
def small():
    return Whole().eval().requires_grad_(False), *networks.images(side=8)


def test_hires_cam_sums_to_the_logit_less_its_bias(small):
    model, x, target = small
    wanted = model(x).gather(1, target[:, None])[:, 0] - model.fc.bias[target]
    torch.testing.assert_close(HiResCam("layer")(model, x, target).sum((1, 2)), wanted)


def silence(model: Whole, channel: int) -> None:
    model.layer[0].weight[channel], model.layer[0].bias[channel] = 0, -1


@pytest.mark.parametrize("method", METHODS)
def test_a_silent_channel_adds_nothing(small, method):
    """Also where a formula divides by its sum, and where no channel is left."""
    model, x, target = small
    silence(model, 0)
    maps = method("layer")(model, x, target)
    model.fc.weight[:, :64] = 1e6
    assert maps.isfinite().all() and torch.equal(method("layer")(model, x, target), maps)
    for channel in range(5):
        silence(model, channel)
    assert torch.equal(method("layer")(model, x, target), torch.zeros_like(maps))


def test_eigen_cam_of_multiples_of_one_map_is_that_map(small):
    """A^k = c_k B has the first singular vector c / |c|, whatever its sign."""
    model, x, target = small
    model.layer[0].weight[:] = torch.arange(1.0, 6)[:, None, None, None] * model.layer[0].weight[0].clone()
    model.layer[0].bias[:] = 0
    wanted = model.layer(x)[:, 0] * 55**0.5
    assert_near(EigenCam("layer")(model, x, target), wanted)
    model.layer[0].weight.neg_()
    model.layer[1] = nn.Hardtanh(-1e9, 0)  # the same maps, negative
    assert_near(EigenCam("layer")(model, x, target), wanted)
