"""Linear imputation against a sparse solver."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from benchmarks.conformance.cases import case, part
from benchmarks.conformance.models import MEAN, STD
from benchmarks.metrics.baselines import BASELINES, baseline, baseline_logits, imputed
from benchmarks.metrics.imputation import linear
from tests.metrics.writing import dense, fill, means_of_neighbours


def largest(values, share):
    """The largest values are removed, so many of them."""
    removed = np.zeros(values.size, dtype=bool)
    removed[np.argsort(-values, axis=None)[: round(share * values.size)]] = True
    return removed.reshape(values.shape)


def masks(height, width):
    """Scattered, in blobs, around a corner, in one half, all but one column, all but one pixel."""
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((height, width))
    y, x = np.mgrid[:height, :width]
    for share in (0.1, 0.5, 0.9, 0.95, 0.99):
        yield f"scattered {share}", largest(noise, share)
    for share in (0.1, 0.5, 0.9, 0.95):
        yield f"blobs {share}", largest(gaussian_filter(noise, height / 20), share)
    yield "corner", largest(np.hypot(y, x), 0.9)
    yield "disc", largest(-np.hypot(y - height / 2, x - width / 2), 0.9)
    yield "half", y >= height / 2
    yield "column", x != width // 3
    yield "pixel", (y != height // 3) | (x != width // 2)


SIZES = ((32, 32), (23, 40), (64, 64), (3, 1), (1, 7), (2, 2))


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_agrees_with_a_sparse_solver(height, width):
    named = {name: removed for name, removed in masks(height, width) if removed.any() and not removed.all()}
    image = np.random.default_rng(1).random((3, height, width))  # noise: nothing is harder to impute
    removed = np.stack(list(named.values()))
    ours = linear(torch.tensor(image).float().expand(len(removed), -1, -1, -1), torch.tensor(removed))
    for name, mask, found in zip(named, removed, ours, strict=True):
        exact = means_of_neighbours(image, mask)
        np.testing.assert_allclose(dense(found), exact, atol=3e-3, err_msg=name)
        assert np.abs(dense(found) - exact)[:, ~mask].max() < 1e-7, name


def test_large_images():
    image = np.random.default_rng(1).random((3, 224, 224))
    removed = largest(gaussian_filter(np.random.default_rng(2).standard_normal((224, 224)), 11), 0.9)
    ours = linear(torch.tensor(image)[None].float(), torch.tensor(removed)[None])[0]
    np.testing.assert_allclose(dense(ours), means_of_neighbours(image, removed), atol=3e-3)


def test_constant_images_stay_constant():
    removed = torch.tensor(np.stack([mask for _, mask in masks(32, 32)]))
    assert (linear(torch.full((len(removed), 1, 32, 32), 0.7), removed) - 0.7).abs().max() < 1e-5


def test_an_image_does_not_depend_on_its_batch():
    e, removed = case(), torch.rand(6, 16, 16) < 0.7
    removed[1], removed[2] = True, False
    together = linear(e.x, removed)
    for i in range(6):
        torch.testing.assert_close(linear(e.x[i : i + 1], removed[i : i + 1])[0], together[i], rtol=0, atol=1e-5)
    assert together[1].eq(0).all() and together[2].equal(e.x[2])


def test_does_not_depend_on_the_units():
    e, removed = case(), torch.rand(6, 16, 16) < 0.7
    in_pixels = e.normalised(linear(e.pixels(), removed))
    torch.testing.assert_close(in_pixels, linear(e.x, removed), rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", BASELINES)
def test_fills_as_a_second_writing_does(name):
    e, removed = case(n=3), torch.rand(3, 16, 16) < 0.6
    removed[1] = True
    for image, gone, ours in zip(e.x, removed, imputed(e, removed, name, 0), strict=True):
        theirs = np.where(gone, fill(name, dense(image), gone.numpy()), dense(image))
        np.testing.assert_allclose(dense(ours), theirs, atol=3e-3 if name == "noisy_linear" else 1e-4)
        assert ours[:, ~gone].equal(image[:, ~gone])


def test_noise_is_seeded_and_the_same_for_all_images_at_removed_pixels_alone():
    e, removed = case(), torch.rand(6, 16, 16) < 0.5
    noise = [imputed(e, removed, "noisy_linear", seed) - linear(e.x, removed) for seed in (0, 1)]
    drawn = noise[0] * STD[:, None, None]
    assert drawn.masked_select(~removed[:, None]).eq(0).all()
    both = removed[0] & removed[1]
    torch.testing.assert_close(drawn[0][:, both], drawn[1][:, both], rtol=0, atol=1e-6)
    assert drawn[removed[:, None].expand_as(drawn)].std().item() == pytest.approx(0.01, rel=0.1)
    assert not noise[0].equal(noise[1])
    assert imputed(part(e, [3]), removed[3:4], "noisy_linear", 0)[0].allclose(e.x[3] + (
        imputed(e, removed, "noisy_linear", 0) - e.x)[3], atol=1e-5)  # fmt: skip


def test_nothing_left_is_the_same_for_all_images_and_one_pass():
    e = case()
    everything = torch.ones(6, 16, 16, dtype=torch.bool)
    images = imputed(e, everything, "noisy_linear", 0)
    assert images.equal(baseline(e, "noisy_linear", 0).expand_as(images))
    assert ((images * STD[:, None, None]).mean((0, 2, 3)).abs() < 3e-3).all()  # MEAN is 0 in the model's units
    passed = []
    handle = e.model.register_forward_hook(lambda _m, _i, out: passed.append(len(out)))
    torch.testing.assert_close(baseline_logits(e, "noisy_linear", 0), e.logits(images))
    handle.remove()
    assert passed == [1, 6] and len(MEAN) == 3


def test_one_mask_serves_all_images():
    e, removed = case(), torch.rand(1, 16, 16) < 0.5
    for name in BASELINES:
        each = imputed(replace(e, shared={}), removed.expand(6, -1, -1), name, 0)
        assert imputed(e, removed, name, 0).equal(each)
