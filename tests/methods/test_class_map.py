"""CAM and peak responses: their heads, their laws, and networks on which they are known."""

import pytest
import torch
from torch import nn

from entries import Inapplicable
from methods.class_map import Cam, PeakResponse, peaks
from models.canonical import canonical
from tests.methods import networks
from tests.methods.entries import relative
from tests.methods.references.cam import cam, peak_response

CAM, PEAKS = Cam(canonical), PeakResponse(3, 1e-6, canonical)


class Mean(nn.Module):
    def forward(self, x):
        return x.mean((2, 3))


def network(*head: nn.Module, bias: bool = True) -> nn.Module:
    layers = [nn.Conv2d(3, 6, 3, padding=1, bias=bias), nn.ReLU(), nn.Conv2d(6, 6, 3, padding=1, bias=bias), nn.ReLU()]
    return nn.Sequential(*layers, *head).eval().requires_grad_(False)


def case(side=9):
    return networks.images(side=side)


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
    (x, target), model = case(), network(*head())
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
        method(network(*OTHER_HEADS[head]()), *case())


def test_maps_of_more_than_one_pixel_are_those_of_the_references():
    """The shared architectures end in 2 x 2 pixels or one; here an image has several peaks."""
    model, (x, target) = networks.ready(networks.resnet18(), 96).double(), networks.images(1, 96)
    x = x.double()
    assert model.forward_features(x).shape[2] >= 3
    assert relative(CAM(model, x, target), cam(CAM, model, x, target)) < 1e-9
    assert relative(PEAKS(model, x, target), peak_response(PEAKS, model, x, target)) < 1e-5


def test_the_map_sums_to_the_number_of_peaks():
    """Sums and pools keep probability too; nothing is lost where all that is reached has a positive cause."""
    (x, target), model = case(32), networks.network("residual")
    response = torch.einsum("nk,nkhw->nhw", model.head[-1].weight[target], model.features(x))
    number = peaks(response, 3).sum((1, 2))
    maps = PEAKS(model, x, target)
    assert number.min() > 1 and maps.min() >= 0
    torch.testing.assert_close(maps.sum((1, 2)), number.to(maps), rtol=1e-3, atol=0)


def test_peaks_of_the_pixels_themselves_share_what_excites_them():
    """A pool right behind the image: a peak gives its pixel 1, all else gets nothing."""
    (x, target), model = case(), nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 4)).eval()
    response = torch.einsum("nk,nkhw->nhw", model[2].weight[target].detach(), x)
    torch.testing.assert_close(PEAKS(model, x, target), peaks(response, 3).to(x), rtol=0, atol=1e-4)


def test_the_scale_of_a_layer_does_not_matter():
    """Proportions do not notice it; a gradient would."""
    (x, target), model = case(), network(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4), bias=False)
    maps = PeakResponse(3, 1e-12, canonical)(model, x, target)
    model[0].weight.mul_(10)
    model[2].weight.mul_(0.3)
    torch.testing.assert_close(PeakResponse(3, 1e-12, canonical)(model, x, target), maps, rtol=1e-4, atol=1e-6)
