"""Real digits on clutter: split by digit, strokes as masks, background untouched outside of them."""

import numpy as np
import pytest
import torch
from scipy.ndimage import zoom
from sklearn.datasets import load_digits

from benchmarks.datasets.digits import TEST_DIGITS, placed
from benchmarks.datasets.shapes import DRAWS, backdrop
from tests.conftest import dataset

SIZE = 32


@pytest.fixture(scope="module")
def digits():
    return dataset("digits", "dataset.images=400", "dataset.train_images=500")


@pytest.mark.slow
def test_no_digit_is_in_both_splits(digits):
    train, test = set(digits.chosen(0, 5000)), set(digits.chosen(1, 5000))
    assert not train & test and len(test) == TEST_DIGITS and len(train | test) == len(load_digits().target)


def test_labels_are_scikit_learns(digits):
    target = load_digits().target
    assert [label for _, _, label, _ in digits.test(SIZE)] == target[digits.chosen(1, 400)].tolist()
    assert digits.train(8)[1].tolist() == target[digits.chosen(0, 500)].tolist()
    assert np.bincount(target[digits.chosen(1, 400)]).min() > 20


def test_pixels_outside_the_mask_are_the_background(digits):
    for i, (_, pixels, _, mask) in enumerate(digits.test(SIZE)[:20]):
        draws = np.random.default_rng([digits.seed, 1, i]).random(DRAWS)
        background = torch.from_numpy(backdrop(draws[None], SIZE)[0])
        changed = (pixels - background).abs().amax(0) > 1 / 255
        assert not changed[~mask].any() and changed[mask].float().mean() > 0.9


def test_strokes_are_the_digit_enlarged():
    """A digit that fills the canvas, against scipy's cubic spline; both smooth the same 64 numbers."""
    strokes = load_digits().images[:20].astype(np.float32) / 16
    part = np.zeros((20, 12, 1, 1), np.float32)
    part[:, 0] = 0.4 / 0.15  # a side of .6 + .4: the whole canvas
    ink = placed(strokes, part, 64)
    for image, drawn in zip(strokes, ink, strict=True):
        reference = zoom(image, 8, order=3, mode="grid-constant", grid_mode=True)
        assert ((reference > 0.4) == (drawn > 0.5)).mean() > 0.97


def test_a_digit_is_whole_on_the_canvas(digits):
    """As much ink as the enlarged digit has, wherever it is placed."""
    strokes = np.ones((50, 8, 8), np.float32)
    part = np.random.default_rng(0).random((50, 12, 1, 1)).astype(np.float32)
    share = placed(strokes, part, 64).mean((1, 2))
    assert share == pytest.approx((0.6 + 0.15 * part[:, 0, 0, 0]) ** 2, rel=0.1)
