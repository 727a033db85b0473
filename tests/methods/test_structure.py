"""FEM against a literal loop over images and channels, and OpenCV's bicubic resize."""

import cv2
import numpy
import pytest
import torch
from torch import nn

from methods import Inapplicable
from methods.structure import Fem
from tests.methods import networks


def literal(a: numpy.ndarray, k: float, side: int) -> numpy.ndarray:
    """FEM of one image's activations (channels, h, w), as the authors' notebook goes about it, without its division."""
    fem = numpy.zeros(a.shape[1:])
    for channel in a:
        mu = channel.sum() / channel.size
        sd = (((channel - mu) ** 2).sum() / channel.size) ** 0.5
        for row, column in numpy.ndindex(channel.shape):
            if channel[row, column] > mu + k * sd:
                fem[row, column] += mu
    return cv2.resize(fem, (side, side), interpolation=cv2.INTER_CUBIC).clip(0)


@pytest.mark.parametrize("family", ["residual", "plain", "branches", "resnet18"])
@pytest.mark.parametrize("k", [0.5, 2.0])
def test_fem_is_the_literal_loop(family, k):
    model, layer, (x, target) = networks.network(family), networks.FAMILIES[family][1], networks.images()
    a = []
    handle = model.get_submodule(layer).register_forward_hook(lambda _m, _i, out: a.append(out.clone()))
    model(x)
    handle.remove()
    wanted = numpy.stack([literal(image, k, 32) for image in a[0].double().numpy()])
    maps = Fem(layer, k)(model, x, target)
    assert wanted.max() > 0
    torch.testing.assert_close(maps.double(), torch.from_numpy(wanted), atol=1e-5 * wanted.max(), rtol=0)


class Given(nn.Module):
    """A network whose layer gives its input."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Identity()

    def forward(self, x):
        return self.layer(x).mean((2, 3))


def test_a_spike_gets_its_channels_mean():
    """One of 64 pixels is 6.4: the mean is .1; the even channel and the weak one (at .2 of 6.4) add as they should."""
    x = torch.zeros(1, 3, 8, 8)
    x[0, 0, 3, 4], x[0, 1], x[0, 2, 3, 4] = 6.4, 5.0, 1.28
    fem = Fem("layer", 2.0)(Given(), x, torch.tensor([0]))[0]
    wanted = torch.zeros(8, 8)
    wanted[3, 4] = 0.1 + 0.02
    torch.testing.assert_close(fem, wanted)


def test_an_even_image_gives_zeros():
    assert (Fem("layer", 2.0)(Given(), torch.ones(2, 3, 8, 8), torch.tensor([0, 1])) == 0).all()


def test_maps_are_not_rescaled():
    x, target = networks.images()
    model, fem = Given(), Fem("layer", 1.0)
    torch.testing.assert_close(fem(model, 4 * x.abs(), target), 4 * fem(model, x.abs(), target))


@pytest.mark.parametrize(("side", "fits"), [(2, False), (3, True)])
def test_a_layer_too_small_for_any_outlier_is_refused(side, fits):
    """Of N values the largest is at most sqrt(N - 1) population deviations above the mean: 1.73 of 4, 2.83 of 9."""
    x = torch.zeros(1, 3, side, side)
    x[:, :, 0, 0] = 1
    assert (x[0, 0].numel() - 1) ** 0.5 == pytest.approx(((1 - x[0, 0].mean()) / x[0, 0].std(correction=0)).item())
    if fits:
        assert Fem("layer", 2.0)(Given(), x, torch.tensor([0])).max() > 0
    else:
        sentence = "Fem with k=2.0 needs more than 5 pixels; 'layer' of Given gives 2 x 2"
        with pytest.raises(Inapplicable, match=sentence):
            Fem("layer", 2.0)(Given(), x, torch.tensor([0]))


@pytest.mark.parametrize(("layer", "k", "named"), [("", 2.0, "layer=''"), ("a", -1.0, "k=-1.0"), ("a", True, "k=True")])
def test_values_out_of_range_are_named(layer, k, named):
    with pytest.raises(ValueError, match=f"Fem needs .*{named} was given"):
        Fem(layer, k)
