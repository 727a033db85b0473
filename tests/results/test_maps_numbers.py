"""The numbers in the views of maps, against pandas' own and known answers."""

import numpy as np
import pandas as pd
import pytest

from results import maps, tables
from results import scores as stored
from results.maps import criteria, judging, laws, likeness
from results.maps.board import MEAN_RANK, OVERALL, board
from results.maps.differences import comparison
from results.maps.passes import budgets
from results.maps.place import ALL_MODELS
from results.maps.protocols import agreements
from tests.results.sweeps_of_maps import METRICS, options, sweep, with_budgets, with_conditions, with_protocols
from tests.results.synthetic import categorical, gallery


@pytest.fixture(scope="module")
def labelled():
    return stored.labelled(categorical(sweep()))


@pytest.fixture(scope="module")
def table(labelled):
    return board(labelled)


def of(table, metric, model="resnet18", category=None):
    rows = table[(table.metric == metric) & (table.model == model)]
    return rows[rows.category == category].set_index("entry") if category else rows.set_index("entry")


@pytest.mark.slow
def test_means_and_ranks_are_pandas_own(labelled, table):
    rows = labelled[labelled.status == "ok"]
    for (model, metric), some in rows.groupby(["model", "metric"], observed=True):
        mean = some.groupby(["entry", "image"], observed=True).score.mean().groupby("entry", observed=True).mean()
        own = of(table, metric, model).reindex(mean.index)
        np.testing.assert_allclose(own["mean"], mean)
        rank = mean.rank(ascending=not some.higher_is_better.iloc[0], method="min")
        np.testing.assert_array_equal(own["rank"], rank)
        assert ((own.low <= own["mean"]) & (own["mean"] <= own.high)).all()


@pytest.mark.slow
def test_mean_ranks_are_means_of_ranks(table):
    faithful = table[(table.model == "resnet18") & (table.category == "faithfulness") & (table.metric != MEAN_RANK)]
    expected = faithful.groupby("entry")["rank"].mean()
    own = of(table, MEAN_RANK, category="faithfulness")["mean"]
    np.testing.assert_allclose(own[expected.index], expected)
    overall = of(table, MEAN_RANK, category=OVERALL)
    assert set(overall.merged_of) == {3}  # axiomatic ranks two of five methods
    pooled = of(table, "deletion", ALL_MODELS)["mean"]
    both = [of(table, "deletion", model)["rank"] for model in ("resnet18", "inception_v3")]
    np.testing.assert_allclose(pooled["rise"], np.mean([ranks["rise"] for ranks in both]))


@pytest.mark.slow
def test_seeds_are_no_images():
    once = sweep(seeds=(0,))
    twice = pd.concat([once, once.assign(seed=1)])
    columns = ["mean", "low", "high", "rank", "verdict", "p", "gain_low", "n"]
    first, second = (board(stored.labelled(categorical(rows)))[columns] for rows in (once, twice))
    pd.testing.assert_frame_equal(first, second)


def test_gains_are_over_the_best_control_that_does_not_know(table):
    for metric in ("deletion", "insertion"):
        rows, sign = of(table, metric), -1 if metric == "deletion" else 1
        blind = (sign * rows["mean"][["uniform", "constant"]]).idxmax()
        assert set(rows.rival.dropna()) == {blind}
        gain = sign * (rows["mean"] - rows["mean"][blind])
        np.testing.assert_allclose(rows.gain.drop(blind), gain.drop(blind))
    assert of(table, "noise_stability_ssim").gain.isna().all()  # robustness: what ignores the image never moves


def test_verdicts_name_one_best_entry_that_is_no_control(table):
    rows = table[(table.metric != MEAN_RANK) & (table.model != ALL_MODELS) & table["rank"].notna()]
    best = rows[rows.verdict == "best"]
    assert len(best) == rows.groupby(["model", "metric"]).ngroups and not best.control.any()
    assert (rows[rows.verdict == "worse"].p < 0.05).all() and (rows[rows.verdict == "level"].p >= 0.05).all()
    assert (rows[rows.verdict == "worse"].difference_low > 0).all()
    assert rows[rows.difference < 0].control.all()  # only a control is better than the best entry


def test_a_bound_that_a_control_reaches_is_no_merit():
    rows = sweep(metrics=("pointing_game",), models=("resnet18",))
    rows["score"] = np.where(rows.entry.isin(["grad_cam", "rise", "uniform"]), 1.0, rows.score)
    own = of(board(stored.labelled(categorical(rows))), "pointing_game")
    assert set(own.verdict[["grad_cam", "rise"]]) == {"ceiling"} and own.verdict["gradient"] != "ceiling"


def test_laws_are_kept_on_every_network_or_broken(table):
    assert laws.broken(table) == {"lrp_epsilon_plus"}
    pooled = of(table, MEAN_RANK, ALL_MODELS, OVERALL)
    assert pooled.residual["integrated_gradients"] == table[table.entry == "integrated_gradients"].residual.max()


@pytest.mark.slow
def test_single_entries_have_scores_and_no_ranks():
    (alone,) = maps.VIEWS["leaderboard"](categorical(sweep(("rise",), models=("resnet18",))), options())
    assert [*alone.frame.index] == ["rise"] and len(alone.frame.columns) == len(METRICS) and alone.verdicts is None


def test_differences_are_signed_by_words():
    values = pd.DataFrame(np.random.default_rng(0).random((12, 3)), columns=["a", "b", "c"])
    values["b"] += 1
    for higher, words in ((True, "better by"), (False, "worse by")):
        rows = comparison(values, higher, [], "a", {}).set_index("entry")
        assert rows.direction["b"] == words and rows.difference["b"] > 0 and rows.wins["b"] == float(higher)
        assert rows.low["b"] > 0 and rows.p["b"] < 0.05 and 2 < rows.needed["b"] <= rows.needed_in_family["b"]
    assert np.isnan(rows.needed["c"])
    by_seed = {k: values + k * np.array([0, 0.1, 0]) for k in range(3)}
    rows = comparison(values, True, [], "a", by_seed).set_index("entry")
    np.testing.assert_allclose(rows.seed_high["b"] - rows.seed_low["b"], 0.2)


def points_of(rows: pd.DataFrame) -> pd.DataFrame:
    rows = stored.labelled(categorical(rows))
    return budgets(rows, board(rows))


@pytest.mark.slow
def test_budgets_are_lines_of_one_entry():
    points = points_of(with_budgets())
    rise = points[(points.line.str.startswith("rise")) & (points.metric == "deletion")]
    assert len(rise) == 3 and rise.passes.is_monotonic_increasing and set(points.entry[points.control]) == {"uniform"}
    assert "grad_cam" not in set(points.entry)
    assert points_of(sweep(models=("resnet18",))).empty


def test_protocols_that_rank_alike_agree():
    one, fills = agreements(stored.labelled(categorical(with_protocols())))
    assert (one.what, fills.what) == ("protocols", "baselines") and fills.ranks.shape[1] == 3
    tau = one.matrix("tau")
    assert tau.loc["deletion", "deletion_rise"] == 1 and tau.loc["deletion", "deletion_latec"] < 1
    assert one.pairs.moved[0] == 0 and [*one.ranks.index[one.control]] == [*one.ranks.index[-3:]]


@pytest.mark.slow
def test_metrics_are_judged_by_what_is_required_of_them():
    rows = judging.judge(categorical(with_conditions())).set_index("metric")
    assert rows.truth["insertion"] == 1 and rows["class"]["insertion"] > 0.9
    assert rows.truth_outcome["insertion"] == "kept" and rows.truth_outcome["gini"] == ""  # complexity need not be true
    assert rows.baselines.notna()["insertion"] and np.isnan(rows.baselines["gini"])
    assert maps.default(with_conditions()) == "judged" and maps.default(sweep()) == "leaderboard"
    for refused in ("leaderboard", "compare"):
        with pytest.raises(tables.Inapplicable):
            maps.VIEWS[refused](categorical(with_conditions()), options())


@pytest.mark.parametrize(("low", "high", "said"), [(0.6, 1, "kept"), (0.1, 0.59, "failed"), (0.5, 0.7, "undecided")])
def test_outcomes(low, high, said):
    assert criteria.outcome("faithfulness", "images", 0.5, low, high) == said
    assert criteria.outcome("robustness", "truth", 0.5, low, high) == ""


def test_kendalls_w():
    same = np.tile(np.arange(1.0, 6), (3, 1))
    assert judging.kendalls_w(same) == pytest.approx(1)
    assert judging.kendalls_w(np.stack([same[0], same[0][::-1]])) == pytest.approx(0)


def test_groups_that_explain_alike_are_found():
    rng = np.random.default_rng(0)
    group = pd.Series({f"{name}{k}": name for name in ("structure", "black box", "linearisation") for k in range(5)})
    codes = pd.factorize(group)[0]
    alike = (codes[:, None] == codes).astype(float) * 0.5 + rng.normal(0, 0.05, (15, 15))
    names = [*group.index]
    answer = likeness.contrast(pd.DataFrame((alike + alike.T) / 2, names, names), group, permutations=999)
    assert answer.p < 0.01 and answer.within - answer.between == pytest.approx(0.5, abs=0.05)
    noise = likeness.contrast(pd.DataFrame(rng.normal(0, 1, (15, 15)), names, names), group, permutations=999)
    assert noise.p > 0.01
    assert likeness.contrast(pd.DataFrame(1.0, names[:5], names[:5]), group) is None


def test_similarity_is_spearmans_and_leaves_constants_out():
    maps_by_entry = {entry: gallery(entry) for entry in ("grad_cam", "rise", "constant")}
    found = likeness.similarity(maps_by_entry)
    flat = pd.DataFrame({e: m["maps"][0].ravel() for e, m in maps_by_entry.items()}).corr("spearman")
    one = {entry: {name: values[:1] for name, values in own.items()} for entry, own in maps_by_entry.items()}
    np.testing.assert_allclose(likeness.similarity(one).correlation.loc["rise", "grad_cam"], flat.rise.grad_cam)
    assert found.undefined["constant"] == 6 and found.correlation["constant"].isna().all()
