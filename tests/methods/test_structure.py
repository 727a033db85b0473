"""Which layers FEM and multi-layered FEM take."""

import pytest
import timm
import torch
from torch import nn

from entries import Inapplicable
from methods.structure import Fem, Mlfem, bottlenecks
from models.canonical import canonical
from tests.methods import networks


class Given(nn.Module):
    """A network whose layer gives its input."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Identity()

    def forward(self, x):
        return self.layer(x).mean((2, 3))


@pytest.mark.parametrize(("side", "fits"), [(2, False), (3, True)])
def test_a_layer_too_small_for_any_outlier_is_refused(side, fits):
    """Of N values the largest is at most sqrt(N - 1) population deviations above the mean: 1.73 of 4, 2.83 of 9."""
    x = torch.zeros(1, 3, side, side)
    x[:, :, 0, 0] = 1
    assert (x[0, 0].numel() - 1) ** 0.5 == pytest.approx(((1 - x[0, 0].mean()) / x[0, 0].std(correction=0)).item())
    if fits:
        assert Fem("layer", 2.0)(Given(), x, torch.tensor([0])).max() > 0
    else:
        with pytest.raises(Inapplicable, match="'layer' of Given"):
            Fem("layer", 2.0)(Given(), x, torch.tensor([0]))


mlfem = Mlfem(2.0, 4, canonical)

LAST = {
    "vgg16": (32, ["features_3", "features_8", "features_15", "features_22", "features_29", "pre_logits_act2"]),
    "resnet18": (64, ["act1", "layer1_1_act2", "layer2_1_act2", "layer3_1_act2", "layer4_1_act2"]),
    "efficientnet_b0": (64, [*(f"blocks_{i}_0_bn1_act" for i in (1, 2, 3, 5)), "bn2_act"]),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LAST)
def test_the_last_layer_of_a_size_is_in_no_branch(name):
    """Squeeze-and-excitation gates and the branches of a block are left out, though they come later."""
    side, wanted = LAST[name]
    build = networks.ARCHITECTURES.get(name, [lambda: timm.create_model(name, num_classes=4)])[0]
    graph = canonical(build().eval(), torch.zeros(1, 3, side, side))
    assert [node.name for node in bottlenecks(graph).values()] == wanted


def test_a_layer_without_outliers_counts_as_zeros():
    model = nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Linear(192, 3)).eval().requires_grad_(False)
    assert (mlfem(model, torch.ones(2, 3, 8, 8), torch.tensor([0, 1])) == 0).all()


def test_mlfem_needs_a_layer_that_is_large_enough():
    model = nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Linear(12, 3)).eval().requires_grad_(False)
    with pytest.raises(Inapplicable, match="Mlfem"):
        mlfem(model, torch.ones(1, 3, 2, 2), torch.tensor([0]))
