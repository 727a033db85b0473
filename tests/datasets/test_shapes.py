"""The drawn scenes: exact masks, the same scene at any size, and nothing outside the mask that tells the class."""

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from scipy.ndimage import binary_dilation
from scipy.stats import binom
from sklearn.linear_model import RidgeClassifier

from benchmarks.datasets.shapes import DRAWS, OUTLINES, PARTS, REACH, backdrop, bright, grid, redrawn
from tests.conftest import composed

SIZE = 32


@pytest.fixture(scope="module")
def shapes():
    return instantiate(composed("dataset=shapes", "dataset.images=200", "dataset.train_images=2000").dataset)


@pytest.mark.parametrize("name", OUTLINES)
def test_outlines_have_one_area_and_stay_within_reach(name):
    axis = np.linspace(-2, 2, 2001)
    x, y = np.meshgrid(axis, axis)
    inside = OUTLINES[name](x, y)
    assert inside.mean() * 16 == pytest.approx(np.pi, rel=0.01)
    assert max(abs(x[inside]).max(), abs(y[inside]).max()) <= REACH


@pytest.mark.slow
def test_the_label_changes_nothing_outside_the_masks(shapes):
    """The proof: the same draws with another outline give the same pixels outside of both."""
    table = shapes.factors(1, 40)
    scenes = [redrawn(shapes, table.assign(outline=outline), SIZE) for outline in shapes.classes]
    drawn = [(scene.pixels, scene.parts == PARTS.index("object")) for scene in scenes]
    for pixels, mask in drawn[1:]:
        first, mask_of_first = drawn[0]
        outside = ~(mask | mask_of_first)
        assert (pixels == first).all(axis=1)[outside].all()
        both = mask & mask_of_first
        assert (pixels == first).all(axis=1)[both].all(), "the colour must not tell the class either"
        assert (mask != mask_of_first).any(axis=(1, 2)).all()


def test_a_table_of_factors_is_the_scene_that_its_draws_make(shapes):
    """Literally, scene by scene: the backdrop, and the outline in its colour before it."""
    pixels, labels, masks = shapes.drawn(1, 24, SIZE)
    for i, (image, label, mask) in enumerate(zip(pixels, labels, masks, strict=True)):
        draws = np.random.default_rng([shapes.seed, 1, i]).random(DRAWS)
        part = draws[-1].astype(np.float32)
        radius = 0.15 + 0.07 * part[0]
        x, y = (
            (axis - (REACH * radius + (1 - 2 * REACH * radius) * at)) / radius
            for axis, at in zip(grid(SIZE), part[1:3], strict=True)
        )
        inside = OUTLINES[shapes.classes[label]](x, y)
        scene = np.where(inside, bright(part[None, 5:8, None, None])[0], backdrop(draws[None], SIZE)[0])
        assert (mask == inside).all() and (image == (255 * scene).round()).all()


def test_the_mask_is_the_object(shapes):
    """One colour inside, and no pixel of it beside the mask."""
    for _, pixels, _, mask in shapes.test(64)[:80]:
        colour = pixels[:, mask]
        assert (colour == colour[:, :1]).all() and mask.sum() > 100
        rim = torch.from_numpy(binary_dilation(mask.numpy())) & ~mask
        assert ((pixels[:, rim] - colour[:, :1]).abs().amax(0) > 0).all()


@pytest.mark.slow
def test_objects_are_anywhere(shapes):
    _, _, masks = shapes.drawn(0, 2000, SIZE)
    assert masks.any(0).mean() > 0.85, "all but the corners"


@pytest.fixture(scope="module")
def splits(shapes):
    """Train and test images (n, 3, h, w) in [0, 1], their labels, masks, and the objects' centres in pixels."""
    out = []
    for split, images in ((0, 2000), (1, 800)):
        pixels, labels, masks = shapes.drawn(split, images, SIZE)
        parts = np.stack([np.random.default_rng([shapes.seed, split, i]).random(DRAWS)[-1] for i in range(images)])
        margin = REACH * (0.15 + 0.07 * parts[:, :1])
        centres = np.floor(SIZE * (margin + (1 - 2 * margin) * parts[:, 1:3])).astype(int)
        out.append((pixels / 255, labels, masks, centres))
    return out


def accuracy(splits, paint) -> float:
    """How often a linear classifier is right that sees the object's surroundings in place, and the whole image."""
    features = []
    for pixels, _, masks, centres in splits:
        painted = np.stack([paint(*each) for each in zip(pixels, masks, centres, strict=True)])
        around = np.pad(painted, ((0, 0), (0, 0), (16, 16), (16, 16)))
        windows = [image[:, y : y + 32, x : x + 32] for image, (x, y) in zip(around, centres, strict=True)]
        whole = painted.reshape(len(painted), 3, 8, 4, 8, 4).mean((3, 5))
        features.append(np.hstack([each.reshape(len(painted), -1) for each in (np.stack(windows).max(1), whole)]))
    classifier = RidgeClassifier(alpha=100).fit(features[0], splits[0][1])
    return classifier.score(features[1], splits[1][1])


def covered(image, mask, centre):
    """A grey square of one size around the centre, which hides every outline with a margin."""
    half = int(np.ceil(0.22 * REACH * SIZE)) + 1
    y, x = np.meshgrid(np.arange(SIZE), np.arange(SIZE), indexing="ij")
    square = (abs(x - centre[0]) <= half) & (abs(y - centre[1]) <= half)
    assert square[mask].all()
    return np.where(square, 0.5, image)


@pytest.mark.slow
def test_nothing_but_the_object_tells_the_class(splits):
    """Chance is 1 in 8; the bound is passed by luck once in 10,000 seeds."""
    images = len(splits[1][0])
    bound = binom.ppf(1 - 1e-4, images, 1 / 8) / images
    assert accuracy(splits, covered) <= bound
    assert accuracy(splits, lambda image, mask, centre: image) > 4 * bound
    assert accuracy(splits, lambda image, mask, centre: np.where(mask, 0.5, image)) > 2 * bound, "a leak would be seen"
