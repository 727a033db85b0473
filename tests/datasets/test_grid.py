"""What mosaics promise: four classes, one cell asked for, everything in turns; and that they are scored as such."""

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from torch import nn

from benchmarks import prepared
from benchmarks.conformance.cases import explained, frozen
from benchmarks.conformance.models import Constant
from benchmarks.datasets.grid import Grid
from benchmarks.datasets.shapes import Shapes
from benchmarks.metrics.localisation import GridPointing
from models.zoo import Network
from tests.conftest import composed
from tests.metrics.references.localisation import grid_pointing

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
    shown = [grid().chosen(i) for i in range(400)]
    assert {tile for c in shown for tile in c.tiles} == set(range(64))
    others = Counter(tile % 8 for c in shown for cell, tile in enumerate(c.tiles) if cell != c.cell)
    assert min(others.values()) > 100 and len(others) == 8  # 150 each


def test_more_images_leave_the_first_ones_and_the_seed_changes_them():
    few, many, other = (grid(n, seed).test(SIZE) for n, seed in ((3, 0), (9, 0), (3, 1)))
    assert all(torch.equal(few[i][1], many[i][1]) for i in range(3))
    assert not any(torch.equal(few[i][1], other[i][1]) for i in range(3))


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


@pytest.mark.parametrize("kinds", [0, 1, 3])
def test_too_few_classes_are_one_sentence(kinds):
    sentence = f"^Grid needs tiles of at least 4 classes; the images of Few show {kinds}$"
    with pytest.raises(ValueError, match=sentence):
        Grid(Few(kinds), 1, 0)


@pytest.mark.parametrize(
    ("name", "value"), [("images", 0), ("images", 2.5), ("images", True), ("seed", -1), ("seed", "a")]
)
def test_values_out_of_range(name, value):
    with pytest.raises(ValueError, match=f"^Grid needs a whole number {name} >= .; {name}={value!r} was given$"):
        replace(grid(), **{name: value})


def test_tiles_that_are_no_data_set():
    with pytest.raises(ValueError, match=r"^Grid needs a data set as tiles; dict was given"):
        grid(tiles={})


@pytest.mark.parametrize(("name", "count"), [("shapes", 8), ("digits", 10)])
def test_any_data_set_gives_the_tiles(name, count):
    cfg = composed("dataset=grid", f"dataset@dataset.tiles={name}", "dataset.tiles.images=40", "dataset.images=2")
    dataset = instantiate(cfg.dataset)
    assert len(dataset.classes) == count == len(dataset.places) and len(dataset.test(SIZE)) == 2
    assert dataset.fitted_on is dataset.tiles and dataset.tiles.images == 40 and cfg.benchmark.target == "label"


def test_only_the_grid_explains_the_label_unless_that_is_asked_for():
    assert composed("dataset=shapes").benchmark.target == "predicted"
    assert composed("dataset=grid", "benchmark.target=predicted").benchmark.target == "predicted"


class Colours(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Conv2d(3, 8, 1)

    def forward(self, x):
        return self.head(x).mean((2, 3))


@dataclass(frozen=True)
class Asked:
    """Notes for which data set a network is asked."""

    datasets: list

    def __call__(self, dataset):
        self.datasets.append(dataset)
        return Network(Colours().eval().requires_grad_(False), (0.5,) * 3, (0.2,) * 3, 16, "none")


def test_the_network_is_the_tiles_and_reads_tiles_of_its_own_size(monkeypatch):
    overrides = ["dataset=grid", "dataset.images=5", "model=planted", "method=truth", "batch_size=2",
                 "metric=[grid_pointing,pointing_game]"]  # fmt: skip
    cfg, asked = composed(*overrides), []
    make = prepared.instantiate
    monkeypatch.setattr(
        prepared, "instantiate", lambda node, **how: Asked(asked) if node is cfg.model else make(node, **how)
    )
    cell = instantiate(cfg.benchmark)(cfg)
    assert [type(dataset) for dataset in asked] == [Shapes]
    assert cell.gallery["maps"].shape[1:] == (32, 32) and (cell.scores.score == 1).all()
    assert (cell.scores.target == cell.scores.label).all()


def test_grid_pointing_agrees_with_its_reference_on_mosaics():
    images = list(grid(8).test(SIZE))
    mask, x = torch.stack([row[3] for row in images]), torch.stack([row[1] for row in images])
    rng = torch.Generator().manual_seed(0)
    maps = torch.randn(mask.shape, generator=rng) + 0.5 * mask
    maps[3], maps[4], mask[5, 0, 0] = -1, 0, ~mask[5, 0, 0]
    e = explained(frozen(Constant()), x, maps, mask=mask)
    score = GridPointing()(e)
    np.testing.assert_allclose(score, [grid_pointing(e, i, GridPointing()) for i in range(8)], atol=1e-6)
    assert score.isnan().nonzero()[:, 0].tolist() == [3, 4, 5] and score.nanmean() > 0.3
