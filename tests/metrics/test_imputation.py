"""What is shown where pixels are removed, against scipy: linear imputation and the other baselines."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from scipy.sparse import diags, lil_matrix
from scipy.sparse.linalg import spsolve

from benchmarks.conformance.cases import case, images
from benchmarks.maps.metrics.baselines import baseline, baseline_logits, imputed
from benchmarks.maps.metrics.imputation import linear


def means_of_neighbours(image, removed):
    """Return the image (c, h, w) whose removed pixels are weighted means of their neighbours: one sparse system."""
    h, w = removed.shape
    pixels = np.arange(h * w).reshape(h, w)
    weights = lil_matrix((h * w, h * w))
    for (y, x), (dy, dx) in product(np.argwhere(removed), product((-1, 0, 1), repeat=2)):
        if (dy or dx) and 0 <= y + dy < h and 0 <= x + dx < w:
            weights[pixels[y, x], pixels[y + dy, x + dx]] = 1 / 12 if dy and dx else 1 / 6
    sums = np.asarray(weights.sum(1)).ravel()
    system = diags(np.where(removed.ravel(), sums, 1)) - weights
    right = np.where(removed, 0, image).reshape(len(image), -1)
    return spsolve(system.tocsc(), right.T).T.reshape(image.shape)


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


@pytest.mark.slow
@pytest.mark.parametrize(("height", "width"), [(32, 32), (23, 40), (3, 1), (1, 7), (2, 2)])
def test_agrees_with_a_sparse_solver(height, width):
    removed = np.stack([mask for mask in masks(height, width) if mask.any() and not mask.all()])
    image = np.random.default_rng(1).random((3, height, width))  # noise: nothing is harder to impute
    shown = linear(torch.tensor(image).float().expand(len(removed), -1, -1, -1), torch.tensor(removed)).numpy()
    for i, mask in enumerate(removed):
        np.testing.assert_allclose(shown[i], means_of_neighbours(image, mask), atol=3e-3, err_msg=f"mask {i}")
        np.testing.assert_allclose(shown[i][:, ~mask], image[:, ~mask], atol=1e-7)


@pytest.mark.slow
def test_agrees_with_a_sparse_solver_on_large_images():
    image = np.random.default_rng(1).random((3, 224, 224))
    removed = largest(gaussian_filter(np.random.default_rng(2).standard_normal((224, 224)), 11), 0.9)
    shown = linear(torch.tensor(image)[None].float(), torch.tensor(removed)[None])[0]
    np.testing.assert_allclose(shown, means_of_neighbours(image, removed), atol=3e-3)


@pytest.mark.parametrize("width", [16, 13])
def test_blur_is_that_of_scipy(width):
    e = replace(case(n=3), x=images(3, 16)[..., :width])
    radius = (0, 0, 5, round(0.3 * width))
    expected = gaussian_filter(e.x.numpy(), (0, 0, 1.6, 0.1 * width), mode="mirror", radius=radius)
    np.testing.assert_allclose(baseline(e, "blur", 0), expected, atol=1e-4)


def test_nothing_left_is_the_same_for_all_images_and_one_pass():
    e, passed = case(), []
    shown = imputed(e, torch.ones(6, 16, 16, dtype=torch.bool), "noisy_linear", 0)
    assert shown.equal(baseline(e, "noisy_linear", 0).expand_as(shown))
    assert ((shown[0] * e.std[:, None, None]).std() - 0.01).abs() < 1e-3  # in pixel units, about the mean colour
    e.model.register_forward_hook(lambda _m, _i, out: passed.append(len(out)))
    torch.testing.assert_close(baseline_logits(e, "noisy_linear", 0), e.logits(shown))
    assert passed == [1, 6]
