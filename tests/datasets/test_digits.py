"""Real digits on clutter: split by digit, strokes as masks, background untouched outside of them."""

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from scipy.ndimage import zoom
from sklearn.datasets import load_digits

from benchmarks.datasets.digits import TEST_DIGITS, Digits, placed
from benchmarks.datasets.shapes import DRAWS, backdrop
from tests.conftest import composed

SIZE = 32


@pytest.fixture(scope="module")
def digits():
    return instantiate(composed("dataset=digits", "dataset.images=400", "dataset.train_images=2000").dataset)


def test_no_digit_is_in_both_splits(digits):
    train, test = set(digits.chosen(0, 5000)), set(digits.chosen(1, 5000))
    assert not train & test and len(test) == TEST_DIGITS and len(train | test) == len(load_digits().target)


def test_labels_are_scikit_learns(digits):
    target = load_digits().target
    assert [label for _, _, label, _ in digits.test(SIZE)] == target[digits.chosen(1, 400)].tolist()
    assert digits.train(8)[1].tolist() == target[digits.chosen(0, 2000)].tolist()
    assert np.bincount(target[digits.chosen(1, 400)]).min() > 20


def test_an_image_depends_on_neither_their_number_nor_its_batch():
    few, many = Digits(images=3, train_images=70, seed=0), Digits(images=70, train_images=3, seed=0)
    for a, b in zip(few.test(SIZE), many.test(SIZE), strict=False):
        assert a[0] == b[0] and a[2] == b[2] and torch.equal(a[1], b[1]) and torch.equal(a[3], b[3])
    assert torch.equal(few.train(SIZE)[0][:3], many.train(SIZE)[0])


def test_the_scene_is_the_same_at_any_size(digits):
    for small, large in zip(digits.test(21)[:40], digits.test(63)[:40], strict=True):
        assert torch.equal(small[3], large[3][1::3, 1::3])
        assert (small[1] - large[1][:, 1::3, 1::3]).abs().mean() < 0.01


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


@pytest.mark.parametrize(
    "wrong", [{"images": 0}, {"images": "abc"}, {"train_images": 2.5}, {"seed": -1}, {"seed": True}]
)
def test_wrong_values_are_one_sentence(wrong):
    (name, value), *_ = wrong.items()
    with pytest.raises(ValueError, match=f"whole number {name} >= ") as error:
        Digits(**{"images": 1, "train_images": 1, "seed": 0, **wrong})
    assert "\n" not in str(error.value) and repr(value) in str(error.value)
