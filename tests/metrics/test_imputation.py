"""What is shown where pixels are removed, against scipy: linear imputation and the other baselines."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from benchmarks.conformance.cases import case, images
from benchmarks.maps.metrics.baselines import BASELINES, baseline, baseline_logits, imputed
from benchmarks.maps.metrics.imputation import linear
from tests.metrics.references import dense, fill, means_of_neighbours


def largest(values, share):
    """Mark this share of the pixels, those with the largest values."""
    removed = np.zeros(values.size, dtype=bool)
    removed[np.argsort(-values, axis=None)[: round(share * values.size)]] = True
    return removed.reshape(values.shape)


def masks(height, width):
    """Scattered pixels, blobs, all around a corner, one half, all but one column, all but one pixel."""
    noise = np.random.default_rng(0).standard_normal((height, width))
    y, x = np.mgrid[:height, :width]
    return np.stack(
        [
            *(largest(noise, share) for share in (0.1, 0.5, 0.95, 0.99)),
            *(largest(gaussian_filter(noise, height / 20), share) for share in (0.1, 0.5, 0.95)),
            largest(np.hypot(y, x), 0.9),
            y >= height / 2,
            x != width // 3,
            (y != height // 3) | (x != width // 2),
        ]
    )


@pytest.mark.parametrize(("height", "width"), [(32, 32), (23, 40), (3, 1), (1, 7), (2, 2)])
def test_agrees_with_a_sparse_solver(height, width):
    removed = np.stack([mask for mask in masks(height, width) if mask.any() and not mask.all()])
    image = np.random.default_rng(1).random((3, height, width))  # noise: nothing is harder to impute
    shown = dense(linear(torch.tensor(image).float().expand(len(removed), -1, -1, -1), torch.tensor(removed)))
    for i, mask in enumerate(removed):
        np.testing.assert_allclose(shown[i], means_of_neighbours(image, mask), atol=3e-3, err_msg=f"mask {i}")
        np.testing.assert_allclose(shown[i][:, ~mask], image[:, ~mask], atol=1e-7)


@pytest.mark.slow
def test_agrees_with_a_sparse_solver_on_large_images():
    image = np.random.default_rng(1).random((3, 224, 224))
    removed = largest(gaussian_filter(np.random.default_rng(2).standard_normal((224, 224)), 11), 0.9)
    shown = linear(torch.tensor(image)[None].float(), torch.tensor(removed)[None])[0]
    np.testing.assert_allclose(dense(shown), means_of_neighbours(image, removed), atol=3e-3)


def test_depends_neither_on_the_batch_nor_on_the_units():
    e, removed = case(), torch.rand(6, 16, 16) < 0.7
    removed[1], removed[2] = True, False
    together = linear(e.x, removed)
    for i in range(6):
        torch.testing.assert_close(linear(e.x[[i]], removed[[i]])[0], together[i], rtol=0, atol=1e-5)
    assert together[1].eq(0).all() and together[2].equal(e.x[2])
    removed[1] = False  # where nothing is left, the mean colour is shown, which is 0 in the model's units alone
    torch.testing.assert_close(e.normalised(linear(e.pixels(), removed)), linear(e.x, removed), rtol=0, atol=1e-4)


@pytest.mark.parametrize("width", [16, 13])
@pytest.mark.parametrize("name", BASELINES)
def test_fills_as_a_second_writing_does(name, width):
    e, removed = replace(case(n=3), x=images(3, 16)[..., :width]), torch.rand(3, 16, width) < 0.6
    removed[1] = True
    for image, gone, shown in zip(e.x, removed, imputed(e, removed, name, 0), strict=True):
        expected = np.where(gone, fill(name, dense(image), gone.numpy()), dense(image))
        np.testing.assert_allclose(dense(shown), expected, atol=3e-3 if name == "noisy_linear" else 1e-4)
        assert shown[:, ~gone].equal(image[:, ~gone])


def test_nothing_left_is_the_same_for_all_images_and_one_pass():
    e, passed = case(), []
    shown = imputed(e, torch.ones(6, 16, 16, dtype=torch.bool), "noisy_linear", 0)
    assert shown.equal(baseline(e, "noisy_linear", 0).expand_as(shown))
    e.model.register_forward_hook(lambda _m, _i, out: passed.append(len(out)))
    torch.testing.assert_close(baseline_logits(e, "noisy_linear", 0), e.logits(shown))
    assert passed == [1, 6]
