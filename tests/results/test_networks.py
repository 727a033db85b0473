"""Networks compared: which images, which blocks, numbers by hand, and what is said of curves that do not fall."""

import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text
from scipy import stats

from results import networks
from results.collect import stored
from results.networks.__main__ import main
from results.networks.gathered import compared
from results.networks.latex import latex
from results.networks.measures import BLOCKS, radius
from results.networks.table import middle, notices, rises, table
from results.networks.text import summary
from results.networks.within import spearman, within
from results.statistics import wilson
from tests.results import synthetic_networks as synthetic

THREE = synthetic.THREE
WRONG = ["test/00000", "test/00001"]  # for vgg16 and for resnet18


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return synthetic.write(tmp_path_factory.mktemp("sweep") / "a", synthetic.scores())


@pytest.fixture(scope="module")
def scores(folder):
    return stored(folder)


@pytest.fixture(scope="module")
def ours(scores):
    (found,) = compared(scores)
    return found


@pytest.fixture(scope="module")
def rows(ours):
    return table(ours).set_index(["block", "method", "metric", "network"]).sort_index()


@pytest.fixture(scope="module")
def figures(folder, scores):
    return dict(networks.figures(folder, scores))


def one(cells: pd.DataFrame, network: str, method: str, metric: str) -> pd.Series:
    mine = cells[(cells.model == network) & (cells.method == method) & (cells.metric == metric)]
    return mine.set_index("image").score.sort_index()


def kept(series: pd.Series) -> pd.Series:
    """Scores of the images that all networks have right."""
    return series.drop(WRONG)


def rewritten(folder, lines, table=None):
    """A sweep with other curves."""
    return stored(synthetic.write(folder, synthetic.scores() if table is None else table, lines))


def test_only_images_that_all_networks_have_right(ours):
    assert not set(WRONG) & set(ours.images) and (len(ours.images), ours.left_out, ours.unscored) == (22, 2, 0)
    assert all(list(m.values.index) == ours.images for m in ours.measures if m.metric != "clean_accuracy")


def test_clean_accuracy_is_over_all_images(rows):
    clean = rows.loc[("robustness", "", "clean_accuracy")]
    assert clean["mean"].to_dict() == {"inception_v3": 1, "resnet18": 23 / 24, "vgg16": 23 / 24}
    low, high = wilson(np.array(23 / 24), np.array(24))
    np.testing.assert_allclose(clean.loc["vgg16", ["low", "high"]].astype(float), [low, high])
    assert (clean.n == 24).all() and (clean.images == 22).all()


def test_an_image_that_a_network_was_not_scored_on_is_left_out(scores):
    some = scores[~((scores.model == "vgg16") & (scores.image == "test/00007"))]
    (found,) = compared(some)
    assert "test/00007" not in found.images and (found.left_out, found.unscored) == (3, 1)
    assert "1 of them not scored on every network" in summary(some, 110)


def test_network_metrics_are_means_over_common_images(scores, rows):
    for metric, block in (("clever_l2", "robustness"), ("logit_trace", "metric-induced")):
        for network in THREE:
            truth = kept(one(scores, network, "grad_cam", metric))
            found = rows.loc[(block, "", metric, network)]
            np.testing.assert_allclose(found["mean"], truth.mean(), rtol=1e-12)
            half = stats.t.ppf(0.975, 21) * truth.std() / np.sqrt(22)
            np.testing.assert_allclose([found["mean"] - found.low, found.high - found["mean"]], half, rtol=0.25)


def test_intervals_share_their_draws(scores):
    """One network's scores shifted by a constant have that interval shifted by it."""
    twin = scores[scores.model == "vgg16"].assign(model="twin")
    twin["score"] = twin.score.where(twin.metric != "clever_l2", twin.score + 1)
    (found,) = compared(pd.concat([scores, twin]))
    clever = table(found).query("metric == 'clever_l2'").set_index("network")
    np.testing.assert_allclose(clever.loc["twin", ["low", "high"]].astype(float) - 1,
                               clever.loc["vgg16", ["low", "high"]].astype(float))  # fmt: skip


def test_robust_accuracy_at_a_radius_is_a_share_with_wilsons_interval(ours, rows):
    distance = synthetic.NETWORKS["resnet18"] * synthetic.distances(24)[2:]
    found = rows.loc[("robustness", "", "pgd_linf", "resnet18")]
    at = found[np.isclose(found["at"], 4 / 255)].iloc[0]
    assert at["mean"] == (distance > 4).mean() and 0 < at["mean"] < 1
    np.testing.assert_allclose([at.low, at.high], wilson(at["mean"], np.array(22)))
    area = found[found["at"].isna()].iloc[0]
    np.testing.assert_allclose(area["mean"], synthetic.area(synthetic.robust(distance, "linf"), "linf").mean())
    assert 0.0 not in found["at"].tolist()  # right there by choice
    assert found[found["at"].notna()].unit.unique() == ["share of images"]


def test_a_minimal_attack_that_fails_is_no_robustness_of_0(scores, rows):
    truth = kept(one(scores, "inception_v3", "uniform", "empirical_robustness"))
    found = rows.loc[("robustness", "", "empirical_robustness", "inception_v3")]
    success = rows.loc[("robustness", "", "attack_success", "inception_v3")]
    assert (found.n, found.undefined) == (truth.count(), truth.isna().sum()) and found.undefined > 0
    np.testing.assert_allclose([found["mean"], success["mean"]], [truth.mean(), truth.notna().mean()])
    assert not success.higher_is_better and success.n == 22
    assert f"empirical_robustness of inception_v3 ({found.undefined})" in summary(scores, 110)


def test_gap_to_the_random_map_is_paired_and_larger_for_the_better(scores, rows):
    for metric, sign in (("deletion", -1), ("insertion", 1), ("average_drop", -1)):
        for network in THREE:
            gap = kept(sign * (one(scores, network, "grad_cam", metric) - one(scores, network, "uniform", metric)))
            found = rows.loc[("map-induced", "grad_cam", metric, network)]
            np.testing.assert_allclose(found["mean"], gap.mean(), rtol=1e-9)
            assert found.higher_is_better and 0.2 < found["mean"] < 0.4
            # Unpaired, the interval would be that of the random map's scores, too.
            unpaired = np.hypot(*(kept(one(scores, network, m, metric)).std() for m in ("grad_cam", "uniform")))
            assert found.high - found.low < 0.6 * 2 * 1.96 * unpaired / np.sqrt(22)
    assert "uniform" not in rows.loc["map-induced"].index.get_level_values("method")


def test_a_gap_needs_both_scores(scores):
    lost = (scores.model == "vgg16") & (scores.metric == "insertion")
    lost &= ((scores.method == "uniform") & (scores.image == "test/00005")) | (
        (scores.method == "grad_cam") & (scores.image == "test/00006")
    )
    (found,) = compared(scores.assign(score=scores.score.mask(lost)))
    gaps = table(found).query("metric == 'insertion' and network == 'vgg16'").set_index("method").n
    assert gaps.to_dict() == {"grad_cam": 20, "integrated_gradients": 21}


def test_kept_and_changed_predictions_stay_apart(scores, rows):
    for network in THREE:
        counts = []
        for when in ("kept", "changed"):
            truth = kept(one(scores, network, "grad_cam", f"attacked_ssim_{when}"))
            found = rows.loc[("attack-induced", "grad_cam", f"attacked_ssim_{when}", network)]
            np.testing.assert_allclose(found["mean"], truth.mean())
            counts.append(found.n)
        assert sum(counts) == 22 and min(counts) > 0
    said = summary(scores, 200)
    assert said.index("attack-induced, prediction kept") < said.index("attack-induced, prediction changed")
    assert not re.search(r"(?m)^attacked.*_(kept|changed)", said)


def test_blocks_are_never_merged(rows):
    found = rows.reset_index().groupby("metric").block.nunique()
    assert (found == 1).all() and set(rows.index.get_level_values("block")) == set(BLOCKS)
    assert not any("induced" in metric or "mean" in metric for metric in found.index)


def test_seeds_are_no_images(scores, rows):
    more = scores.assign(seed=1, score=scores.score + (scores.metric == "clever_l2") * 2.0)
    (found,) = compared(pd.concat([scores, more]))
    clever = table(found).query("metric == 'clever_l2'").set_index("network")
    assert (clever.n == 22).all()
    np.testing.assert_allclose(clever["mean"], rows.loc[("robustness", "", "clever_l2")]["mean"] + 1)


def test_rank_and_who_cannot_be_told_from_the_best(rows):
    clever = rows.loc[("robustness", "", "clever_l2")]
    assert clever["rank"].to_dict() == {"inception_v3": 1, "resnet18": 2, "vgg16": 3}
    assert clever.best.to_dict() == {"inception_v3": True, "resnet18": False, "vgg16": False}
    assert rows.loc[("robustness", "", "loss_gradient")]["rank"].to_dict()["vgg16"] == 3
    assert rows.loc[("map-induced", "grad_cam", "deletion")].best.all()  # all of the same quality


def test_scores_that_depend_on_the_method_are_refused(scores):
    other = (scores.method == "grad_cam") & (scores.metric == "fgsm_l2") & (scores.model == "vgg16")
    said = r"whatever the method; fgsm_l2 of test/000\d\d on vgg16 is .* with grad_cam and .* with "
    with pytest.raises(ValueError, match=said.replace("grad_cam", r"\w+")):
        list(compared(scores.assign(score=scores.score * np.where(other, 1 + 1e-5, 1))))
    list(compared(scores.assign(score=scores.score * np.where(other, 1 + 1e-8, 1))))
    gone = other & (scores.image == "test/00009")
    with pytest.raises(ValueError, match=r"fgsm_l2 of test/00009 on vgg16 is .* nan with grad_cam"):
        list(compared(scores.assign(score=scores.score.mask(gone))))
    failed = scores.assign(score=scores.score.mask(other), status=scores.status.mask(other, "failed"))
    (found,) = compared(failed.assign(reason=failed.reason.mask(other, "MemoryError")))
    assert "fgsm_l2 failed on vgg16 with grad_cam: MemoryError" in found.reasons
    assert found.find("fgsm_l2").values["vgg16"].notna().all()  # other cells have it


def test_a_rise_of_one_image_is_said(tmp_path, ours):
    assert not [line for line in rises(ours) if line.startswith("Not monotone")]
    lines, image = synthetic.curves(synthetic.scores()), ours.images[0]
    mine = (lines.model == "vgg16") & (lines.metric == "pgd_l2")
    lines.loc[mine, "value"] = (lines.fraction < 0.4).astype(float)  # all images fall together ...
    lines.loc[mine & (lines.image == image) & (lines.fraction == 2), "value"] = 1  # ... and one comes back
    (found,) = compared(rewritten(tmp_path / "b", lines))
    (said,) = [line for line in rises(found) if line.startswith("Not monotone")]
    assert said == ("Not monotone: robust accuracy of vgg16 under pgd_l2, from 0 at 1 to 0.0455 at 2 "
                    "(1 image right again).")  # fmt: skip
    other = ours.images[1]  # a rise that the mean hides, since another image falls
    lines.loc[mine & (lines.image == other) & (lines.fraction <= 1), "value"] = 1
    (found,) = compared(rewritten(tmp_path / "c", lines))
    assert [line for line in rises(found) if "from 0.0455 at 1 to 0.0455 at 2 (1 image right again)" in line]


def test_an_accuracy_that_does_not_end_at_0_is_said(tmp_path):
    lines = synthetic.curves(synthetic.scores())
    end = (lines.model == "resnet18") & (lines.metric == "fgsm_linf")
    lines.loc[end, "value"] = 1.0
    (found,) = compared(rewritten(tmp_path / "b", lines))
    said = "Not 0 at the end: robust accuracy of resnet18 under fgsm_linf is 1 at the largest radius, 16/255."
    assert said in list(notices(found))


def test_input_sizes_that_differ_are_said_and_old_rows_have_none(scores, ours):
    (said,) = [line for line in notices(ours) if line.startswith("Warning: input sizes differ")]
    assert "inception_v3 299" in said and "clever_l2" in said and "clever_linf" not in said
    for cells in (scores.drop(columns="input_size"), scores.assign(input_size=224)):
        (found,) = compared(cells)
        assert not any("input sizes" in line for line in notices(found))


def test_what_is_missing_is_said(scores):
    (few,) = compared(scores[scores.image.isin(["test/00002", "test/00003", "test/00004"])])
    assert "No intervals: they need 6 images, and there are 3." in list(notices(few))
    assert table(few)[["low", "high"]].isna().all(axis=None)
    cell = (scores.model == "vgg16") & (scores.method == "grad_cam")
    gone = scores[cell].head(1).assign(image="", score=np.nan, status="inapplicable", reason="no last convolution")
    (found,) = compared(pd.concat([scores[~cell], gone]))
    assert "grad_cam on vgg16: no last convolution" in found.reasons
    empty = table(found).query("method == 'grad_cam' and network == 'vgg16'")
    assert (empty.n == 0).all() and empty["mean"].isna().all() and not empty.best.any()


def test_one_network_has_no_place(folder, scores):
    alone = scores[scores.model == "vgg16"]
    said = summary(alone, 110)
    assert "1 networks" not in said and not re.search(r"\d\*", said) and "networks classify correctly;" not in said
    assert "no figure of all blocks" in said
    assert not [name for name, _ in networks.figures(folder, alone) if name.startswith("blocks")]
    assert "Best network bold" not in latex(alone) and "textbf" not in latex(alone)


def test_one_metric_of_one_method_without_random_maps_is_printed(folder, scores):
    some = scores[(scores.method == "grad_cam") & (scores.metric == "deletion")]
    (found,) = compared(some)
    row = table(found).query("metric == 'deletion' and network == 'resnet18'").iloc[0]
    np.testing.assert_allclose(row["mean"], kept(one(scores, "resnet18", "grad_cam", "deletion")).mean())
    assert not row.higher_is_better and row.what == "score" and row.unit == ""
    said = " ".join(summary(some, 110).split())
    assert "the gap to the random map needs the control method=uniform, and this sweep has none" in said
    assert "robustness: clean accuracy only" in said and "attack-induced: empty" in said
    assert "gap to the random map." not in said and "deletion grad_cam lower" in said
    assert not [name for name, _ in networks.figures(folder, some) if name.startswith(("within", "robust"))]


def test_random_maps_alone_have_no_gap(scores):
    (found,) = compared(scores[scores.method == "uniform"])
    assert any("no method beside the control uniform" in reason for reason in found.reasons)


def test_a_name_of_the_users_own_decides_nothing(tmp_path):
    """An attack is known by its curve, its norm and what it keeps by the protocol; no unit is guessed."""
    names = {"pgd_linf": "strong", "clever_linf": "clever_of_mine", "fisher_radius": "fisher_reach",
             "attacked_ssim_kept": "alike", "fgsm_l2": "step_linf"}  # fmt: skip
    renamed = synthetic.scores().assign(metric=lambda cells: cells.metric.replace(names))
    lines = synthetic.curves(synthetic.scores())
    lines.loc[lines.metric == "pgd_linf", "value"] = 1.0
    own = rewritten(tmp_path / "b", lines.assign(metric=lines.metric.replace(names)), renamed)
    (found,) = compared(own)
    assert set(found.attacks()) == {"fgsm_linf", "step_linf", "strong", "pgd_l2"}
    assert "strong area" in [m.label for m in found.measures] and "strong at 4/255" in [m.label for m in found.measures]
    assert "step_linf at 0.25" in [m.label for m in found.measures]  # plain lengths, whatever the name
    unit = {m.metric: m.unit for m in found.measures}
    assert unit["strong"] == "share of images" and {unit[m] for m in ("clever_of_mine", "fisher_reach", "alike")} == {
        ""
    }
    assert next(m.part for m in found.measures if m.metric == "alike") == "prediction kept"
    said = list(notices(found))
    assert "Not 0 at the end: robust accuracy of vgg16 under strong is 1 at the largest radius, 16/255." in said
    assert [line for line in said if line.startswith("Warning: input sizes differ") and "fisher_reach" in line]
    figure = dict(networks.figures(tmp_path / "b", own))["robust_accuracy_shapes"]
    titles = [axes.get_title() for axes in figure.axes]
    assert "strong, L$_\\infty$" in titles and "step linf, L$_2$" in titles and "PGD, L$_2$" in titles


def test_medians_stand_beside_means_of_what_has_heavy_tails(ours, scores, rows):
    x = np.random.default_rng(0).lognormal(0, 9, 22)
    low, high = stats.quantile_test(x, p=0.5).confidence_interval(0.95)
    np.testing.assert_allclose(middle(np.append(x, np.nan)), [np.median(x), low, high])
    assert np.isnan(middle(x[:5])[1:]).all() and middle(x[:6])[1:] == (x[:6].min(), x[:6].max())
    found = rows.loc[("metric-induced", "", "fisher_trace", "vgg16")]
    np.testing.assert_allclose(found["median"], kept(one(scores, "vgg16", "uniform", "fisher_trace")).median())
    said = summary(scores, 110)
    assert re.search(r"fisher_trace median +lower +\S+e-06 ", said) and "read the logit rows first" in " ".join(
        said.split()
    )
    assert "clever_l2 median" not in said and "fisher\\_trace median" in latex(scores)


def test_small_numbers_are_not_written_as_0(scores):
    tails = scores.assign(score=scores.score.mask((scores.metric == "fisher_trace") & (scores.model == "vgg16"), 0.2))
    line = next(line for line in summary(tails, 200).splitlines() if line.startswith("fisher_trace "))
    assert "2.00e-01" in line and len(re.findall(r"e-0[56]\b", line)) >= 2


def test_errors_are_one_sentence(tmp_path, scores, capsys):
    assert main([str(tmp_path / "nothing")]) == 1
    assert "there is no such folder" in capsys.readouterr().err
    place = tmp_path / "maps" / "cell"
    place.mkdir(parents=True)
    scores.drop(columns="folder").assign(benchmark="attribution").to_parquet(place / "scores.parquet")
    assert main([str(tmp_path / "maps")]) == 1
    assert capsys.readouterr().err == (
        "results.networks needs a sweep of benchmark=networks; one of benchmark=attribution was given\n"
    )
    place = tmp_path / "maps" / "other"
    place.mkdir(parents=True)
    one_method = scores[scores.method == "uniform"].drop(columns="folder")
    one_method.assign(method="other").to_parquet(place / "scores.parquet")
    assert main([str(tmp_path / "maps")]) == 1
    assert "one kind of benchmark; attribution and networks were found" in capsys.readouterr().err
    with pytest.raises(ValueError, match="all of them classify correctly; shapes has none"):
        summary(scores.assign(predicted=99), 110)


@pytest.mark.parametrize("width", [70, 120])
def test_text_fits_the_terminal(scores, width):
    assert max(map(len, networks.summary(scores, width).splitlines())) <= width


def test_command_writes_tables(folder, capsys):
    assert main([str(folder), "--csv"]) == 0
    assert "22 images that all 3 networks classify correctly; 2 left out" in " ".join(capsys.readouterr().out.split())
    written = pd.read_csv(folder / "networks.csv")
    assert {"network", "block", "method", "metric", "mean", "low", "high", "n", "undefined", "unit"} <= set(written)
    assert len(pd.read_csv(folder / "networks_within.csv")) == 3 * 2 * 3
    assert main([str(folder), "--latex"]) == 0
    assert (folder / "networks.tex").read_text() == capsys.readouterr().out


def test_figures_bring_no_tables(folder, scores):
    assert not list(networks.files(folder, scores))  # the command writes them


def test_latex_is_balanced(scores, tmp_path):
    printed = latex(scores)
    text = re.sub(r"(?m)^%.*$", "", printed)
    assert text.count("\\begin{table*}") == text.count("\\end{table*}") == 6
    assert text.count("{") == text.count("}")
    assert not re.search(r"(?<!\\)[_%#]", text.replace("\\label{", "").split("\\label")[0])
    for body in re.findall(r"(?s)\\midrule\n(.*?)\\bottomrule", text):
        assert {len(re.findall(r"(?<!\\)&", line)) for line in body.strip().splitlines()} == {3}
    assert re.search(r"clever\\_l2 \$\\uparrow\$ & [^&]*\\textbf\{0\.391\}", text)
    if shutil.which("pdflatex"):
        head = "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\n"
        (tmp_path / "a.tex").write_text(f"{head}{printed}\n\\end{{document}}")
        command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "a.tex"]
        run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert run.returncode == 0 or "not found" in run.stdout, run.stdout[-500:]


def test_correlations_within_networks(scores, ours):
    found = within(ours).set_index(["network", "method", "interpretability"])
    x = kept(one(scores, "vgg16", "uniform", found.robustness.iloc[0]))
    y = kept(one(scores, "vgg16", "grad_cam", "insertion") - one(scores, "vgg16", "uniform", "insertion"))
    row = found.loc[("vgg16", "grad_cam", "insertion")]
    np.testing.assert_allclose(row.rho, stats.spearmanr(x, y).statistic)
    assert row.rho > 0.5 and row.low > 0 and row.n == 22  # both grow with the distance to the boundary
    partly = found.loc[("vgg16", "grad_cam", "attacked_spearman_kept")]
    both = kept(one(scores, "vgg16", "grad_cam", "attacked_spearman_kept")).dropna()
    np.testing.assert_allclose(partly.rho, stats.spearmanr(x[both.index], both).statistic)
    assert partly.n == len(both) < 22


def test_a_correlation_has_ties_an_interval_and_is_undefined_of_constants():
    rng = np.random.default_rng(0)
    names = [f"{k:03d}" for k in range(200)]
    x = pd.Series(rng.normal(size=200).round(1), names)
    y = pd.Series((0.5 * x + rng.normal(size=200)).round(1), names)
    found = spearman(x, y)
    np.testing.assert_allclose(found["rho"], stats.spearmanr(x, y).statistic)
    half = 1.96 * np.sqrt((1 + found["rho"] ** 2 / 2) / 197)  # of Fisher's z [Bonett and Wright 2000]
    expected = np.tanh(np.arctanh(found["rho"]) + half * np.array([-1, 1]))
    np.testing.assert_allclose([found["low"], found["high"]], expected, atol=0.03)
    assert np.isnan(spearman(x, y * 0 + 1)["rho"]) and np.isnan(spearman(x[:5], y[:5])["low"])


def test_radii_are_read_in_255ths():
    given = 1 / 255, 0.003922, 0.0039, 0.0157, 0.1255, 0.251, 0.1
    said = ["1/255", "1/255", "0.0039", "0.0157", "0.1255", "0.251", "0.1"]  # .0039 is not 1/255
    assert [radius("linf", at) for at in given] == said
    assert [radius("linf", float(np.float32(at))) for at in given] == said
    assert radius("l2", 4 / 255) == "0.01569" and radius("", 3.0) == "3"


def test_figures(figures):
    found = figures
    methods = ("grad_cam", "integrated_gradients")
    kinds = {f"{kind}_{method}_shapes" for kind in ("blocks", "within", "attacked") for method in methods}
    assert set(found) == kinds | {"robust_accuracy_shapes"}
    for name, figure in found.items():
        figure.canvas.draw()
        width, height = figure.get_size_inches()
        assert width == 7 and height <= 9.5, name
        texts = [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]
        assert min(text.get_size() for text in texts) >= 6, name
    said = " ".join(text.get_text() for text in found["within_grad_cam_shapes"].findobj(Text))
    assert "Across 3 networks a correlation cannot be tested (n = 3: smallest two-sided exact p = .33)" in said
    assert len(found["within_grad_cam_shapes"].axes) == 9 and "n 22" in said
    lines = found["robust_accuracy_shapes"].axes[0].lines
    assert len(lines) == 3 and len({line.get_linestyle() for line in lines}) > 1
    assert len({line.get_marker() for line in lines}) == 3
    np.testing.assert_array_equal(lines[0].get_xydata()[0], [0, 1])


def words(figure) -> str:
    return " ".join(text.get_text() for text in figure.findobj(Text))


def test_captions_promise_what_is_drawn(folder, scores, figures):
    assert "bands: 95 % intervals" in words(figures["robust_accuracy_shapes"])
    assert "Bars: 95 % intervals" in words(figures["blocks_grad_cam_shapes"])
    few = dict(networks.figures(folder, scores[scores.image.isin([f"test/{k:05d}" for k in range(2, 7)])]))
    assert not any(name.startswith("within") for name in few)
    for name, figure in few.items():
        assert "95 %" not in words(figure) and "interval" not in words(figure), name


def test_correlations_of_few_images_are_left_out(folder, scores):
    lost = (scores.model == "vgg16") & (scores.metric == "attacked_spearman_kept")
    figure = dict(networks.figures(folder, scores.assign(score=scores.score.mask(lost))))["within_grad_cam_shapes"]
    empty = [axes for axes in figure.axes if not axes.lines]
    assert (
        len(empty) == 1 and "n 0: too few" in words(figure) and "Empty: fewer than 6 images have both." in words(figure)
    )
    lost = scores.model == "vgg16"
    figure = dict(networks.figures(folder, scores.assign(score=scores.score.mask(lost & scores.metric.isin(
        ("attacked_spearman_kept", "insertion", "deletion"))))))["within_grad_cam_shapes"]  # fmt: skip
    assert len(figure.axes) == 6 and "no panel would have points: vgg16" in words(figure)


def test_numbers_far_apart_have_a_logarithmic_scale(folder, scores):
    tails = scores.score.where(~scores.metric.isin(["fisher_trace"]), 10.0 ** -scores.image.str[-2:].astype(int))
    found = dict(networks.figures(folder, scores.assign(score=tails)))["blocks_grad_cam_shapes"]
    assert "fisher trace median ↓, log" in words(found) or "fisher trace ↓, log" in words(found)
    assert "log: a logarithmic scale" in words(found)


def test_attacked_images_are_those_that_all_networks_have_right(figures):
    """Of the four stored images two are wrong for some network: two are drawn, one of them with a frame per network."""
    (axes,) = figures["attacked_grad_cam_shapes"].axes
    assert len(axes.images) == 3 * 2 * 4 and len(axes.patches) == 3


def test_without_curves_and_galleries_there_is_a_table_still(scores):
    bare = scores.drop(columns="folder")
    assert next(networks.figures(None, bare))[0] == "blocks_grad_cam_shapes"  # no robust accuracy before it
    assert set(networks.tables(bare)) == {"", "_within"}
