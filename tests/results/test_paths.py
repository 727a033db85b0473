"""Tables and figures of paths, on sweeps that never ran, whose truth is known."""

import re
from itertools import pairwise, product

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text
from scipy import stats

from results import collect, paths
from results.paths import curves
from results.paths.__main__ import main
from results.paths.latex import latex
from results.paths.orders import orders
from results.paths.pictures import chance, safe
from results.paths.table import compared, layers, missing, named, rival, shares, table, whole
from results.paths.text import text
from tests.results import path_galleries, synthetic

# Agreement of the whole path, and error of its logits, by selector.
TRUTH = {
    "path_relevance": (0.95, 1.0), "path_gap": (0.8, 2.0), "path_beam": (0.9, 1.5),
    "path_forward_backward": (0.9, 1.25), "path_activation": (0.5, 4.0), "path_random": (0.1, 8.0),
    "path_activation_gap": (0.4, 5.0), "path_random_gap": (0.05, 9.0), "path_all": (1.0, 0.0),
}  # fmt: skip
METRICS = ("path_mse_shares", "path_smape_shares", "path_mse_logits", "path_smape_logits", "path_agreement")
SETTINGS = {"path_agreement": "fill=zero"}  # as the cells have them
UPPER = {"path_agreement": 1.0, "path_smape_shares": 200.0, "path_smape_logits": 200.0}
LAYERS = ("relu_2", "relu_10", "act1", "fc_relu")  # by depth, which is no order of names
SHARES = (0.05, 0.25, 0.5, 1.0)
CURVED = tuple(name for name in TRUTH if "gap" not in name and name != "path_all")


def sweep(methods=tuple(TRUTH), models=("vgg16",), images=40, variant="", layered=LAYERS) -> pd.DataFrame:
    """Draw a long table: `method.share` of the images are hits, errors differ by a constant on every image."""
    rng, parts = np.random.default_rng(0), []
    effect = rng.normal(0, 3, images)
    for model, method, (k, layer) in product(models, methods, enumerate(["", *layered])):
        rate, error = TRUTH[method]
        hits = (np.arange(images) < round((rate + (1 - rate) * k / 9) * images)).astype(float)
        if "random" in method:
            hits = np.clip(rate + 0.02 * rng.normal(size=images), 0, 1)
        values = {"path_agreement": hits, "path_mse_logits": error * (1 + k) + effect * bool(error)}
        for metric in METRICS:
            score = values.get(metric, 3 * error + effect * bool(error))
            parts.append(pd.DataFrame({
                "benchmark": "paths", "dataset": "shapes", "model": model, "method": method, "variant": variant,
                "group": "structure", "seed": 0, "image": [f"test/{i:05d}" for i in range(images)], "layer": layer,
                "kept": 0.25 if "gap" not in method else 0.1 * (k + 1), "metric": metric, "category": "path",
                "protocol": f"target=predicted {settings(metric)}", "version": 1,
                "lower_bound": 0.0, "upper_bound": UPPER.get(metric, np.inf),
                "higher_is_better": metric == "path_agreement", "predicted": np.arange(images) % 4 // 2,
                "score": score, "status": "ok", "reason": "",
                "weights": f"sha256:{model}",
            }))  # fmt: skip
    every = pd.concat(parts, ignore_index=True)
    return every.sort_values(["model", "method", "image"], kind="stable", ignore_index=True)


def settings(metric):
    return SETTINGS.get(metric, "of=logits fill=zero" if "logits" in metric else "of=shares fill=None")


def lines(scores: pd.DataFrame, methods=CURVED) -> pd.DataFrame:
    """Draw curves of the whole path: errors shrink with the share, agreement grows to 1."""
    parts = []
    for share in SHARES:
        ours = scores[(scores.layer == "") & scores.method.isin(methods)]
        error = ours.score * (1 - share)
        value = np.where(ours.metric == "path_agreement", np.where(share == 1, 1, ours.score), error)
        parts.append(ours.assign(fraction=share, value=value))
    return pd.concat(parts)[["dataset", "model", "method", "group", "image", "metric", "fraction", "value"]]


def write(folder, scores):
    """Write one folder per cell as a sweep does."""
    drawn = lines(scores)
    for (model, method, variant), cell in scores.groupby(["model", "method", "variant"]):
        place = folder / "shapes" / model / method / "seed_0" / variant
        place.mkdir(parents=True)
        cell.to_parquet(place / "scores.parquet", index=False)
        ours = drawn[(drawn.model == model) & (drawn.method == method)]
        ours[["image", "metric", "fraction", "value"]].to_parquet(place / "curves.parquet", index=False)
    return folder


@pytest.fixture(scope="module")
def rows():
    scores = sweep()
    return table(named(scores), lines(scores))


def one(rows, method, metric, **where):
    some = rows[(rows.method == method) & (rows.metric == metric)]
    for name, value in where.items():
        some = some[some[name] == value]
    assert len(some) == 1
    return some.iloc[0]


def test_differences_are_those_computed_by_hand(rows):
    ours = whole(rows)
    row = one(ours, "path_relevance", "path_mse_logits")
    assert row.over_activation == pytest.approx(4 - 1) and row.over_random == pytest.approx(8 - 1)
    row = one(ours, "path_relevance", "path_agreement")
    assert row["mean"] == 38 / 40 and row.over_activation == pytest.approx(18 / 40)  # larger is better, as for errors
    assert one(ours, "path_activation", "path_mse_logits").over_random == pytest.approx(4)
    assert np.isnan(one(ours, "path_activation", "path_mse_logits").over_activation)
    assert ours[ours.method.isin(["path_random", "path_all"])].over_random.isna().all()
    row = one(shares(rows), "path_beam", "path_mse_logits", share=0.25)
    assert row.over_activation == pytest.approx(0.75 * 2.5)
    row = one(layers(rows), "path_beam", "path_mse_logits", layer="act1")
    assert row.over_activation == pytest.approx(4 * 2.5) and row.kept == 0.25


def test_differences_are_paired_over_images(rows):
    """Images differ a lot, selectors by a constant: paired intervals have no width, unpaired ones overlap."""
    row, other = (one(whole(rows), m, "path_mse_logits") for m in ("path_relevance", "path_beam"))
    assert row.high > other.low
    assert (row.over_activation_low, row.over_activation_high) == pytest.approx((3, 3))
    assert row.over_activation_pairs == 40


def test_kept_is_of_the_images_of_the_scores():
    """A selector lacks half of the images: nothing of those counts, of no selector."""
    scores = named(sweep())
    left = scores.method.eq("path_random") & (scores.image >= "test/00020")
    more = scores.assign(kept=np.where(scores.image >= "test/00020", 0.9, scores.kept))[~left]
    ours = table(more, lines(more))
    assert ours.left_out.eq(20).all()
    assert one(whole(ours), "path_gap", "path_mse_logits").kept == pytest.approx(0.1)
    assert one(layers(ours), "path_beam", "path_agreement", layer="act1").kept == pytest.approx(0.25)


def test_gap_is_compared_with_controls_of_its_size(rows):
    row = one(whole(rows), "path_gap", "path_mse_logits")
    assert row.over_activation == pytest.approx(5 - 2) and row.over_random == pytest.approx(9 - 2)
    assert one(whole(rows), "path_activation_gap", "path_mse_logits").over_random == pytest.approx(4)
    assert row.kept == pytest.approx(0.1)
    assert not {"path_gap"} & {*shares(rows).method}


def test_intervals_against_formulas(rows):
    row = one(whole(rows), "path_relevance", "path_agreement")
    ci = stats.binomtest(38, 40).proportion_ci(method="wilson")
    assert (row.low, row.high) == pytest.approx((ci.low, ci.high))
    row = one(whole(rows), "path_relevance", "path_smape_logits")
    values = sweep().query("method == 'path_relevance' and metric == 'path_smape_logits' and layer == ''").score
    half = stats.t.ppf(0.975, 39) * values.std(ddof=1) / np.sqrt(40)
    assert row["mean"] == pytest.approx(values.mean())
    assert (row.low, row.high) == pytest.approx((values.mean() - half, values.mean() + half), rel=0.1)
    row = one(whole(rows), "path_random", "path_agreement")  # a mean over draws is no hit
    assert 0 < row.high - row.low < 0.02
    row = one(whole(rows), "path_all", "path_mse_logits")
    assert row.low == row.high == 0  # an error of 0 is no hit either


def test_layers_are_in_order_of_depth_and_seeds_are_averaged():
    scores = sweep(("path_relevance", "path_activation", "path_random"))
    twice = pd.concat([scores, scores.assign(seed=1, score=scores.score + 2)])
    rows = table(named(twice), lines(scores))
    assert list(dict.fromkeys(layers(rows).layer)) == list(LAYERS)
    row = one(whole(rows), "path_relevance", "path_mse_logits")
    single = one(whole(table(named(scores), lines(scores))), "path_relevance", "path_mse_logits")
    assert row["mean"] == pytest.approx(single["mean"] + 1) and row.seeds == 2 and row.n == 40


def test_undefined_scores_are_counted_and_left_out_of_pairs():
    scores = sweep(("path_relevance", "path_activation", "path_random"), layered=())
    gone = scores.metric.eq("path_mse_logits") & scores.method.eq("path_activation") & scores.image.lt("test/00010")
    scores.loc[gone, "score"] = np.nan
    rows = whole(table(named(scores), pd.DataFrame()))
    row = one(rows, "path_activation", "path_mse_logits")
    assert (row.n, row.undefined) == (30, 10)
    row = one(rows, "path_relevance", "path_mse_logits")
    assert row.over_activation == pytest.approx(3) and row.over_activation_pairs == 30 and row.over_random_pairs == 40
    scores.loc[scores.metric.eq("path_mse_logits") & scores.method.eq("path_random"), "score"] = np.nan
    row = one(whole(table(named(scores), pd.DataFrame())), "path_relevance", "path_mse_logits")
    assert np.isnan(row.over_random) and row.over_random_pairs == 0


def three(relevance, activation, random, n=60):
    """Return the rows of agreements with so many hits; `random` is the mean of some draws."""
    image = [f"{i}" for i in range(n)]
    hits = {"path_relevance": np.arange(n) < relevance, "path_activation": np.arange(n) < activation}
    keys = pd.MultiIndex.from_tuples([("", "path_agreement", m) for m in (*hits, "path_random")],
                                     names=["layer", "metric", "method"])  # fmt: skip
    spread = np.where(np.arange(n) % 2, 0.1, -0.1)
    values = pd.DataFrame(np.stack([*hits.values(), random / n + spread], 1).astype(float), image, keys)
    rows = compared(values, np.ones(3, dtype=bool), np.ones(3, dtype=bool)).reset_index()
    return rows.assign(causal=True, dataset="shapes", model="vgg16", share=0.25, kept=0.25)


@pytest.mark.parametrize(("hits", "order", "touching"), [
    ((57, 32, 7), "holds", ""),
    ((57, 52, 7), "touches", "relevance and activation"),
    ((57, 10, 7), "touches", "activation and random"),
    ((32, 32, 32), "touches", "relevance and activation, activation and random"),
    ((32, 57, 7), "reversed", ""),
    ((57, 7, 32), "reversed", ""),
])  # fmt: skip
def test_orders(hits, order, touching):
    found = orders(three(*hits))
    assert found.order.tolist() == [order] and found.touching.tolist() == [touching]
    row = found.iloc[0]
    assert row.relevance_over_activation == pytest.approx((hits[0] - hits[1]) / 60)
    assert row.activation_over_random == pytest.approx((hits[1] - hits[2]) / 60)


def test_order_without_intervals_is_unknown():
    assert orders(three(5, 2, 1, n=5)).order.tolist() == ["unknown"]


def test_orders_leave_out_shares_that_keep_everything(rows):
    found = orders(rows)
    assert set(found.metric) == {"path_agreement", "path_mse_logits", "path_smape_logits"}  # shares prove nothing
    assert set(found.share.dropna()) == {0.05, 0.25, 0.5} and set(found.layer) == {"", *LAYERS}
    assert found.order[found.metric.eq("path_agreement") & found.layer.eq("")].eq("holds").all()


def test_of_errors_the_smaller_are_better(rows):
    wide = orders(rows).query("metric == 'path_mse_logits' and layer == '' and share != share").iloc[0]
    assert wide.order == "holds" and wide.relevance < wide.activation and wide.relevance_over_activation > 0
    swapped = whole(rows).assign(layer="", share=np.nan)
    names = {"path_relevance": "path_random", "path_random": "path_relevance"}
    assert set(orders(swapped.assign(method=swapped.method.replace(names))).order) == {"reversed"}


def test_variants_are_compared_with_their_own_controls():
    known = ["path_activation [lrp=tutorial]", "path_random", "path_random_gap"]
    assert rival("path_relevance [lrp=tutorial]", "activation", known) == known[0]
    assert rival("path_relevance [lrp=tutorial]", "random", known) == "path_random"
    assert rival("path_relevance", "activation", known) is None
    assert rival("path_gap", "random", known) == "path_random_gap"
    methods = ("path_relevance", "path_activation", "path_random")
    scores = pd.concat(
        sweep(methods, variant=f"method.lrp={rule}", layered=()) for rule in ("tutorial", "epsilon_plus")
    )
    better = scores.variant.eq("method.lrp=tutorial") & scores.method.eq("path_activation")
    scores.loc[better & scores.metric.eq("path_mse_logits"), "score"] -= 1
    rows = whole(table(named(scores), pd.DataFrame()))
    gains = [one(rows, f"path_relevance [lrp={rule}]", "path_mse_logits").over_activation
             for rule in ("tutorial", "epsilon_plus")]  # fmt: skip
    assert gains == pytest.approx([2, 3])
    found = orders(rows.assign(layer="", share=np.nan)).query("metric == 'path_agreement'")
    assert sorted(found.variant) == ["lrp=epsilon_plus", "lrp=tutorial"]


def test_missing_controls_are_named():
    found = " ".join(missing(["path_relevance", "path_beam", "path_gap", "path_activation", "path_random_gap"]))
    assert "path_relevance, path_beam: no difference to path_random," in found
    assert "path_gap: no difference to path_activation_gap" in found
    assert "to path_activation," not in found and "path_random_gap," not in found


def test_a_model_to_which_no_selector_applies_is_left_out():
    scores = sweep(("path_relevance", "path_random"), layered=())
    refused = scores.head(1).assign(model="vit", image="", score=np.nan, status="inapplicable", reason="needs ReLUs")
    rows = table(named(pd.concat([scores, refused])), pd.DataFrame())
    assert set(rows.model) == {"vgg16"}
    with pytest.raises(ValueError, match="needs a selector that applies"):
        table(named(refused), pd.DataFrame())


def test_text_fits_and_says_what_numbers_mean(rows):
    printed = text(rows, 100, True)
    assert max(map(len, printed.splitlines())) <= 100
    flat = " ".join(printed.split())
    for promise in ("our reading of Bhati et al. 2024", "0 to 200", "0 where both are 0", "proves nothing",
                    "Only this tests the path causally", "checked: path_all keeps everything"):  # fmt: skip
        assert promise in flat
    assert re.search(r"path_relevance +0\.250 ", printed) and re.search(r"vgg16 +0\.25 .* holds", printed)
    assert printed.index("relu_2 ") < printed.index("relu_10 ") < printed.index("act1 ")
    assert "relu_10" not in text(rows, 100, False)


def test_path_all_that_is_not_the_network_is_told():
    scores = sweep(layered=())
    scores.loc[(scores.method == "path_all") & (scores.image == "test/00003"), "score"] = 0.5
    printed = text(table(named(scores), pd.DataFrame()), 110, False)
    assert "path_all keeps everything but is not the network: path_mse_logits 0.0125" in " ".join(printed.split())


def test_latex_is_balanced(rows):
    printed = latex(rows, True)
    assert printed.count("\\begin{") == printed.count("\\end{") and printed.isascii()
    for part in re.split(r"\\begin{(?:table\*|longtable)}", printed)[1:]:
        columns = len(re.search(r"{(lc+)}", part)[1])
        body = part.split("\\toprule")[-1].split("\\bottomrule")[0].splitlines()
        lines = [line for line in body if " & " in line]
        assert len(lines) > 1 and all(line.count("&") == columns - 1 for line in lines)
    assert not re.search(r"(?<!\\)[_%#]", re.sub(r"\\label{.*?}|^%.*", "", printed, flags=re.M))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write(
        tmp_path_factory.mktemp("sweep") / "a", sweep(models=("vgg16", "resnet18"), images=12, layered=LAYERS[:2])
    )


def test_main_prints_and_writes(folder, capsys):
    assert main([str(folder), "--csv"]) == 0
    printed = capsys.readouterr().out
    assert "shapes / resnet18" in printed and "by share kept" in printed and "each layer alone" not in printed
    found = pd.read_csv(folder / "paths_layers.csv")
    assert list(found.layer.unique()) == [*LAYERS[:2]] and len(found) == 2 * 2 * 5 * len(TRUTH)
    assert len(pd.read_csv(folder / "paths_shares.csv")) == 2 * 4 * 5 * len(CURVED)
    assert main([str(folder), "--latex", "--layers"]) == 0
    assert (folder / "paths.tex").read_text() == capsys.readouterr().out


def test_summary_is_the_head_of_what_is_printed(folder, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "90")
    main([str(folder)])
    assert capsys.readouterr().out.startswith(paths.summary(collect.stored(folder), 90))


@pytest.mark.parametrize(("make", "words"), [
    (lambda path: path / "none", "no such folder"),
    (lambda path: synthetic.write(path / "maps", synthetic.scores(("gradient",), ("deletion",), ("resnet18",), 3)
                                  .assign(benchmark="attribution")), "one of benchmark=attribution was given"),
    (lambda path: synthetic.write(path / "old", synthetic.scores(("gradient",), ("deletion",), ("resnet18",), 3)
                                  .assign(benchmark="paths")), "layer and kept"),
])  # fmt: skip
def test_errors_are_one_sentence(make, words, tmp_path, capsys):
    assert main([str(make(tmp_path))]) == 1
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1


def mine(scores: pd.DataFrame, protocol: str, **facts) -> pd.DataFrame:
    """Rename the agreement of paths to a metric that nobody knows."""
    facts = {"protocol": f"target=predicted {protocol}", "higher_is_better": True, **facts}
    return scores[scores.metric == "path_agreement"].assign(metric="mine", **facts)


def test_a_metric_that_nobody_knows_is_what_its_rows_say():
    scores = mine(sweep(layered=()), "of=logits radius=2")
    rows = table(named(scores), lines(scores))
    row = one(whole(rows), "path_relevance", "mine")
    ci = stats.binomtest(38, 40).proportion_ci(method="wilson")
    assert (row.low, row.high) == pytest.approx((ci.low, ci.high)) and row.over_activation == pytest.approx(0.45)
    assert (row.lower_bound, row.upper_bound) == (0, 1)
    found = orders(rows)
    assert {*found.metric} == {"mine"} and found.order[found.share.isna()].tolist() == ["holds"]
    printed = text(rows, 110, False)
    assert "mine ↑" in printed and "keeps everything" in printed and "checked" not in printed
    assert "MSE of logits need not fall" not in printed
    assert "mine" in latex(rows, False).replace("\\", "")
    figure = curves.curves(shares(rows), chance(scores, "shapes"))
    assert figure.axes[0].get_ylim() == (-0.02, 1.03) and curves.ANSWER not in written(figure)


@pytest.mark.parametrize(("protocol", "causal"), [
    ("target=predicted of=logits fill=zero", True), ("target=predicted of=logits", True),
    ("target=predicted of=shares fill=None", False), ("target=predicted fill=mean", True),
    ("target=predicted", False), ("target=predicted kernel=(1, 2) of=logits", True),
])  # fmt: skip
def test_what_tests_a_path_says_so(protocol, causal):
    scores = mine(sweep(layered=()), "").assign(protocol=protocol)
    assert set(table(named(scores), pd.DataFrame()).causal) == {causal}


def test_scores_of_0_and_1_without_these_bounds_are_no_hits():
    scores = mine(sweep(layered=()), "of=logits", upper_bound=np.inf)
    every = (scores, scores.drop(columns=["lower_bound", "upper_bound"]), scores.assign(upper_bound=1.0))
    free, silent, bounded = (one(whole(table(named(some), pd.DataFrame())), "path_relevance", "mine") for some in every)
    ci = stats.binomtest(38, 40).proportion_ci(method="wilson")
    assert (bounded.low, bounded.high) == pytest.approx((ci.low, ci.high))
    assert (silent.low, silent.high) == (free.low, free.high) != (bounded.low, bounded.high)


def test_few_images_have_no_intervals_and_no_columns_of_them(tmp_path, capsys):
    scores = sweep(("path_relevance", "path_activation"), images=4)
    assert main([str(write(tmp_path / "a", scores))]) == 0
    printed = capsys.readouterr().out
    flat = " ".join(printed.split())
    assert flat.count("Intervals need at least 6 images; there are 4") == 1 and "95 %" not in printed
    assert "path_relevance: no difference to path_random, which this model has no scores of" in flat
    for line in printed.splitlines():
        if re.match(r"path_relevance  |0\.25  ", line):
            assert " - " not in line + " " and ".." not in line
    assert "path_smape_shares ↓" in printed
    rows = table(named(scores), lines(scores))
    assert "95\\,\\%" not in latex(rows, True) and "\\tiny" not in latex(rows, True)
    for figure in (curves.curves(shares(rows), chance(scores, "shapes")), curves.layers(layers(rows))):
        assert not any("95 %" in label for label in written(figure))


def test_captions_say_what_is_never_compared_and_what_intervals_are(rows):
    for printed in (text(rows, 100, False), latex(rows, False)):
        flat = " ".join(printed.split())
        assert "Never compared: relevance with its own masked copy" in flat and "softmax outputs" in flat
    assert "MSE of logits need not fall as the share grows" in " ".join(text(rows, 100, False).split())
    assert latex(rows, False).count("95\\,\\%") > 5


def test_figures_show_every_selector(rows):
    scores = sweep(models=("vgg16", "resnet18", "inception_v3"), layered=())
    scores = scores[(scores.model != "inception_v3") | (scores.method != "path_random")]
    every = table(named(scores), lines(scores))
    figure = curves.curves(shares(every), chance(scores, "shapes"))
    fits(figure, 15)
    names = [label.get_text() for label in figure.legends[0].get_texts()]
    drawn = {line.get_label() for axes in figure.axes for line in axes.get_lines()}
    assert len(names) == len({*names}) and {*names} == {curves.short(m) for m in CURVED} | {curves.ANSWER}
    assert {*CURVED} <= drawn  # the last model lacks one, the legend does not
    assert any("95 %" in label for label in written(figure))
    line = next(line for line in figure.axes[0].get_lines() if line.get_label() == "path_relevance")
    means = shares(every).query("model == 'vgg16' and metric == 'path_mse_shares' and method == 'path_relevance'")
    np.testing.assert_allclose(line.get_ydata(), means["mean"])
    assert line.axes.get_xscale() == "log"
    ticks = [label.get_text() for label in figure.axes[12].get_xticklabels()]
    assert ticks == [".05", ".25", ".5", "1"]
    figure = curves.layers(layers(rows))
    fits(figure, 6)
    assert [tick.get_text() for tick in figure.axes[4].get_xticklabels()] == list(LAYERS)
    assert {"relevance", "gap", "random gap"} <= {*written(figure)} and "all" not in written(figure)


def test_a_metric_has_one_scale_for_all_models():
    scores = sweep(("path_relevance", "path_activation"), models=("vgg16", "resnet18"), layered=())
    ours = lines(scores)
    wide = ours.model.eq("resnet18") & ours.metric.eq("path_mse_logits")
    ours.loc[wide, "value"] = np.where(ours.fraction[wide] == 1, 1e-12, 1e4)
    figure = curves.curves(shares(table(named(scores), ours)), pd.Series(dtype=float))
    for left, right in np.array(figure.axes).reshape(-1, 2):
        assert left.get_yscale() == right.get_yscale() and left.get_ylim() == right.get_ylim()
    assert figure.axes[4].get_yscale() == "log" and figure.axes[4].get_ylim()[0] > 1e-3
    assert any("0 but for rounding" in label for label in written(figure))


def test_lines_that_coincide_are_within_each_other(rows):
    axes = curves.layers(layers(rows)).axes[5]  # the share kept
    width = {line.get_label(): line.get_linewidth() for line in axes.get_lines()}
    above = {line.get_label(): line.get_zorder() for line in axes.get_lines()}
    assert width["path_random"] > width["path_activation"] > width["path_beam"] > width["path_relevance"]
    assert above["path_random"] < above["path_activation"] < above["path_relevance"]


@pytest.mark.parametrize("many", [SHARES, (0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0)])
def test_numbers_of_shares_do_not_overlap(many):
    scores = sweep(("path_relevance", "path_activation"), models=("a", "b", "c"), layered=())
    some = pd.concat([lines(scores).query("fraction == 0.5").assign(fraction=share) for share in many])
    figure = curves.curves(shares(table(named(scores), some)), pd.Series(dtype=float))
    figure.draw_without_rendering()
    for axes in figure.axes[-3:]:
        boxes = [label.get_window_extent() for label in axes.get_xticklabels() if label.get_text()]
        assert len(boxes) == len(many) and all(a.x1 <= b.x0 for a, b in pairwise(boxes))


def test_many_models_are_several_figures(rows):
    some = [shares(rows).assign(model=f"net_{k}") for k in range(4)]
    assert [part.model.nunique() for part in curves.pages(pd.concat(some))] == [3, 1]


def test_figures_and_files_of_a_sweep(tmp_path):
    scores = sweep(("path_relevance", "path_activation"), images=6, layered=LAYERS[:2])
    folder = write(tmp_path / "a", scores[scores.metric == "path_agreement"])
    recon = {"recon_image": np.array(["image_1"]), "recon": np.ones((1, 1, 1, 2, 24, 24, 3), np.float16),
             "recon_layer": np.zeros((1, 1), int), "recon_channel": np.zeros((1, 1, 1), int),
             "recon_box": np.array([[[[0, 0, 5, 5]]]])}  # fmt: skip
    for file in folder.rglob("scores.parquet"):
        stored = path_galleries.gallery(path_galleries.CHAIN) | {"mask": np.zeros((2, 24, 24), bool)} | recon
        np.savez_compressed(file.with_name("gallery.npz"), **stored)
    stored = collect.stored(folder)
    assert [name for name, _ in paths.figures(folder, stored)] == [
        "curves_shapes", "layers_shapes_vgg16", "heatmaps_shapes_vgg16",
        "reconstructions_path_relevance_shapes_vgg16", "graph_path_relevance_shapes_vgg16",
    ]  # fmt: skip
    found = list(paths.files(folder, stored))
    assert [path.suffix for path in found] == [".graphml", ".json", ".html"] and all(path.exists() for path in found)
    assert {path.stem for path in found} == {"graph_path_relevance_shapes_vgg16"}  # controls have no files


def fits(figure, panels):
    assert figure.get_figwidth() <= 7 and figure.get_figheight() <= 9.5 and len(figure.axes) == panels
    assert min(label.get_size() for label in figure.findobj(Text) if label.get_text()) >= 6


def written(figure):
    figure.draw_without_rendering()
    return [label.get_text() for label in figure.findobj(Text)]


def test_one_fixed_answer_is_the_commonest_class():
    scores = sweep(("path_relevance",), layered=(), images=10).assign(predicted=[0] * 7 * 5 + [1] * 3 * 5)
    assert chance(scores, "shapes").to_dict() == {"vgg16": 0.7}
    assert safe("path_relevance [lrp=tutorial]") == "path_relevance--lrp=tutorial"
