"""Class activation maps against pytorch-grad-cam, captum and closed forms."""

from copy import deepcopy

import pytest
import torch
from captum.attr import LayerAttribution, LayerGradCam
from pytorch_grad_cam import GradCAM, LayerCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn
from torch.nn.functional import interpolate

from methods import Inapplicable
from methods.cam import EigenCam, GradCam, GradCamPP, HiResCam, LayerCam, XGradCam
from tests.methods import networks
from tests.methods.entries import assert_near
from tests.methods.networks import not_in_place

FAMILIES = ["residual", "plain", "branches", "resnet18"]
BY_GRADIENT = [GradCam, GradCamPP, XGradCam, HiResCam, LayerCam]


def case(family):
    return networks.network(family), networks.FAMILIES[family][1], *networks.images()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("ours", "theirs"), [(GradCam, GradCAM), (LayerCam, LayerCAM)])
def test_maps_are_those_of_pytorch_grad_cam(family, ours, theirs):
    """It stretches every map to [0, 1], which commutes with the upsampling: ours are stretched alike."""
    model, layer, x, target = case(family)
    other = not_in_place(model).requires_grad_()
    with theirs(other, [other.get_submodule(layer)]) as cam:
        wanted = torch.from_numpy(cam(x.clone(), [ClassifierOutputTarget(int(t)) for t in target]))
    maps = ours(layer)(model, x, target)
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    stretched = (maps - low) / (high - low).clamp(min=1e-7)
    torch.testing.assert_close(stretched, wanted, atol=1e-4, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_grad_cam_is_captums(family):
    """captum records the layer without a copy, so it gets the network without in-place ReLUs."""
    model, layer, x, target = case(family)
    other = not_in_place(model)
    raw = LayerGradCam(other, other.get_submodule(layer)).attribute(x.clone(), target=target, relu_attributions=True)
    wanted = LayerAttribution.interpolate(raw, x.shape[2:], interpolate_mode="bilinear")
    assert_near(GradCam(layer)(model, x, target), wanted[:, 0].detach())


@pytest.mark.parametrize("family", ["residual", "branches"])
def test_maps_of_a_pooled_linear_head_are_closed_forms(family):
    """logit = W mean(A) + b has the gradient W / (h w) everywhere: Grad-CAM and XGrad-CAM are CAM, in float64."""
    model, (x, target) = networks.network(family), networks.images()
    weight = model.head[-1].weight.double()[target][:, :, None, None]
    a = deepcopy(model).features.double()(x.double())
    pixels = a.shape[2] * a.shape[3]
    plus = weight.relu() * pixels / (2 + weight * a.mean((2, 3), keepdim=True))
    for method, weigh in ((GradCam, weight), (XGradCam, weight), (LayerCam, weight.relu()), (GradCamPP, plus)):
        wanted = (weigh * a).sum(1, keepdim=True).relu() / pixels
        wanted = interpolate(wanted, x.shape[2:], mode="bilinear", align_corners=False)[:, 0]
        assert_near(method("features")(model, x, target).double(), wanted)


@pytest.mark.parametrize("family", ["residual", "plain"])
def test_maps_follow_from_head_and_features_apart(family):
    """The head's gradient by torch.func on its own, in float64."""
    model, (x, target) = not_in_place(networks.network(family)).double(), networks.images()
    a = model.features(x.double())
    rows = [torch.func.grad(lambda f, t=t: model.head(f[None])[0, t])(f) for f, t in zip(a, target, strict=True)]
    g = torch.stack(rows)
    wanted = {GradCam: (g.mean((2, 3), keepdim=True) * a).sum(1), LayerCam: (g.relu() * a).sum(1)}
    for method, cam in wanted.items():
        maps = method("features")(networks.network(family), x, target).double()
        up = interpolate(cam.relu()[:, None], x.shape[2:], mode="bilinear", align_corners=False)[:, 0]
        assert_near(maps, up)


# layers whose output a ReLU, or a sum and a ReLU, overwrites in place
OVERWRITTEN = [
    ("residual", "features.1"),
    ("residual", "features.3.bn2"),
    ("plain", "features.3"),
    ("plain", "features.6"),
    ("branches", "features.5.wide.1"),
    ("resnet18", "layer2.1.bn2"),
    ("resnet18", "bn1"),
]


@pytest.mark.parametrize(("family", "layer"), OVERWRITTEN)
@pytest.mark.parametrize("method", [*BY_GRADIENT, EigenCam])
def test_a_later_in_place_relu_does_not_change_what_is_recorded(method, family, layer):
    model, _, x, target = case(family)
    maps = method(layer)(model, x, target)
    assert_near(maps, method(layer)(not_in_place(model), x, target), 1e-5)


@pytest.mark.parametrize("method", [*BY_GRADIENT, EigenCam])
def test_hooks_of_others_still_see_the_layer(method):
    model, layer, x, target = case("plain")
    seen = []
    handle = model.get_submodule(layer).register_forward_hook(lambda _m, _i, out: seen.append(out.detach().clone()))
    method(layer)(model, x, target)
    handle.remove()
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


@pytest.mark.parametrize("method", BY_GRADIENT)
@pytest.mark.parametrize(
    ("layer", "sentence"),
    [
        ("nowhere", "needs a layer called 'nowhere'; Odd has none"),
        ("conv.weight", "needs a layer called 'conv.weight'; Odd has none"),
        ("twice", "needs a layer that runs once; 'twice' of Odd ran 2 times"),
        ("unused", "needs a layer that runs once; 'unused' of Odd ran 0 times"),
        ("fc", r"needs an output \(n, k, h, w\) of more than 1 x 1 pixels; 'fc' of Odd gives \(3, 4\)"),
        ("pool", r"needs an output \(n, k, h, w\) of more than 1 x 1 pixels; 'pool' of Odd gives \(3, 4, 1, 1\)"),
        ("pair", r"needs an output \(n, k, h, w\) of more than 1 x 1 pixels; 'pair' of Odd gives list"),
        ("aside", "needs a layer between the image and the logits; 'aside' of Odd is not"),
    ],
)
def test_layers_that_do_not_fit_are_named(method, layer, sentence):
    model, (x, target) = Odd().eval().requires_grad_(False), networks.images()
    with pytest.raises(Inapplicable, match=f"^{method.__name__} {sentence}$"):
        method(layer)(model, x, target)
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize("method", [*BY_GRADIENT, EigenCam])
def test_an_empty_layer_is_refused(method):
    with pytest.raises(ValueError, match=f"{method.__name__} needs the name of a layer; layer='' was given"):
        method("")


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
    """Not so Grad-CAM, which averages the gradient first."""
    model, x, target = small
    wanted = model(x).gather(1, target[:, None])[:, 0] - model.fc.bias[target]
    torch.testing.assert_close(HiResCam("layer")(model, x, target).sum((1, 2)), wanted)


def test_grad_cam_pp_is_made_of_the_derivatives_of_exp(small):
    """exp(logit), differentiated three times pixel by pixel; the weights less its own value."""
    model, x, target = small
    model, x = model.double(), x[:1].double()
    a, t = model.layer(x)[0], target[0]
    cam = torch.zeros(8, 8, dtype=torch.float64)
    for channel in range(5):
        weight = 0
        for place in range(64):

            def exponential(value, channel=channel, place=place):
                where = torch.tensor(channel), torch.tensor(place)
                return model.fc(a.flatten(1).index_put(where, value).flatten())[t].exp()

            derivatives, function = [], exponential
            for _ in range(3):
                function = torch.func.grad(function)
                derivatives.append(function(a[channel].flatten()[place]))
            first, second, third = derivatives
            alpha = second / (2 * second + a[channel].sum() * third)
            weight += alpha * first.relu() / model(x)[0, t].exp()
        cam += weight * a[channel]
    assert_near(GradCamPP("layer")(model, x, target[:1]), cam.relu()[None], 1e-9)


def silence(model: Whole, channel: int) -> None:
    model.layer[0].weight[channel], model.layer[0].bias[channel] = 0, -1


@pytest.mark.parametrize("method", [*BY_GRADIENT, EigenCam])
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


class Negative(nn.Module):
    def forward(self, x):
        return -x


@pytest.mark.parametrize("sign", [nn.Identity, Negative])
def test_eigen_cam_of_multiples_of_one_map_is_that_map(small, sign):
    """A^k = c_k B has the first singular vector c / |c|, whatever its sign."""
    model, x, target = small
    model.layer[0].weight[:] = torch.arange(1.0, 6)[:, None, None, None] * model.layer[0].weight[0].clone()
    model.layer[0].bias[:] = 0
    wanted = model.layer(x)[:, 0] * 55**0.5
    model.layer.append(sign())
    assert_near(EigenCam("layer")(model, x, target), wanted)


def test_eigen_cam_is_the_best_map_behind_all_channels():
    """No map, each channel taking its best multiple of it, leaves less of the layer unexplained."""
    features, (x, target) = networks.network("plain").features, networks.images()
    flat = features(x).flatten(2)
    model = nn.Sequential(features, nn.Upsample(scale_factor=4), nn.Flatten(), nn.Linear(6 * 1024, 4))
    cam = EigenCam("1")(model.requires_grad_(False), x, target)[:, ::4, ::4].flatten(1)
    rest = flat - (flat @ cam[..., None]) * cam[:, None] / (cam * cam).sum(1)[:, None, None]
    torch.testing.assert_close(rest.norm(dim=(1, 2)), torch.linalg.svdvals(flat)[:, 1:].norm(dim=1))
