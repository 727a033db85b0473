"""`layer=auto`: the last convolutional maps of any CNN of timm, without being told a name."""

import pytest
import timm
import torch
from torch import nn

from benchmarks.cost import counted
from entries import Inapplicable
from layers import last_maps, layer_name
from methods.cam import GradCam
from methods.channel_cam import AblationCam
from tests.conftest import composed

FAMILIES = """
    skresnet18 eca_resnext26ts efficientnet_lite0 mobilenetv2_035 mobilenetv3_small_050 mobilenetv4_conv_small_035
    semnasnet_050 spnasnet_100 ghostnet_050 lcnet_035 tinynet_e mixnet_s rexnetr_100 fbnetc_100 hardcorenas_a
    regnetx_002 regnety_002 dla46_c dpn48b ese_vovnet19b_slim_dw cs3darknet_focus_s convnext_atto edgenext_xx_small
    repvgg_a0 gernet_s starnet_s050 repghostnet_050 nf_regnet_b0 test_resnet
"""


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES.split())
def test_the_last_maps_are_timms_own_features(family):
    """timm's `forward_features` is the other source: what the head then pools."""
    network, x = timm.create_model(family, num_classes=5).eval(), torch.randn(1, 3, 128, 128)
    given = []
    with network.get_submodule(last_maps(network, x)).register_forward_hook(lambda _m, _i, y: given.append(y.clone())):
        features = network.forward_features(x)
    assert torch.equal(given[0], features) and min(features.shape[2:]) == 4


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18", "resnet50", "inception_v3", "vgg16", "vgg16_bn"])
def test_agrees_with_the_names_that_are_written_down(name):
    cfg = composed(f"model={name}").model
    with torch.device("meta"):  # shapes only
        network = timm.create_model(name, **cfg.fit.model_args).eval()
        assert last_maps(network, torch.zeros(1, 3, cfg.fit.sizes[-1], cfg.fit.sizes[-1])) == cfg.fit.last_conv
        size = network.default_cfg["input_size"][-1]
        expected = composed(f"model={name}", "weights=pretrained").model.last_conv
        assert last_maps(network, torch.zeros(1, 3, size, size)) == expected


def test_a_network_that_ends_in_no_maps_is_inapplicable():
    with pytest.raises(Inapplicable, match="VisionTransformer"):
        layer_name(GradCam("auto"), timm.create_model("test_vit").eval(), torch.randn(1, 3, 160, 160))
    flat = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 5))
    with pytest.raises(Inapplicable, match="8 x 8"):
        layer_name(GradCam("auto"), flat, torch.randn(1, 3, 8, 8))


@pytest.mark.slow
@pytest.mark.parametrize("make", [GradCam, lambda layer: AblationCam(layer, batch=8)])
def test_auto_gives_the_map_of_the_named_layer_counts_no_pass_and_follows_the_size(make):
    network = timm.create_model("test_resnet", num_classes=5).eval().requires_grad_(False)
    target = torch.tensor([1, 2])
    for side, layer in ((128, "layer4"), (64, "layer3")):
        x = torch.randn(2, 3, side, side)
        with counted(network) as expected:
            named = make(layer)(network, x, target)
        with counted(network) as cost:
            auto = make("auto")(network, x, target)
        assert torch.equal(auto, named) and cost == expected and named.std() > 0
    assert not any(module._forward_hooks for module in network.modules())
