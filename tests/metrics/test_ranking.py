"""Order, ties and similarities against scipy and scikit-image, and their stillness under rounding noise."""

import numpy as np
import pytest
import torch
from scipy.stats import rankdata, spearmanr
from skimage.metrics import structural_similarity

from benchmarks.conformance.cases import case, levels
from benchmarks.maps.metrics.ranking import TIE, average_ranks, constant, grouped, pixel_order, tie_groups, tied
from benchmarks.maps.metrics.robustness.noise import similarity
from benchmarks.maps.metrics.similarity import spearman, ssim


def noisy(maps):
    """The same maps with the rounding noise of another batch size."""
    largest = maps.abs().amax((1, 2), keepdim=True)
    return maps + 1e-7 * largest * torch.randn(maps.shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("maps", [levels(5, 12, 7), levels(5, 12, 900).mul(7).round()])
def test_ranks_are_those_of_scipy(maps):
    expected = np.stack([rankdata(m.ravel(), "average") for m in maps.numpy()])
    np.testing.assert_array_equal(average_ranks(maps).numpy(), expected)
    expected = np.stack([rankdata(m.ravel(), "dense") for m in maps.numpy()]) - 1
    np.testing.assert_array_equal(tie_groups(maps).numpy(), expected)
    other = levels(5, 12, 4, seed=9)
    expected = [spearmanr(a.ravel(), b.ravel()).statistic for a, b in zip(maps.numpy(), other.numpy(), strict=True)]
    np.testing.assert_allclose(spearman(maps, other).numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("width", [0.0, 1e-3, 0.02, 0.1, 3.0])
def test_groups_are_those_of_a_loop(width):
    """A narrow width gives short chains of close values; with a wide one all values are a chain of many groups."""
    values = torch.randn(3, 200, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = torch.empty_like(values, dtype=torch.int64)
    for i, row in enumerate(values):
        group, first = -1, -torch.inf
        for place in row.argsort():
            if row[place] > first + width:
                group, first = group + 1, row[place]
            expected[i, place] = group
    assert grouped(values, torch.full((3,), width, dtype=torch.float64)).equal(expected)


def test_order_is_descending_and_ties_follow_one_permutation():
    maps = levels(4, 12, 5)
    rank = pixel_order(case(), maps, seed=3).flatten(1)
    assert rank.sort(1).values.equal(torch.arange(144).expand(4, -1))
    for row, values in zip(rank, maps.flatten(1), strict=True):
        assert (values[row.argsort()].diff() <= 0).all()
    flat = pixel_order(case(), torch.zeros(2, 12, 12), seed=3).flatten(1)
    assert flat[0].equal(flat[1]) and not flat[0].equal(torch.arange(144))
    largest = maps[0].flatten() == maps[0].max()
    assert rank[0][largest].argsort().equal(flat[0][largest].argsort())
    assert not flat.equal(pixel_order(case(), torch.zeros(2, 12, 12), seed=4).flatten(1))


@pytest.mark.parametrize("maps", [levels(8, 32, 6), torch.ones(3, 32, 32), torch.full((3, 32, 32), -0.1)])
def test_rounding_noise_changes_no_order_of_a_map_with_flat_regions(maps):
    """The gradient of a global mean, an upsampled plateau, a window's score: many equal values with noise."""
    assert pixel_order(case(), noisy(maps), 0).equal(pixel_order(case(), maps, 0))
    assert not noisy(maps).flatten(1).argsort(1).equal(maps.flatten(1).argsort(1))  # a plain sort would change
    assert constant(noisy(maps)).equal(constant(maps)) and constant(maps).all() == (maps.unique().numel() == 1)


def test_resolution_is_finer_than_rounded_values():
    """Steps of ten roundings are kept, which five significant digits would lose."""
    ramp = 1 + torch.arange(64).view(1, 8, 8) * 10 * 2.0**-23
    assert tie_groups(ramp).flatten().equal(torch.arange(64)) and 2.0**-23 < TIE < 10 * 2.0**-23


def test_share_of_tied_pixels():
    half = torch.arange(64.0).view(1, 8, 8).clamp(min=32)  # 32 is there 33 times
    assert tied(torch.cat([half, torch.zeros(1, 8, 8), torch.arange(64.0).view(1, 8, 8)])).tolist() == [33 / 64, 1, 0]


def test_outliers_do_not_tie_the_rest():
    """Neighbours within rounding of each other are no group if the ends of the chain are not."""
    maps = torch.linspace(0, 1, 64 * 64, dtype=torch.float64).view(1, 64, 64)
    maps[0, 0, 0] = 1000
    assert tie_groups(maps).max() > 900  # of 4096 values; steps of 2^-20 of the outlier would chain to one


@pytest.mark.parametrize("shape", [(11, 11), (16, 23)])
def test_ssim_is_that_of_scikit_image(shape):
    rng = torch.Generator().manual_seed(0)
    a, b = (torch.randn(4, *shape, generator=rng).double() for _ in range(2))
    b, expected = b + a - 0.5, []
    for one, other in zip(a.numpy(), b.numpy(), strict=True):
        span = max(one.max(), other.max()) - min(one.min(), other.min())
        settings = {"data_range": span, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
        expected.append(structural_similarity(one, other, **settings))
    np.testing.assert_allclose(ssim(a, b).numpy(), expected, atol=1e-12)
    torch.testing.assert_close(ssim(1e5 * a, 1e5 * b), ssim(a, b))


def test_top_10_is_the_share_of_largest_pixels_in_common():
    e, other = case(), torch.rand(6, 16, 16)
    largest = [{*np.argsort(m, axis=None)[-26:]} for m in (*e.maps.numpy(), *other.numpy())]
    expected = [len(a & b) / 26 for a, b in zip(largest[:6], largest[6:], strict=True)]
    assert similarity(e, other, "top_10", 0).tolist() == pytest.approx(expected) and len(set(expected)) > 2


def test_ssim_of_small_or_constant_maps():
    with pytest.raises(ValueError):
        ssim(torch.zeros(1, 10, 30), torch.zeros(1, 10, 30))
    flat = torch.ones(1, 12, 12)
    assert ssim(flat, flat).isnan().all() and ssim(flat, levels(1, 12, 4)).isfinite().all()
