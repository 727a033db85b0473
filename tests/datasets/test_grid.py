"""What mosaics promise: four classes, one cell asked for, and everything in turns."""

from collections import Counter
from dataclasses import dataclass

import pytest
import torch
from hydra.utils import instantiate

from benchmarks.datasets.grid import Grid
from benchmarks.datasets.shapes import Shapes
from tests.conftest import composed

SIZE = 48
TILES = Shapes(images=64, train_images=16, seed=0)


def grid(images=32, seed=0, tiles=TILES):
    return Grid(tiles=tiles, images=images, seed=seed)


def cells(image):
    """The four tiles (4, c, h, w) of an image (c, h, w)."""
    rows = image.chunk(2, 1)
    return torch.stack([cell for row in rows for cell in row.chunk(2, 2)])


def test_cells_are_tiles_of_four_classes_and_the_mask_is_that_of_the_label():
    tiles = {pixels.numpy().tobytes(): label for _, pixels, label, _ in TILES.test(SIZE // 2)}
    for i, (image_id, pixels, label, mask) in enumerate(grid().test(SIZE)):
        labels = [tiles[cell.contiguous().numpy().tobytes()] for cell in cells(pixels)]
        asked = cells(mask[None]).flatten(1)
        assert image_id == f"grid_{i:05d}" and len(set(labels)) == 4
        assert (
            [row.all().item() for row in asked] == [row.any().item() for row in asked] == [k == label for k in labels]
        )


@pytest.mark.parametrize("classes", [4, 5, 7, 8])
def test_labels_take_turns_and_so_do_the_cells_of_each(classes):
    chosen = [Grid(Few(classes), 4 * classes, 0).chosen(i) for i in range(4 * classes)]
    assert set(Counter((c.label, c.cell) for c in chosen).values()) == {1} and len(chosen) == 4 * classes
    assert [c.label for c in chosen[:classes]] == list(range(classes))


def test_every_tile_and_every_other_class_comes():
    mosaics = grid()
    shown = [mosaics.chosen(i) for i in range(400)]
    assert {tile for c in shown for tile in c.tiles} == set(range(64))
    others = Counter(tile % 8 for c in shown for cell, tile in enumerate(c.tiles) if cell != c.cell)
    assert min(others.values()) > 100 and len(others) == 8  # 150 each


def test_an_odd_size_cuts_the_last_row_and_column():
    (_, even, *_), (_, odd, _, mask) = grid(1).test(SIZE)[0], grid(1).test(SIZE - 1)[0]
    assert torch.equal(odd, even[:, :-1, :-1]) and mask.shape == (SIZE - 1, SIZE - 1)


@dataclass(frozen=True)
class Few:
    """Images of so many classes, and two of unknown class."""

    kinds: int
    classes = ()

    def test(self, size):
        labels = [-1, *range(self.kinds), -1]
        empty = torch.zeros(size, size, dtype=torch.bool)
        return [(str(i), torch.full((3, size, size), i / 99), label, empty) for i, label in enumerate(labels)]

    def background(self, size, n):
        return torch.rand(3, 3, size, size, generator=torch.Generator().manual_seed(0))


def test_tiles_of_unknown_class_are_left_out():
    assert {tile for i in range(50) for tile in Grid(Few(4), 50, 0).chosen(i).tiles} == {1, 2, 3, 4}


def test_a_short_background_repeats():
    assert Grid(Few(4), 1, 0).background(SIZE, 2).shape == (2, 3, SIZE, SIZE)


@pytest.mark.parametrize("tiles", [Few(0), Few(3), {}])
def test_tiles_of_too_few_classes_or_none_are_refused(tiles):
    with pytest.raises(ValueError, match=type(tiles).__name__):
        Grid(tiles, 1, 0)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "count"), [("shapes", 8), ("digits", 10)])
def test_any_data_set_gives_the_tiles(name, count):
    cfg = composed("dataset=grid", f"dataset@dataset.tiles={name}", "dataset.tiles.images=40", "dataset.images=2")
    dataset = instantiate(cfg.dataset)
    assert len(dataset.classes) == count == len(dataset.places) and len(dataset.test(SIZE)) == 2
    assert dataset.fitted_on is dataset.tiles and dataset.tiles.images == 40
    assert dataset.tiles_per_side == 2 and cfg.benchmark.target == "label"
