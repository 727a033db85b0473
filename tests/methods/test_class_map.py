"""Which heads of networks CAM and peak responses take."""

import pytest
import torch
from torch import nn

from entries import Inapplicable
from methods.class_map import Cam, PeakResponse
from models.canonical import canonical
from tests.methods import networks

CAM, PEAKS = Cam(canonical), PeakResponse(3, 1e-6, canonical)


class Mean(nn.Module):
    def forward(self, x):
        return x.mean((2, 3))


def network(*head: nn.Module) -> nn.Module:
    layers = [nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 6, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, *head).eval().requires_grad_(False)


@pytest.mark.parametrize(
    "head",
    [
        lambda: [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4)],
        lambda: [nn.AvgPool2d(9), nn.Dropout(), nn.Flatten(), nn.Linear(6, 4)],
        lambda: [Mean(), nn.Linear(6, 4)],
        lambda: [nn.AdaptiveAvgPool2d(1), nn.Conv2d(6, 4, 1), nn.Flatten()],
    ],
)
def test_the_mean_of_cam_and_the_bias_are_the_logit(head):
    """However a global pool and a linear layer are written; the layer is as large as the image."""
    (x, target), model = networks.images(side=9), network(*head())
    linear = next(module for module in model[4:] if hasattr(module, "weight"))
    logits = model(x).gather(1, target[:, None])[:, 0]
    maps = CAM(model, x, target)
    torch.testing.assert_close(maps.mean((1, 2)) + linear.bias[target], logits)
    assert maps.min() < 0 < maps.max()


OTHER_HEADS = {
    "two linear layers": lambda: [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4)],
    "a ReLU behind the pool": lambda: [nn.AdaptiveAvgPool2d(1), nn.ReLU(), nn.Flatten(), nn.Linear(6, 4)],
    "a pool of quarters": lambda: [nn.AvgPool2d(4), nn.Flatten(), nn.Linear(24, 4)],
    "a pool that leaves out the border": lambda: [nn.AvgPool2d(8), nn.Flatten(), nn.Linear(6, 4)],
    "a max pool": lambda: [nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(6, 4)],
    "no pool": lambda: [nn.Flatten(), nn.Linear(6 * 81, 4)],
    "a pool behind the linear layer": lambda: [nn.Conv2d(6, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()],
}


@pytest.mark.parametrize("head", OTHER_HEADS)
@pytest.mark.parametrize("method", [CAM, PEAKS])
def test_other_heads_are_refused(method, head):
    with pytest.raises(Inapplicable, match=type(method).__name__):
        method(network(*OTHER_HEADS[head]()), *networks.images(side=9))
