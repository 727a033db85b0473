"""Means, intervals, ranks and gains against SciPy, exact enumeration and definitions."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from results import ranking
from results import summary as summaries
from results.summary import draws, interval, means, ranks, resampled_means, summary, tail, wilson
from tests.results.synthetic import categorical, names, rows, scores

NAN = float("nan")


def table(array, entries="abcdefg"):
    array = np.asarray(array, float)
    return pd.DataFrame(array, names(len(array)), list(entries[: array.shape[1]]))


def ends(column, hits=False, **more):
    return summary(table(np.c_[column, more.get("beside", column)]), True, hits).loc["a", ["low", "high"]].tolist()


def test_intervals_are_numpys_quantiles_of_what_is_defined():
    resampled = np.random.default_rng(0).normal(size=(2001, 4))
    resampled[5:900, 1], resampled[1:, 2] = NAN, NAN
    found = interval(resampled, [20, 20, 20, 5])
    expected = np.nanquantile(resampled[1:, :2], [tail(20), 1 - tail(20)], axis=0)
    np.testing.assert_allclose(found[:, :2], expected, rtol=1e-12)
    assert np.isnan(found[:, 2:]).all()


def test_draws_are_those_of_all_resamples():
    values = np.array([[0.1, 5], [0.7, 3], [0.2, NAN], [0.9, 8]])
    exact = means(values, np.array([np.bincount(picked, minlength=4) for picked in product(range(4), repeat=4)]))
    drawn = means(values, draws(names(4), 20000))[1:]
    assert set(np.round(drawn[:, 0], 9)) == set(np.round(exact[:, 0], 9))
    assert np.isnan(exact[:, 1]).sum() == 1 and abs(np.isnan(drawn[:, 1]).mean() - 1 / 256) < 0.002
    for q in (0.05, 0.25, 0.5, 0.9):
        assert abs(np.quantile(drawn[:, 0], q) - np.quantile(exact[:, 0], q)) < 0.02
    assert np.corrcoef(drawn[:, 0], np.nan_to_num(drawn[:, 1]))[0, 1] > 0.3  # the same images for both entries


def test_draws_depend_on_seed_and_images_only():
    one, same, seed, images = (
        draws(list(drawn), 5, s) for drawn, s in (("abc", 0), ("abc", 0), ("abc", 1), ("abd", 0))
    )
    assert (one == same).all() and (one != seed).any() and (one != images).any()
    assert (one.sum(1) == 3).all() and (one[0] == 1).all()


def test_fewer_than_six_images_have_no_interval():
    assert np.isnan(ends(np.full(5, 0.3))).all() and np.isnan(ends(np.ones(5), hits=True)).all()
    assert ends(np.full(6, 0.3)) == pytest.approx([0.3, 0.3])


@pytest.mark.parametrize(("hits", "n"), [(0, 24), (24, 24), (23, 24), (7, 16), (50, 100)])
def test_hits_have_wilsons_interval(hits, n):
    values = (np.arange(n) < hits) * 1.0
    theirs = stats.binomtest(hits, n).proportion_ci(method="wilson")
    np.testing.assert_allclose(ends(values, hits=True), theirs, atol=1e-12)
    np.testing.assert_allclose(wilson(hits / n, n), theirs, atol=1e-12)
    np.testing.assert_allclose(ends(np.r_[values, [NAN] * 3], hits=True), theirs, atol=1e-12)


def test_what_is_no_hit():
    """Bounds of 0 and 1, and 0 and 1 only, as most of the block: a map without sparseness has a score of 0."""
    flat, sparse = np.zeros(24), np.linspace(0.1, 0.9, 24)
    assert ends(flat, hits=True, beside=np.c_[sparse, sparse]) == [0, 0]
    assert ends(flat, hits=False) == [0, 0] and ends(flat, hits=True)[1] > 0.1


@pytest.mark.parametrize("higher", [True, False])
def test_ranks_are_scipys(higher):
    values = np.random.default_rng(0).integers(0, 4, size=(50, 7)) / 3
    expected = [stats.rankdata(-row if higher else row, method="min") for row in values]
    np.testing.assert_array_equal(ranks(values, higher), expected)


def test_equal_sums_tie_and_nan_has_no_rank():
    row = np.array([[0.1 + 0.2, 0.3, NAN, 0.2]])
    np.testing.assert_array_equal(ranks(row, True), [[1, 1, NAN, 3]])
    np.testing.assert_array_equal(ranks(row, False), [[2, 2, NAN, 1]])
    assert np.isnan(ranks(np.full((1, 2), NAN), True)).all()


def test_a_summary_by_hand():
    values = table([[1, 3, NAN], [2, 2, 5], [3, 4, NAN], [2, 3, 1], [2, 3, 3], [2, 3, 3]])
    found = summary(values, False).join(summaries.gains(values, False, {"a": "b", "b": "b", "c": "a"}))
    assert found["mean"].tolist() == [2, 3, 3] and found["rank"].tolist() == [1, 2, 2]
    assert found.n.tolist() == [6, 6, 4] and found.undefined.tolist() == [0, 0, 2]
    assert found.gain.tolist() == pytest.approx([1, NAN, -1], nan_ok=True)
    assert found.pairs.tolist() == pytest.approx([6, NAN, 4], nan_ok=True)
    assert found.gain_low["a"] <= 1 <= found.gain_high["a"] and np.isnan(found.gain_low["c"])


def test_blocks_are_summarised_as_if_they_were_alone():
    rng = np.random.default_rng(0)
    blocks = {name: table(rng.random((12, 4)).round(2)) for name in ("one", "other")}
    blocks["other"].loc[names(3), "b"] = NAN
    higher = {"one": True, "other": False}
    both = pd.concat(blocks, axis=1)
    found = summary(both, both.columns.get_level_values(0) == "one", rivals=["b", "c"])
    drawn = ranking.rank_draws(both, both.columns.get_level_values(0) == "one")
    for name, values in blocks.items():
        alone = summary(values, higher[name], rivals=["b", "c"])
        pd.testing.assert_frame_equal(found.loc[name], alone, check_dtype=False)
        assert set(alone.rival.dropna()) == {alone["rank"][["b", "c"]].idxmin()}
        np.testing.assert_array_equal(drawn[name].draws, ranks(resampled_means(values), higher[name]))
        assert (drawn[name].table()["rank"] == alone["rank"]).all()


def test_no_rival_no_gain():
    assert summary(table(np.ones((6, 2))), True, rivals=[])[["gain", "pairs"]].isna().all(axis=None)
    empty = summary(pd.DataFrame(columns=["a", "b"], dtype=float), True, rivals=["b"])
    assert empty.n.tolist() == [0, 0] and empty[["mean", "rank", "gain"]].isna().all(axis=None)


def test_equal_scores_differ_by_nothing():
    one, other = np.array([0.1 + 0.2, 1e-20, 5.0, NAN]), np.array([0.3, 0.0, 4.0, 1.0])
    np.testing.assert_array_equal(summaries.differences(one, other), [0, 0, 1, NAN])
    assert (summaries.differences(1e9 * one, 1e9 * other)[:2] == 0).all()
    assert summaries.differences(np.zeros(2), np.zeros(2)).sum() == 0


def test_cubes_average_seeds_and_leave_out_what_is_undefined():
    parts = [
        rows(score, "deletion", entry="rise", seed=seed) for seed, score in enumerate(([1, 2, NAN], [3, NAN, NAN]))
    ]
    cells = pd.concat([*parts, rows([5, 6, 7, 8], "deletion", entry="fem"), rows([9, 9, 9], "gini", entry="fem")])
    for some in (cells, categorical(cells)):
        assert summaries.common_images(some) == (names(3), 1)
        cube = summaries.cube(some, "deletion")
        np.testing.assert_array_equal(cube, [[2, 5], [2, 6], [NAN, 7]])
        assert list(cube) == ["rise", "fem"] and list(cube.index) == names(3)
        both = summaries.cubes(some)
        assert both["gini"].fem.tolist() == [9, 9, 9] and both["gini"].rise.isna().all()
        assert summaries.cube(some, "deletion", names(1)).shape == (1, 2)


def test_cubes_are_pivot_tables():
    cells = scores(images=5, models=("resnet18",), seeds=(0, 1))
    theirs = cells.pivot_table("score", "image", ["metric", "entry"], dropna=False)
    cubes = summaries.cubes(categorical(cells))
    pd.testing.assert_frame_equal(cubes, theirs[cubes.columns], check_names=False)


def test_cubes_refuse_parts_and_entries_without_common_images():
    cells = rows([1, 2], "deletion", entry="rise")
    with pytest.raises(ValueError, match="one part of each image; '', 'layer1'"):
        summaries.cubes(pd.concat([cells, cells.assign(part="layer1")]))
    with pytest.raises(ValueError, match="shapes / resnet18 has none"):
        summaries.common_images(pd.concat([cells, cells.assign(entry="fem", image="elsewhere")]))
    nothing = cells.assign(image="", status="inapplicable")
    assert summaries.common_images(nothing) == ([], 0) and summaries.cubes(nothing).shape == (0, 1)


def test_models_are_strata():
    one, other = table([[1, 2], [3, 4]]), table([[3, 6], [5, NAN], [7, 8]])
    found = summaries.pooled([one, other.assign(z=1.0)])
    np.testing.assert_array_equal(found, [[2, 4, NAN], [4, NAN, NAN]])


def test_mean_ranks_average_draw_by_draw():
    rng = np.random.default_rng(0)
    tables = [pd.DataFrame(rng.integers(1, 4, (9, 2)).astype(float), columns=list(pair)) for pair in ("ab", "bc")]
    tables[1]["c"] = NAN
    both = zip(tables, (8, 7), strict=True)
    mean = ranking.mean_ranks([ranking.Ranks(own, n, own.loc[0].notna(), 1) for own, n in both])
    np.testing.assert_array_equal(mean.draws.b, (tables[0].b + tables[1].b) / 2)
    np.testing.assert_array_equal(mean.draws.a, tables[0].a)
    assert mean.merged.tolist() == [1, 2, 0] and mean.of == 2 and mean.images == 7
    assert mean.table()["rank"].isna().tolist() == [False, False, True]


def test_undefined_scores_are_counted_by_reason():
    found = summaries.undefined(categorical(scores(images=6)))
    law = found[(found.metric == "completeness") & (found.entry == "gradient")]
    assert law.undefined.tolist() == [6, 6] and law.of.tolist() == [6, 6] and law.reason.str.contains("law").all()
    never = found[found.status == "inapplicable"]
    assert set(never.entry) == {"lrp_epsilon_plus"} and (never.of == 0).all() and (never.undefined == 0).all()


@pytest.mark.parametrize("higher", [True, False])
def test_rank_bounds_are_those_of_all_ways_to_fill_in(higher):
    values = table([[0.2, 0.4, 0.9, NAN], [NAN, 0.5, NAN, NAN], [0.3, 0.1, 0.8, NAN]])
    found = ranking.rank_bounds(values, higher, np.zeros(4), np.ones(4))
    filled = [values[["a", "b", "c"]].fillna({"a": a, "c": c}) for a, c in product((0, 1), repeat=2)]
    every = pd.concat([own.mean().rank(ascending=not higher, method="min") for own in filled], axis=1)
    assert found.rank_worst[:3].tolist() == every.max(axis=1).tolist()
    assert found.rank_best[:3].tolist() == every.min(axis=1).tolist() and found.loc["d"].isna().all()
    unbounded = ranking.rank_bounds(values, higher, np.full(4, -np.inf), np.full(4, np.inf))
    assert unbounded.notna().all(axis=1).tolist() == [True, True, True, False]
