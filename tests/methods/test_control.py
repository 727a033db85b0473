"""Controls against scipy and closed forms."""

import pytest
import torch
from scipy import ndimage, stats

from methods import Inapplicable
from methods.control import BlurredEdges, Centre, Constant, Edges, Truth, Uniform
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
    assert maps.min() >= 0 and maps.max() < 1
    assert stats.kstest(maps[0].flatten().numpy(), "uniform").pvalue > 1e-3
    for pairs in ((maps[0, 1:], maps[0, :-1]), (maps[0, :, 1:], maps[0, :, :-1])):
        assert stats.pearsonr(*(pixels.flatten().numpy() for pixels in pairs)).pvalue > 1e-3, "neighbours"


def test_blurred_edges_keep_their_sum_and_lie_between_edges_and_their_mean():
    x = X[..., :18]
    edges = Edges()(None, x, TARGET)
    blurred = [BlurredEdges(sigma)(None, x, TARGET) for sigma in (0.001, 0.05, 0.2, 4.0)]
    torch.testing.assert_close(blurred[0], edges)
    torch.testing.assert_close(blurred[-1], edges.mean((1, 2), keepdim=True).expand_as(edges), rtol=1e-3, atol=0)
    for maps in blurred:
        torch.testing.assert_close(maps.sum((1, 2)), edges.sum((1, 2)))
    deviations = torch.stack([maps.std((1, 2)) for maps in blurred])
    assert (deviations.diff(dim=0) < 0).all()


def test_blurred_edges_of_a_line():
    """An upright step in the middle gives two columns of 4; sigma is a fraction of each side."""
    x = torch.zeros(1, 3, 40, 20, dtype=torch.float64)
    x[..., 10:] = 1
    offset = torch.arange(20, dtype=torch.float64) - 9.5
    wanted = 4 * sum(torch.exp(-((offset + half) ** 2) / 2) for half in (-0.5, 0.5)) / (2 * torch.pi) ** 0.5
    torch.testing.assert_close(BlurredEdges(0.05)(None, x, None)[0], wanted.expand(40, 20), rtol=0, atol=1e-3)


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
    maps = Truth()(None, X, TARGET, mask=mask)
    assert maps.dtype == torch.float32 and torch.equal(maps.bool(), mask)
    with pytest.raises(Inapplicable, match="Truth needs a data set with masks; this one gives none"):
        Truth()(None, X, TARGET)


@pytest.mark.parametrize(
    ("control", "wrong"), [(Centre, 0), (Centre, float("nan")), (BlurredEdges, 0.0), (Uniform, -1), (Uniform, 1.5)]
)
def test_values_out_of_range_are_named(control, wrong):
    with pytest.raises(ValueError, match=f"{control.__name__} needs .*={wrong!r} was given"):
        control(wrong)
