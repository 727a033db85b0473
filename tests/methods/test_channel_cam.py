"""Score-CAM and Ablation-CAM on networks where their weights are known."""

import pytest
import torch
from torch import nn

from benchmarks.cost import counted
from methods.channel_cam import AblationCam, ScoreCam
from tests.methods import networks


class Pooled(nn.Module):
    """Six channels as large as the image, a global average pool and a linear layer without a bias."""

    def __init__(self):
        super().__init__()
        self.layer, self.fc = nn.Conv2d(3, 6, 3, padding=1), nn.Linear(6, 4, bias=False)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.fc(self.relu(self.layer(x)).mean((2, 3)))


@pytest.fixture
def small():
    return Pooled().eval().requires_grad_(False), *networks.images(side=8)


def channels(model: Pooled, x: torch.Tensor) -> torch.Tensor:
    return model.layer(x).relu()


def flatten_channel(model: Pooled, channel: int, value: float) -> None:
    model.layer.weight[channel], model.layer.bias[channel] = 0, value


def forwards(model: nn.Module, explain) -> int:
    with counted(model) as cost:
        explain()
    return cost.forwards


def test_ablation_weights_are_shares_of_a_linear_logit(small):
    """S = sum_k w_k mean(A_k): the share of a channel is its term, and all shares sum to one."""
    model, x, target = small
    a = channels(model, x)
    terms = model.fc.weight[target] * a.mean((2, 3))
    shares = terms / terms.sum(1, keepdim=True)
    assert shares.sum(1).allclose(torch.ones(3)) and shares.min() < 0
    wanted = torch.einsum("nk,nkhw->nhw", shares, a).relu()
    model.layer, model.relu = nn.Sequential(model.layer, nn.ReLU()), nn.Identity()
    torch.testing.assert_close(AblationCam("layer", 4)(model, x, target), wanted)


def test_the_map_of_a_negative_logit_shows_what_speaks_against_the_class(small):
    """As in the paper: S and S - S_k change sign together, S_k / S does not notice."""
    model, x, target = small
    maps = AblationCam("layer", 4)(model, x, target)
    model.fc.weight.neg_()
    assert maps.max() > 0 and torch.equal(AblationCam("layer", 4)(model, x, target), maps)


def test_no_logit_no_ablation_map(small):
    model, x, target = small
    model.fc.weight.zero_()
    assert torch.equal(AblationCam("layer", 4)(model, x, target), torch.zeros(3, 8, 8))


def test_ablation_works_before_an_in_place_relu(small):
    """Then channels are signed, and what the ReLU leaves is not what is weighed."""
    model, x, target = small
    maps = AblationCam("layer", 4)(model, x, target)
    model.relu.inplace = False
    assert torch.equal(AblationCam("layer", 4)(model, x, target), maps) and maps.max() > 0


def test_only_channels_that_are_not_zero_take_a_pass(small):
    model, x, target = small
    model.layer = nn.Sequential(model.layer, nn.ReLU())
    for channel in (0, 3):
        flatten_channel(type("", (), {"layer": model.layer[0]}), channel, -1)
    method = AblationCam("layer", 4)
    assert forwards(model, lambda: method(model, x, target)) == 3 * (2 + 4)


def test_a_channel_without_contrast_gets_no_score(small):
    """It takes no pass, and the one that is left gets all the weight."""
    model, x, target = small
    for channel in range(1, 6):
        flatten_channel(model, channel, channel - 3.0)
    method = ScoreCam("layer", 4)
    assert forwards(model, lambda: method(model, x, target)) == 3 * (1 + 1)
    torch.testing.assert_close(method(model, x, target), model.layer(x)[:, 0].relu())
    flatten_channel(model, 0, 7.0)
    assert torch.equal(method(model, x, target), torch.zeros(3, 8, 8))


def test_a_contrast_of_roundings_is_none(small):
    """Stretched, it would be a mask that depends on how the layer was computed."""
    model, x, target = small
    model.layer.weight[0] *= 1e-8
    model.layer.bias[0] = 1.0
    wanted = ScoreCam("layer", 4)(model, x, target)
    model.layer.weight[0] = 0
    torch.testing.assert_close(ScoreCam("layer", 4)(model, x, target), wanted)
