"""The figures: they exist, show something, embed their fonts, and leave matplotlib's settings alone."""

import zlib

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread
from matplotlib.text import Text

from results import figures
from results.budgets import budgets
from results.critical import critical, mean_ranks
from results.gallery import COLUMNS, first_maps, fitted, gallery, maps_of
from results.heatmaps import ACROSS, agreement, pages, ranks, similarity
from results.leaderboard import CATEGORIES, leaderboard
from results.lines import band, budget, curves
from results.methods import methods
from results.taxonomy import Similarity, contrast
from tests.results import synthetic
from tests.results.synthetic import METHODS as FIRST
from tests.results.synthetic import METRICS, MORE, MORE_METRICS, scores, write

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
    names = {
        f"{kind}_shapes_resnet18" for kind in ("ranks", "critical", "curves", "gallery", "agreement", "similarity")
    }
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
    fraction, mean, low, high = band(lines)
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


@pytest.fixture(scope="module")
def everything():
    """The leaderboard and the maps of all methods, of which one misses its law."""
    names = (*FIRST, *MORE)
    table = scores(names, ("deletion", "insertion", "gini", "completeness"), ("resnet18",), images=6)
    return leaderboard(table), {name: synthetic.gallery(name) for name in names}


def fits(figure):
    return figure.get_figwidth() <= 7 and figure.get_figheight() <= 9.5


def written(figure):
    """Return every text of a figure, without line breaks."""
    figure.draw_without_rendering()
    return [text.get_text().replace("\n", " ") for text in figure.findobj(Text) if text.get_text()]


def test_all_methods_fit_a_page_and_are_ordered_by_group(everything):
    table, stored = everything
    figure = gallery(stored, table)
    assert fits(figure) and len(figure.axes[0].images) == 3 * 4 + 49 * 4
    texts = written(figure)
    order = [texts.index(name) for name in ("gradient", "deep lift", "mask optimisation", "rise", "uniform")]
    assert order == sorted(order) and {"linearisation", "structure", "adversarial", "black box"} <= set(texts)
    assert "lrp epsilon plus †" in texts and "deep lift †" not in texts and any("promises" in text for text in texts)


@pytest.mark.parametrize("count", [1, 9, 10, 17, 35, 50, 60])
@pytest.mark.parametrize("tall", [1, 1.5])
def test_a_gallery_shows_as_many_images_as_fit_and_all_maps(count, tall):
    names = [f"method_number_{k}" for k in range(count)]
    layout = fitted(names, 4, tall, dict.fromkeys(names, "structure"))
    assert (
        [name for band in layout.bands for name in band] == names and layout.height <= 9.5 and 1 <= layout.images <= 4
    )
    assert layout.across <= max(COLUMNS) + 1 and (layout.images == 4 or tall > 1 or count > 50)


def test_heat_maps_of_all_methods_fit_a_page(everything):
    table, stored = everything
    correlation = pd.DataFrame(np.eye(49), [*stored], [*stored])
    group = table.drop_duplicates("method").set_index("method").group
    found = Similarity(correlation, pd.Series(0, [*stored]), 6)
    answer = contrast(correlation, group, 99)
    for figure in (ranks(table), similarity(found, table, answer)):
        assert fits(figure)
        texts = written(figure)
        assert "lrp epsilon plus †" in texts and "deep lift" in texts and any("promises" in text for text in texts)
        sizes = [label.get_size() for label in figure.axes[0].get_yticklabels()]
        assert min(sizes) >= 5 and len(sizes) == 49
    assert any(str(answer) in text for text in texts)


def test_similarity_is_drawn_where_it_belongs(everything):
    table, _ = everything
    names = ["uniform", "rise", "fem", "gradient"]
    values = np.array([[1, 0.1, 0.2, 0.3], [0.1, 1, 0.4, 0.5], [0.2, 0.4, 1, np.nan], [0.3, 0.5, np.nan, 1]])
    found = Similarity(pd.DataFrame(values, names, names), pd.Series([0, 0, 2, 0], names), 3)
    figure = similarity(found, table, None)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["gradient", "fem", "rise", "uniform"]
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array().filled(np.nan), values[::-1, ::-1])
    assert "constant maps, left out: fem (2)" in written(figure)


def test_curves_mark_what_misses_its_law():
    table = scores(("lrp_epsilon_plus", "gradient", "uniform"), ("deletion", "completeness"), ("resnet18",), images=4)
    texts = written(curves(synthetic.curves(table), leaderboard(table)))
    assert {"lrp epsilon plus †", "gradient"} <= set(texts) and any("promises" in text for text in texts)


def test_budgets_are_lines_over_passes():
    table = synthetic.budgets(models=("resnet18",), metrics=("deletion", "insertion"), images=5)
    table["method"] += table.variant.str.replace("budget.", " [", regex=False) + "]"
    points = budgets(leaderboard(table), methods(table))
    figure = budget(points)
    assert fits(figure) and len(figure.axes) == 2
    lines = {line.get_xdata()[-1]: line for line in figure.axes[0].lines if len(line.get_xdata()) == 5}
    assert set(lines) == {10000, 1000} and figure.axes[0].get_xscale() == "log"
    rise = points[(points.stem == "rise") & (points.metric == "deletion")]
    np.testing.assert_allclose(lines[10000].get_ydata(), rise["mean"])
    floor = [line for line in figure.axes[0].lines if line.get_linestyle() != "-"]
    assert len(floor) == 1 and floor[0].get_ydata()[0] == pytest.approx(0.9)
    assert {"deletion", "lower is better", "higher is better", "rise", "uniform"} <= set(written(figure))


def test_a_sweep_over_budgets_draws_them(tmp_path):
    table = synthetic.budgets((1, 10), ("rise", "uniform"), models=("resnet18",), metrics=("deletion",), images=3)
    names = [path.name for path in figures.figures(write(tmp_path / "a", table))]
    assert names == [
        f"{kind}_shapes_resnet18{suffix}" for kind in ("ranks", "critical", "budget") for suffix in (".png", ".pdf")
    ]


def test_one_cell(tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (3, 16, 16, 3), dtype=np.uint8)
    first_maps(pixels, rng.normal(size=(3, 16, 16)), True, tmp_path / "first_maps.png")
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
    texts = [text.get_text() for text in agreement(flipped).axes[0].texts]
    assert texts == ["-1"]


@pytest.mark.parametrize("names", [FIRST, (*FIRST, *MORE)])
def test_critical_differences_are_drawn_for_the_best(names):
    table = scores(names, ("deletion", "insertion", "completeness"), ("resnet18",), images=8)
    found, rows = mean_ranks(table), leaderboard(table)
    figure = critical(found, rows)
    texts = written(figure)
    assert fits(figure) and len(figure.axes) == 2 and list(found) == ["deletion", "insertion"]
    for axes, (means, test) in zip(figure.axes, found.values(), strict=True):
        ours = [text for text in axes.texts if "  " in text.get_text()]
        assert len(ours) == min(len(names), 20) and min(text.get_size() for text in axes.texts) >= 6
        best = means.index[0]
        assert any(
            t.get_text().endswith(f"  {means[best]:.1f}") and best.replace("_", " ") in t.get_text() for t in ours
        )
        grey = {text.get_text() for text in ours if text.get_color() != "black"}
        assert len(grey) == rows[rows.method.isin(means.index[:20]) & rows.control].method.nunique()
        assert f"critical difference {test.critical_difference:.2f}" in texts
        figure.draw_without_rendering()
        boxes = [text.get_window_extent() for text in ours]
        assert not any(a.overlaps(b) for k, a in enumerate(boxes) for b in boxes[:k])
    assert any("the best 20 of 49 methods" in text for text in texts) == (len(names) == 49)


def test_bars_of_critical_differences_join_near_ranks():
    table = scores(("gradient", "rise", "fem", "uniform"), ("deletion",), ("resnet18",), images=8)
    (means, test), *_ = mean_ranks(table).values()
    bold = [line.get_xdata() for line in critical(mean_ranks(table), leaderboard(table)).axes[0].lines
            if line.get_linewidth() > 1.5]  # fmt: skip
    for a in means:
        for b in means[means > a]:
            assert any(low <= a and b <= high for low, high in bold) == (b - a < test.critical_difference)
    assert mean_ranks(scores(("gradient", "rise"), ("deletion",), ("resnet18",), images=8)) == {}


def many(table, metrics):
    """Return the leaderboard with the rows of deletion for every metric, in the order of their categories."""
    names = sorted(metrics, key=lambda name: CATEGORIES.index(metrics[name][0]))
    one = table[table.metric == "deletion"]
    rows = [one.assign(metric=name, category=metrics[name][0]) for name in names]
    return pd.concat([*rows, table[table.metric == "mean rank"]], ignore_index=True)


def test_many_metrics_are_split_between_categories(everything):
    metrics = METRICS | MORE_METRICS
    table = many(everything[0], metrics)
    parts = pages(table)
    shown = [set(part.metric) - {"mean rank"} for part in parts]
    assert len(parts) == 2 and sum(map(len, shown)) == len(metrics) and max(map(len, shown)) <= ACROSS
    categories = [set(part.category[part.metric != "mean rank"]) for part in parts]
    assert not categories[0] & categories[1]
    for figure in (*map(ranks, parts), agreement(table)):
        assert fits(figure)
        figure.draw_without_rendering()
        labels = [*figure.axes[0].get_xticklabels(), *figure.axes[0].get_yticklabels()]
        assert min(label.get_size() for label in labels) >= 5
    assert len(pages(everything[0])) == 1


def test_a_category_that_no_figure_holds_is_cut(everything):
    metrics = {f"metric_{k}": ("faithfulness", True) for k in range(40)}
    assert [part.metric.nunique() - 1 for part in pages(many(everything[0], metrics))] == [ACROSS, 40 - ACROSS]


def test_a_sweep_over_conditions_judges_metrics(tmp_path):
    table = scores(METHODS, ("deletion", "gini"), ("resnet18",), images=4)
    cells = [table.assign(variant=f"condition={name}") for name in ("plain", "minor")]
    paths = list(figures.figures(write(tmp_path / "a", pd.concat(cells))))
    assert [path.name for path in paths] == ["meta.png", "meta.pdf"] and imread(paths[0])[..., :3].std() > 0.05


def test_protocols_are_drawn_where_there_are_some(tmp_path):
    table = scores(METHODS, ("deletion", "deletion_rise", "deletion_latec"), ("resnet18",), images=4)
    names = {path.name for path in figures.figures(write(tmp_path / "a", table))}
    assert "protocols_shapes_resnet18.png" in names
