"""Undefined scores: counts with reasons, and how far they could move a rank."""

import numpy as np
import pandas as pd
import pytest

from results import publish
from results.collect import collect
from results.leaderboard import leaderboard, main
from results.tables import details, overview
from results.undefined import text, undefined
from tests.results.synthetic import GOLDEN, scores, write

NAMES = ("gradient", "rise", "fem", "uniform", "constant")


def known(metric="insertion", values=(0.8, 0.6, 0.4, 0.2)):
    """A sweep of four images in which each method has one score throughout."""
    table = scores(NAMES[:4], (metric,), ("resnet18",), images=4).drop(columns=["lower_bound", "upper_bound"])
    return table.assign(score=table.method.map(dict(zip(NAMES, values, strict=False))), status="ok", reason="")


def without(table, method, images, **more):
    gone = (table.method == method) & table.image.isin([f"test/{k:05d}" for k in images])
    table.loc[gone, ["score", "status", "reason"]] = [np.nan, "undefined", "why"]
    return table.assign(**more)


def bounds(table, method):
    row = leaderboard(table).query("metric != 'mean rank'").set_index("method").loc[method]
    return row.rank_best, row["rank"], row.rank_worst


def test_bounds_are_those_of_the_metric():
    """Gradient (.8) on two of four images is .4 at worst and .9 at best, as good as fem; rise can become the first."""
    within = {"lower_bound": 0.0, "upper_bound": 1.0}
    assert bounds(without(known(), "gradient", (0, 1), **within), "gradient") == (1, 1, 2)
    assert bounds(without(known(), "gradient", (0, 1, 2), **within), "gradient") == (1, 1, 3)
    assert bounds(without(known(), "rise", (0, 1, 2), **within), "rise") == (1, 2, 4)
    assert bounds(without(known(), "rise", (0, 1, 2), **within), "gradient") == (1, 1, 2)  # behind rise at its best


def test_bounds_without_limits_are_those_observed():
    """Observed: .2 to .8. Rise with one image left is (.6 + 3 x .2) / 4 = .3 at worst, .75 at best."""
    for more in ({}, {"lower_bound": -np.inf, "upper_bound": np.inf}, {"lower_bound": np.nan, "upper_bound": np.nan}):
        assert bounds(without(known(), "rise", (0, 1, 2), **more), "rise") == (2, 2, 3)
    low = without(known("deletion", (0.2, 0.4, 0.6, 0.8)), "rise", (0, 1, 2))
    assert bounds(low, "rise") == (2, 2, 3)


def test_who_is_never_defined_has_bounds_and_no_rank():
    low, rank, high = bounds(without(known(), "rise", range(4)), "rise")
    assert (low, high) == (1, 3) and np.isnan(rank)  # .8 ties with the best, .2 with the last
    everybody = known()
    for name in NAMES[:4]:
        everybody = without(everybody, name, range(4))
    assert bounds(everybody, "rise")[::2] == (1, 1)


def test_an_undefined_seed_is_a_part_of_an_image():
    """Of two seeds of four images one is undefined: an eighth of the scores is unknown."""
    table = pd.concat([known(values=(0.61, 0.6, 0.59, 0.2)).assign(seed=k) for k in (0, 1)], ignore_index=True)
    gone = (table.method == "rise") & (table.seed == 1) & (table.image == "test/00000")
    table.loc[gone, "score"] = np.nan
    assert bounds(table, "rise") == (2, 2, 3)  # from (7 x .6 + .2) / 8 = .55 to (7 x .6 + .61) / 8 = .601
    assert bounds(table.assign(lower_bound=0.0, upper_bound=1.0), "rise") == (1, 2, 3)


def test_bounds_enclose_the_rank_and_have_no_holes():
    board = leaderboard(pd.read_parquet(GOLDEN / "scores.parquet"))
    board = board[(board.metric != "mean rank") & (board.model != "all models")]
    asked = board[~board.reason.fillna("").str.startswith("inapplicable")]
    assert asked[["rank_worst", "rank_best"]].notna().all(axis=None)
    assert ((asked.rank_best <= asked["rank"]) & (asked["rank"] <= asked.rank_worst) | asked["rank"].isna()).all()
    whole = asked[asked.groupby(["model", "metric"]).undefined.transform(lambda gone: (gone % 24 > 0).sum()) == 0]
    whole = whole[whole.n > 0]
    assert (whole.rank_best == whole["rank"]).all() and (whole.rank_worst == whole["rank"]).all()
    assert (asked.rank_worst > asked.rank_best).any() and board.rank_worst.isna().any()


def test_texts_say_how_far_ranks_could_move():
    table = leaderboard(without(known(), "rise", (0, 1, 2), lower_bound=0.0, upper_bound=1.0))
    assert "insertion (up to 3; ranks at best..worst: rise 1..4)" in overview(table, 110)
    shown = details(table, ["insertion"], 120)
    assert "bounds" in shown and "1..4" in next(line for line in shown.splitlines() if line.startswith("rise"))
    assert "bounds" not in details(leaderboard(known()), ["insertion"], 120)


def test_counts_are_by_cell_and_reason():
    table = scores(NAMES, ("deletion", "faithfulness_correlation", "completeness"), ("resnet18",), images=4)
    failed = (table.method == "rise") & (table.metric == "deletion") & (table.image > "test/00001")
    table.loc[failed, ["score", "status", "reason"]] = [np.nan, "failed", "ValueError: no"]
    found = undefined(table).set_index(["method", "metric"])
    assert len(found) == 7
    assert tuple(found.loc[("rise", "deletion"), ["undefined", "of", "status", "reason"]]) == (
        2, 4, "failed", "ValueError: no",
    )  # fmt: skip
    assert (found.undefined.drop(("rise", "deletion")) == 4).all()
    printed = text(undefined(table), 80)
    assert "failed: ValueError: no\n- deletion: rise 2/4\n" in printed and "constant 4/4" in printed
    assert max(map(len, printed.splitlines())) <= 80
    assert text(undefined(known()), 80) == "Every score is defined.\n"


def test_what_does_not_apply_has_no_scores():
    found = undefined(scores(("lrp_epsilon_plus", "rise"), ("deletion",), ("inception_v3",), images=4))
    assert found[["method", "undefined", "of", "status"]].values.tolist() == [
        ["lrp_epsilon_plus", 0, 0, "inapplicable"]
    ]
    assert "- lrp_epsilon_plus\n" in text(found, 80)


def test_command(tmp_path, capsys):
    folder = write(tmp_path / "a", pd.read_parquet(GOLDEN / "scores.parquet"))
    assert main([str(folder), "--undefined", "--csv"]) == 0
    assert "- mprt: constant 24/24" in capsys.readouterr().out
    assert len(pd.read_csv(folder / "undefined.csv")) == len(undefined(collect(folder)))
    assert main([str(folder), "--undefined", "--metric", "deletion"]) == 0
    assert "mprt" not in capsys.readouterr().out


@pytest.mark.parametrize("lacking", [[], ["reused", "lower_bound", "upper_bound"]])
def test_cells_of_older_versions_are_read_beside_new_ones(tmp_path, monkeypatch, lacking):
    table = scores(NAMES, ("deletion",), ("resnet18",), images=4).assign(
        label=0,
        predicted=0,
        target=0,
        tied=0.0,
        input_size=64,
        code="x",
        libraries="y",
        forwards=1.0,
        backwards=0.0,
        config="z",
    )
    old = table[table.method != "rise"].drop(columns=lacking)
    write(tmp_path / "a", old)
    write(tmp_path / "a" / "new", table[table.method == "rise"])
    found = collect(tmp_path / "a")
    columns = ["method", "metric", "category", "rank", "rank_worst", "low", "groups"]
    for left, right in ((found, table), (collect(tmp_path / "a").drop(columns=lacking), table)):
        pd.testing.assert_frame_equal(
            *(leaderboard(each)[columns].sort_values(columns[:3], ignore_index=True) for each in (left, right))
        )
    monkeypatch.setattr(publish, "PUBLISHED", tmp_path / "published")
    write(tmp_path / "old", old)
    publish.publish(tmp_path / "old", "command")
    stored = pd.read_parquet(tmp_path / "published" / "old.parquet")
    of_paths = {"layer", "kept", "curve_seconds", "curve_forwards", "curve_backwards"}
    assert set(publish.COLUMNS) - set(stored) - of_paths <= {*lacking}
