"""The figures: they exist, show something, embed their fonts, and leave matplotlib's settings alone."""

import zlib

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from results import figures
from results.gallery import maps_of
from results.leaderboard import leaderboard
from tests.results.synthetic import scores, write

METHODS = ("gradient", "integrated_gradients", "lrp_epsilon_plus", "grad_cam", "rise", "uniform", "constant")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    table = scores(METHODS, images=8, models=("resnet18",))
    folder = write(tmp_path_factory.mktemp("sweep") / "a", table, drawn=True)
    before = dict(matplotlib.rcParams)
    paths = list(figures.figures(folder))
    assert dict(matplotlib.rcParams) == before
    return folder, paths


def test_every_figure_is_there_twice(drawn):
    folder, paths = drawn
    names = {f"{kind}_shapes_resnet18" for kind in ("ranks", "curves", "gallery", "agreement")}
    assert set(paths) == {folder / "figures" / f"{name}{suffix}" for name in names for suffix in (".png", ".pdf")}


def test_pictures_are_not_blank_and_fit_a_page(drawn):
    for path in drawn[1]:
        if path.suffix == ".png":
            picture = imread(path)[..., :3]
            assert picture.std() > 0.05 and picture.shape[1] <= 7 * 300 + 1 and picture.shape[0] <= 9.5 * 300
            edge = np.concatenate([picture[:, 0], picture[:, -1]])
            assert (edge > 0.99).all(), f"{path.name} is cut at a side"


def test_fonts_are_embedded_as_truetype(drawn):
    for path in drawn[1]:
        if path.suffix == ".pdf":
            assert b"/CIDFontType2" in path.read_bytes() and b"/Type3" not in path.read_bytes()


def test_drawn_again_it_is_the_same(drawn, tmp_path):
    folder, paths = drawn
    before = {path: zlib.crc32(path.read_bytes()) for path in paths}
    assert {path: zlib.crc32(path.read_bytes()) for path in figures.figures(folder)} == before


def test_band_is_the_mean_with_its_interval():
    rng = np.random.default_rng(0)
    values = rng.normal([0, 1, 2], size=(50, 3))
    lines = pd.DataFrame({"image": np.repeat([f"{k:02d}" for k in range(50)], 3), "fraction": np.tile([0, 0.5, 1], 50),
                          "value": values.ravel()})  # fmt: skip
    fraction, mean, low, high = figures.band(lines)
    np.testing.assert_allclose(fraction, [0, 0.5, 1])
    np.testing.assert_allclose(mean, values.mean(0))
    half = 1.96 * values.std(0) / np.sqrt(50)
    np.testing.assert_allclose(high - mean, half, rtol=0.2)
    np.testing.assert_allclose(mean - low, half, rtol=0.2)


def test_signed_maps_are_centred_at_zero():
    maps = {"a": np.random.default_rng(0).normal(1, 1, (2, 8, 8)), "b": np.ones((2, 8, 8)), "c": np.zeros((2, 8, 8))}
    figure = maps_of(np.zeros((2, 8, 8, 3), np.uint8), maps, {"a": True, "b": False, "c": True})
    limits = [image.get_clim() for image in figure.axes[0].images]
    signed = limits[1], limits[3], limits[5], limits[7]
    assert all(low == -high for low, high in signed) and limits[2] == (0, 1)


def test_a_small_sweep_draws_what_it_can(tmp_path):
    folder = write(tmp_path / "a", scores(("gradient", "uniform"), ("gini",), ("resnet18",), images=3))
    assert [path.name for path in figures.figures(folder)] == ["ranks_shapes_resnet18.png", "ranks_shapes_resnet18.pdf"]
    alone = write(tmp_path / "b", scores(("gradient",), ("deletion",), ("resnet18",), images=3), drawn=True)
    kinds = {path.name.partition("_")[0] for path in figures.figures(alone)}
    assert kinds == {"curves", "gallery"}


def test_one_cell(tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (3, 16, 16, 3), dtype=np.uint8)
    figures.first_maps(pixels, rng.normal(size=(3, 16, 16)), True, tmp_path / "first_maps.png")
    assert imread(tmp_path / "first_maps.png")[..., :3].std() > 0.1


def test_command(tmp_path, capsys):
    assert figures.main([str(tmp_path / "nowhere")]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and "nowhere" in err


def test_controls_do_not_count_as_agreement():
    """Two metrics that disagree on methods agree on how bad controls are; only the former is drawn."""
    table = leaderboard(scores(METHODS, ("deletion", "insertion"), ("resnet18",), images=6))
    flipped = table.copy()
    mine = (flipped.metric == "insertion") & ~flipped.control
    order = flipped[(flipped.metric == "deletion") & ~flipped.control].set_index("method")["rank"]
    flipped.loc[mine, "rank"] = -flipped[mine].method.map(order)
    texts = [text.get_text() for text in figures.agreement(flipped).axes[0].texts]
    assert texts == ["-1"]
