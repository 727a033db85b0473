"""Class activation maps on layers that are overwritten, silent or unfit, and where a map is known in closed form."""

from functools import partial

import pytest
import torch
from torch import nn

from benchmarks.cost import counted
from entries import Inapplicable
from methods.cam import EigenCam, GradCam, GradCamPP, HiResCam, LayerCam, XGradCam
from methods.channel_cam import AblationCam, ScoreCam
from tests.methods import networks
from tests.methods.entries import assert_near
from tests.methods.networks import not_in_place

CHANNEL = {"score_cam": partial(ScoreCam, batch=4), "ablation_cam": partial(AblationCam, batch=4)}
METHODS = {kind.__name__: kind for kind in (GradCam, GradCamPP, XGradCam, HiResCam, LayerCam, EigenCam)} | CHANNEL

# layers whose output a ReLU, or a sum and a ReLU, overwrites in place
OVERWRITTEN = [
    ("residual", "features.3.bn2"),
    ("plain", "features.3"),
    ("branches", "features.5.wide.1"),
    ("resnet18", "layer1.0.bn1"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("family", "layer"), OVERWRITTEN)
@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_a_later_in_place_relu_does_not_change_what_is_recorded(method, family, layer):
    model, (x, target) = networks.network(family), networks.images()
    maps = method(layer)(model, x, target)
    assert_near(maps, method(layer)(not_in_place(model), x, target), 1e-5)


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


def silence(model: Whole, channel: int) -> None:
    model.layer[0].weight[channel], model.layer[0].bias[channel] = 0, -1


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
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


@pytest.mark.parametrize(("name", "wanted"), [("ablation_cam", 3 * (2 + 3)), ("score_cam", 3 * (1 + 3))])
def test_a_silent_channel_takes_no_pass(small, name, wanted):
    model, x, target = small
    for channel in (0, 3):
        silence(model, channel)
    with counted(model) as cost:
        CHANNEL[name]("layer")(model, x, target)
    assert cost.forwards == wanted


def test_no_logit_no_ablation_map(small):
    model, x, target = small
    model.fc.weight.zero_(), model.fc.bias.zero_()
    assert torch.equal(CHANNEL["ablation_cam"]("layer")(model, x, target), torch.zeros(3, 8, 8))


def test_a_contrast_of_roundings_gets_no_score(small):
    """Stretched, it would be a mask that depends on how the layer was computed."""
    (model, x, target), method = small, CHANNEL["score_cam"]("layer")
    model.layer[0].weight[0] *= 1e-8
    model.layer[0].bias[0] = 1.0
    wanted = method(model, x, target)
    model.layer[0].weight[0] = 0
    torch.testing.assert_close(method(model, x, target), wanted)


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
