"""The table of methods: costs, laws, refusals, and the answers printed below it."""

import re

import numpy as np
import pandas as pd
import pytest

from results.budgets import budgets, varied
from results.collect import collect
from results.leaderboard import leaderboard
from results.methods import contrasts, latex, main, methods, report
from tests.results import synthetic
from tests.results.synthetic import scores, write

NAMES = ("rise", "lrp_epsilon_plus", "gradient", "integrated_gradients", "fem", "uniform")


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    table = scores(NAMES, ("deletion", "completeness"), images=6, seeds=(0, 1))
    table["explain_peak_memory"] = table.image.str[-1].eq("3") * 50 + 100.0
    table.loc[table.image.str[-1] == "5", "explain_seconds"] = 99.0
    return write(tmp_path_factory.mktemp("sweep") / "a", table, drawn=True)


def test_costs_are_those_of_a_map(sweep):
    table = methods(collect(sweep)).set_index(["model", "method"])
    assert len(table) == 2 * len(NAMES)
    for place, name in enumerate(NAMES):
        row = table.loc["resnet18", name]
        assert row.seconds == pytest.approx(0.001 * (1 + place))  # the median: one slow image does not count
        assert row.forwards == 2 + place and row.passes == row.forwards + row.backwards
        assert row.peak_memory == 150 and row.images == 6 and pd.isna(row.reason)


def test_laws_and_refusals_are_told(sweep):
    table = methods(collect(sweep)).set_index(["model", "method"])
    assert not table.valid["resnet18", "lrp_epsilon_plus"] and table.valid["resnet18", "integrated_gradients"]
    assert table.valid["resnet18", "rise"] is pd.NA
    refused = table.loc["inception_v3", "lrp_epsilon_plus"]
    assert "concatenations" in refused.reason and np.isnan(refused.seconds) and pd.isna(refused.images)
    text = report(collect(sweep), 110)
    assert re.search(r"lrp_epsilon_plus ! +structure +0\.0020 +3 +1 +150 +0\.\d\d", text)
    assert "- lrp_epsilon_plus: lrp_epsilon_plus needs a model without concatenations" in text
    assert max(map(len, text.splitlines())) <= 110


def test_it_is_ordered_by_group_then_name(sweep):
    table = methods(collect(sweep))
    expected = ["gradient", "integrated_gradients", "fem", "lrp_epsilon_plus", "rise", "uniform"]
    assert all(rows.method.tolist() == expected for _, rows in table.groupby("model"))


def test_without_costs_there_is_still_a_table():
    table = scores(NAMES, ("deletion",)).drop(columns=["explain_seconds", "explain_forwards", "explain_backwards"])
    assert methods(table).seconds.isna().all() and len(methods(table)) == 2 * len(NAMES)


def test_taxonomy_is_answered_by_model(sweep):
    found = contrasts(collect(sweep))
    assert list(found) == [("shapes", "inception_v3"), ("shapes", "resnet18")]
    assert found["shapes", "resnet18"].methods == 5 and found["shapes", "inception_v3"].methods == 4
    text = report(collect(sweep), 110)
    answer = found["shapes", "resnet18"]
    assert re.search(rf"shapes / resnet18 +5 +{answer.within:.2f} +{answer.between:.2f} ", text)


def test_latex_is_balanced(sweep):
    scores = collect(sweep)
    text = latex(methods(scores), contrasts(scores))
    assert text.count("\\begin{") == text.count("\\end{") and text.isascii()
    for part in text.split("\\begin{table}")[1:]:
        columns = len(re.search(r"\\begin{tabular}{(l[r]+)}", part)[1])
        rows = [line for line in part.split("\\toprule")[1].splitlines() if line.endswith(r"\\") and "&" in line]
        assert len(rows) == 1 + len(NAMES) and all(row.count("&") == columns - 1 for row in rows)
        assert not re.search(r"(?<![\\$])[_%#^~<]", re.sub(r"\\label{.*}", "", part))
    marked = r"lrp\_epsilon\_plus\textsuperscript{\dag}"
    assert text.count(marked) == 1 and "of the law" in text and "within groups" in text


def test_command(sweep, capsys):
    assert main([str(sweep), "--csv"]) == 0
    assert "Do methods of one group explain alike?" in capsys.readouterr().out
    assert len(pd.read_csv(sweep / "methods.csv")) == 2 * len(NAMES)
    assert main([str(sweep), "--latex"]) == 0
    assert capsys.readouterr().out == (sweep / "methods.tex").read_text()
    assert main(["nowhere"]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1


@pytest.fixture(scope="module")
def spent(tmp_path_factory):
    table = synthetic.budgets(models=("resnet18",), metrics=("deletion", "insertion"), images=5)
    return collect(write(tmp_path_factory.mktemp("budget") / "a", table))


def test_points_are_means_against_passes(spent):
    table = leaderboard(spent)
    points = budgets(table, methods(spent))
    rise = points[(points.stem == "rise") & (points.metric == "deletion")]
    np.testing.assert_allclose(rise.passes, [100, 320, 1000, 3200, 10000])
    np.testing.assert_allclose(rise.value, [0.1, 0.32, 1, 3.2, 10])
    for row in rise.itertuples():
        ours = spent[(spent.method == f"rise [scale={row.value:g}]") & (spent.metric == "deletion")]
        assert row.mean == pytest.approx(ours.score.mean())
    assert (points.stem == "uniform").sum() == 2  # one a metric: what costs nothing has one budget


def test_points_need_two_budgets_of_a_method(spent):
    one = spent[spent.method.isin(["rise [scale=1]", "uniform [scale=1]", "uniform [scale=10]"])]
    assert varied(one) and budgets(leaderboard(one), methods(one)).empty
    other = spent.assign(method=spent.method.str.replace("scale=", "grid="))
    assert not varied(other) and not varied(scores())


def test_points_are_printed(spent):
    text = report(spent, 110)
    assert re.search(r"rise \[scale=0\.1\] +100 +0\.\d+ +0\.\d+", text.split("Quality against passes")[1])
