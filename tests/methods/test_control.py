"""Controls against scipy and closed forms."""

import pytest
import torch
from scipy import ndimage

from methods import Inapplicable
from methods.control import Centre, Constant, Edges, Truth, Uniform
from tests.methods import networks

X, TARGET = networks.images(4, side=24)


def test_edges_are_scipys_sobel():
    grey = X.double().mean(1).numpy()
    for map_, image in zip(Edges()(None, X, TARGET), grey, strict=True):
        wanted = sum(ndimage.sobel(image, axis, mode="mirror") ** 2 for axis in (0, 1)) ** 0.5
        torch.testing.assert_close(map_.double(), torch.from_numpy(wanted), atol=1e-5, rtol=1e-5)


def test_uniform_noise_is_shared_and_uniform():
    maps = Uniform(3)(None, torch.zeros(2, 3, 200, 100), TARGET[:2])
    assert torch.equal(maps[0], maps[1]) and maps.shape == (2, 200, 100)
    assert not torch.equal(maps, Uniform(4)(None, torch.zeros(2, 3, 200, 100), TARGET[:2]))
    counts = torch.histc(maps[0], 10, 0, 1)
    assert ((counts - 2000) ** 2 / 2000).sum() < 27.9  # chi-squared, 9 degrees of freedom: one in a thousand


def test_constant_is_one():
    assert torch.equal(Constant()(None, X, TARGET), torch.ones(4, 24, 24))


def test_centre_is_a_gaussian_in_fractions_of_the_side():
    maps = Centre(0.25)(None, torch.zeros(1, 3, 5, 9), TARGET[:1])
    assert maps[0, 2, 4] == 1 and maps.shape == (1, 5, 9)
    assert maps[0, 2, 4 + 2] == pytest.approx(torch.tensor(-((2 / 9) ** 2) / (2 * 0.25**2)).exp().item())
    assert maps[0, 2 - 1, 4] == pytest.approx(torch.tensor(-((1 / 5) ** 2) / (2 * 0.25**2)).exp().item())
    torch.testing.assert_close(maps, maps.flip(1).flip(2))


def test_truth_is_the_mask():
    mask = X[:, 0] > 0
    maps = Truth()(None, X, TARGET, mask)
    assert maps.dtype == torch.float32 and torch.equal(maps.bool(), mask)
    with pytest.raises(Inapplicable, match="Truth needs a data set with masks; this one gives none"):
        Truth()(None, X, TARGET)


@pytest.mark.parametrize(("control", "wrong"), [(Centre, 0), (Centre, float("nan")), (Uniform, -1), (Uniform, 1.5)])
def test_values_out_of_range_are_named(control, wrong):
    with pytest.raises(ValueError, match=f"{control.__name__} needs .*={wrong!r} was given"):
        control(wrong)
