"""The mark of a method that does not keep its law: from known residuals to every table."""

import numpy as np
import pandas as pd
import pytest

from results.leaderboard import leaderboard, main
from results.tables import details, overview
from results.validity import BOUND, LAW, on_any, validity
from tests.results.synthetic import scores, write

RESIDUALS = {  # by method and model: two images, two seeds each
    ("gradient", "resnet18"): None,
    ("gradient", "inception_v3"): None,
    ("deep_lift", "resnet18"): [[0.02, 0.04], [0.0, 0.02]],
    ("deep_lift", "inception_v3"): [[0.5, 0.9], [0.1, 0.3]],
    ("integrated_gradients", "resnet18"): [[BOUND, BOUND], [BOUND, BOUND]],
    ("integrated_gradients", "inception_v3"): [[0.0, 0.3], [0.3, 0.0]],
}


@pytest.fixture
def known():
    """A sweep with these residuals, and scores of deletion."""
    table = scores(("gradient", "deep_lift", "integrated_gradients"), ("deletion", LAW), images=2, seeds=(0, 1))
    for (method, model), residuals in RESIDUALS.items():
        ours = (table.method == method) & (table.model == model) & (table.metric == LAW)
        for row in table[ours].itertuples():
            score = np.nan if residuals is None else residuals[int(row.image[-1])][row.seed]
            table.loc[row.Index, "score"] = score
    return table


def test_residual_is_the_median_over_images_of_the_mean_over_seeds(known):
    found = validity(known).loc["shapes"]
    for (method, model), residuals in RESIDUALS.items():
        row = found.loc[(model, method)]
        if residuals is None:
            assert np.isnan(row.residual) and row.valid is pd.NA
        else:
            assert row.residual == pytest.approx(np.median(np.mean(residuals, 1)))
            assert row.valid == (row.residual <= BOUND)
    assert found.loc[("inception_v3", "integrated_gradients")].residual == pytest.approx(0.15)


def test_it_is_the_median_that_counts_not_the_mean():
    table = scores(("deep_lift",), (LAW,), ("resnet18",), images=5)
    found = validity(table.assign(score=[0.01, 0.02, 0.05, 8, 9])).iloc[0]
    assert found.residual == 0.05 and found.valid
    broken = validity(table.assign(score=[0.01, 0.02, 0.2, 0.2, 0.2])).iloc[0]
    assert broken.residual == 0.2 and not broken.valid
    endless = validity(table.assign(score=[np.inf, np.inf, np.inf, 0.01, np.nan])).iloc[0]
    assert np.isinf(endless.residual) and not endless.valid


def test_all_models_have_the_worst_of_them(known):
    worst = on_any(validity(known)).loc["shapes"]
    assert worst.residual["deep_lift"] == pytest.approx(0.45) and not worst.valid["deep_lift"]
    assert worst.valid["gradient"] is pd.NA
    board = leaderboard(known)
    every = board[board.model == "all models"].drop_duplicates("method").set_index("method")
    assert every.valid["gradient"] is pd.NA and not every.valid["deep_lift"]
    assert str(board.valid.dtype) == "boolean"
    assert set(board.method[(board.model == "resnet18") & board.valid.eq(False).fillna(False)]) == set()


def test_every_row_says_it_also_without_the_metric_that_measures_it(known):
    whole = leaderboard(known)
    assert whole.groupby(["model", "method"]).residual.nunique(dropna=False).eq(1).all()
    alone = leaderboard(known, metric="deletion").set_index(["model", "method"])
    assert not alone.valid["inception_v3", "deep_lift"] and alone.valid["resnet18", "deep_lift"]


def test_texts_mark_the_network_where_it_fails(known):
    table = leaderboard(known)
    for text in (overview(table, 110), details(table, ["deletion"], 110)):
        parts = dict(part.split("\n", 1) for part in text.split("shapes / ")[1:])
        parts = {name.partition(":")[0]: part for name, part in parts.items()}
        assert "deep_lift !" in parts["inception_v3"] and "deep_lift !" not in parts["resnet18"]
        assert "integrated_gradients !" in parts["inception_v3"] and "gradient !" not in parts["inception_v3"]
        assert "more than 10 %" in text
    assert "deep_lift !" in parts.get("all models", overview(table, 110).split("all models")[2])


def test_a_sweep_that_measures_no_law_says_so():
    table = leaderboard(scores(("gradient", "deep_lift"), ("deletion",), ("resnet18",)))
    assert table.valid.isna().all() and "No law was checked" in overview(table, 110)


def test_one_method_alone_is_marked_too(known):
    alone = known[(known.method == "deep_lift") & (known.model == "inception_v3")]
    assert "deep_lift !" in overview(leaderboard(alone), 110)


def test_csv_has_it(known, tmp_path, capsys):
    folder = write(tmp_path / "a", known)
    assert main([str(folder), "--csv"]) == 0
    capsys.readouterr()
    written = pd.read_csv(folder / "leaderboard.csv").set_index(["model", "method"])
    assert set(written.valid["inception_v3", "deep_lift"]) == {False}
    assert written.valid["resnet18", "gradient"].isna().all()
