"""Comparisons of a sweep: differences, families, seeds and models, their text, LaTeX and command."""

import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from results.blocks import blocks, pooled
from results.collect import collect
from results.compare import compare, main
from results.compared import latex, text
from results.leaderboard import leaderboard
from results.statistics import holm
from tests.results.synthetic import GOLDEN, METRICS, scores, write

NAMES = ("gradient", "rise", "fem", "grad_cam", "uniform", "constant")


@pytest.fixture(scope="module")
def golden():
    return pd.read_parquet(GOLDEN / "scores.parquet")


def of(table, model="resnet18"):
    return table[table.model == model].set_index("method")


def by_image(golden, metric, model="resnet18"):
    rows = golden[(golden.metric == metric) & (golden.model == model) & (golden.image != "")]
    return rows.groupby(["image", "method"]).score.mean().unstack("method")


def test_differences_are_larger_for_the_better_and_paired(golden):
    for metric in ("deletion", "insertion"):
        wide, sign = by_image(golden, metric), 1 if METRICS[metric][1] else -1
        rows = of(compare(golden, metric, "uniform"))
        d = sign * wide.sub(wide["uniform"], axis=0).drop(columns="uniform")
        np.testing.assert_allclose(rows.difference[d.columns], d.mean())
        np.testing.assert_allclose(rows.d_z[d.columns], d.mean() / d.std())
        np.testing.assert_allclose(rows.wins[d.columns], (d > 0).mean() + (d == 0).mean() / 2)
        assert (rows.low < rows.difference).drop("uniform").all() and np.isnan(rows.difference["uniform"])
        p = np.array([max(stats.ttest_1samp(d[name], 0).pvalue, 2.0 ** -(len(d) - 1)) for name in d])
        np.testing.assert_allclose(rows.p[d.columns], holm(p))
        assert set(rows.family) == {len(d.columns)} and set(rows.reference) == {"uniform"}
        means = sign * rows["mean"]
        assert (means.diff().dropna() <= 1e-12).all()


def test_the_best_was_chosen_so_all_pairs_are_the_family(golden):
    rows, board = of(compare(golden, "deletion")), leaderboard(golden, "deletion")
    board = board[board.model == "resnet18"].set_index("method")
    best = board["rank"][~board.control].idxmin()
    assert set(rows.reference) == {best} and set(rows.family) == {10 * 9 / 2}
    apart = rows.p < 0.05
    shares = pd.Series({name: bool(set(board.groups[name]) & set(board.groups[best])) for name in board.index})
    assert (apart == ~shares[apart.index])[apart.index != best].all()
    named = of(compare(golden, "deletion", best))
    assert (named.p <= rows.p[named.index] + 1e-12)[named.index != best].all() and (named.needed_in_family <= 99).any()
    np.testing.assert_allclose(named.low, rows.low[named.index])


def test_friedman_is_over_images(golden):
    rows, wide = of(compare(golden, "insertion")), by_image(golden, "insertion")
    assert rows.friedman.iloc[0] == pytest.approx(stats.friedmanchisquare(*wide.to_numpy().T).statistic)
    np.testing.assert_allclose(rows.mean_rank[wide.columns], wide.rank(axis=1, ascending=False).mean())


def test_repeated_seeds_are_no_images(golden):
    once = golden[golden.seed == 0]
    twice = compare(pd.concat([once, once.assign(seed=1)]), "deletion")
    columns = ["method", "low", "high", "p", "d_z", "needed", "friedman", "images"]
    pd.testing.assert_frame_equal(compare(once, "deletion")[columns], twice[columns])
    assert "seed_low" not in compare(once, "deletion")
    same = of(twice).dropna(subset="difference")
    np.testing.assert_allclose(same.seed_low, same.difference)


def test_single_seeds_are_shown(golden):
    rows = of(compare(golden, "deletion", "uniform"))
    each = [by_image(golden[golden.seed == k], "deletion") for k in (0, 1)]
    gaps = pd.concat([-(wide.sub(wide["uniform"], axis=0)).mean() for wide in each], axis=1).drop("uniform")
    np.testing.assert_allclose(rows.seed_low[gaps.index], gaps.min(axis=1))
    np.testing.assert_allclose(rows.seed_high[gaps.index], gaps.max(axis=1))
    assert "seeds" in text(compare(golden, "deletion"), 120)


def test_models_are_strata_of_the_same_images(golden):
    rows = of(compare(golden, "deletion", "uniform"), "all models")
    wide = pd.concat([by_image(golden, "deletion", model) for model in ("resnet18", "inception_v3")])
    wide = wide.groupby("image").mean().drop(columns="lrp_epsilon_plus")
    assert set(rows.images) == {12} and np.isnan(rows["mean"]["lrp_epsilon_plus"])
    np.testing.assert_allclose(rows["mean"][wide.columns], wide.mean())
    d = wide["uniform"] - wide["fem"]
    assert rows.d_z["fem"] == pytest.approx(d.mean() / d.std())


def test_pooled_blocks_need_every_model():
    one = pd.DataFrame({"a": [1.0, 2], "b": [3, np.nan]}, ["x", "y"])
    other = pd.DataFrame({"b": [5.0, 6], "c": [0.0, 0]}, ["y", "x"])
    found = pooled([one, other])
    assert found.loc["x", "b"] == 4.5 and found.isna().sum().sum() == 5 and list(found.index) == ["x", "y"]
    assert pooled([one, other.set_axis(["u", "v"])]).shape == (0, 3)


def test_what_is_undefined_is_left_out_and_said(golden):
    rows = of(compare(golden, "faithfulness_correlation"))
    assert np.isnan(rows.loc["constant", ["mean", "p", "mean_rank", "rank_low"]].astype(float)).all()
    assert rows.tested_methods.iloc[0] == 9
    some = compare(golden, "noise_stability_ssim")
    assert (of(some).n < 12).any() and "Undefined on some or all images:" in text(some, 120)
    law = compare(golden, "completeness")
    assert "friedman" not in law[law.model == "inception_v3"].dropna(axis=1, how="all")
    assert "Friedman needs three methods" in text(law, 120)
    nothing = compare(golden, "completeness", "uniform")
    assert "No differences: the reference has no score here" in text(nothing, 120)


def test_a_model_without_scores_has_rows():
    table = scores(("lrp_epsilon_plus",), ("deletion",), images=4)
    found = compare(table, "deletion")
    assert set(found.model) == {"resnet18", "inception_v3", "all models"} and blocks(table.head(0), "x").empty
    assert max(map(len, text(found, 80).splitlines())) <= 80
    latex(found)


def test_text_fits_and_has_the_numbers(golden):
    for metric in ("deletion", "pointing_game", "noise_stability_ssim"):
        table = compare(golden, metric)
        for width in (80, 100, 120):
            assert max(map(len, text(table, width).splitlines())) <= width
    row = of(compare(golden, "deletion")).loc["rise"]
    line = next(line for line in text(compare(golden, "deletion"), 120).splitlines() if line.startswith("rise"))
    assert f"{row.difference:+.2f}" in line and f"{row.d_z:+.2f}" in line and f" {row.needed:.0f} " in line


def test_latex_is_balanced(golden):
    printed = latex(compare(golden, "deletion"))
    assert printed.count("\\begin{") == printed.count("\\end{") == 6 and printed.isascii()
    assert printed.count("$") % 2 == 0
    for part in printed.split("\\begin{table*}")[1:]:
        columns = len(re.search(r"\\begin{tabular}{(l[r]+)}", part)[1])
        rows = part.split("\\midrule")[1].split("\\bottomrule")[0].strip().splitlines()
        assert len(rows) == 10 and all(row.count("&") == columns - 1 for row in rows)
        plain = re.sub(r"\$.*?\$", "", re.sub(r"\\label{.*}", "", part))
        assert not re.search(r"(?<!\\)[_%#^~<]", plain)


def test_command(tmp_path, golden, capsys):
    folder = write(tmp_path / "a", golden)
    assert main([str(folder), "deletion", "--to", "fem", "--model", "resnet18", "--csv"]) == 0
    printed = capsys.readouterr().out
    assert "deletion: shapes / resnet18: 12 images; lower is better" in printed and "inception" not in printed
    assert len(pd.read_csv(folder / "compare_deletion.csv")) == 10
    assert main([str(folder), "deletion", "--latex"]) == 0
    assert capsys.readouterr().out == (folder / "compare_deletion.tex").read_text()
    assert main([str(folder), "deletion", "--model", "all models"]) == 0
    assert "shapes / all models" in capsys.readouterr().out
    assert len(compare(collect(folder), "deletion")) == 30


@pytest.mark.parametrize("wrong", [["delection"], ["deletion", "--to", "nobody"], ["deletion", "--model", "vgg"]])
def test_errors_are_one_sentence(tmp_path, golden, capsys, wrong):
    folder = write(tmp_path / "a", golden)
    assert main([str(folder), *wrong]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and wrong[-1] in err
    assert main(["nowhere", "deletion"]) == 1


def test_neither_torch_nor_a_server_is_imported():
    code = ("import sys, results.compare, results.simulation; "
            "assert not {'torch', 'hydra', 'mlflow', 'omegaconf'} & set(sys.modules)")  # fmt: skip
    subprocess.run([sys.executable, "-c", code], cwd=GOLDEN.parents[2], check=True)
