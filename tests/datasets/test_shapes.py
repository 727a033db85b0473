"""The drawn scenes: exact masks, and nothing outside of them that tells the class."""

import numpy as np
import pytest

from benchmarks.datasets.shapes import DRAWS, OUTLINES, PARTS, REACH, backdrop, bright, grid, redrawn
from tests.conftest import dataset

SIZE = 32


@pytest.fixture(scope="module")
def shapes():
    return dataset("shapes", "dataset.images=200", "dataset.train_images=2000")


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


@pytest.mark.slow
def test_objects_are_anywhere(shapes):
    _, _, masks = shapes.drawn(0, 2000, SIZE)
    assert masks.any(0).mean() > 0.85, "all but the corners"
