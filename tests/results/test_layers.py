"""Tables and figures of layers, on sweeps that never ran: numbers against literal loops, names matched by hand."""

import json
from argparse import Namespace
from itertools import combinations_with_replacement
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from results import layers, tables
from results.layers import filters, predictions, reading, training
from results.layers.decisions import decided
from tests.results import synthetic
from tests.results.synthetic import OPTIONS

LAYERS = ("act1", "layer1.0", "layer2.0", "pre_logits.act")
FILTERS = {"conv1": 4, "layer1.0.conv1": 6, "layer1.0.conv2": 6, "layer2.0.conv1": 8, "pre_logits.fc": 10}
IMAGES, CLASSES = 24, 3
IMAGE = synthetic.names(IMAGES)
LABEL = np.arange(IMAGES) % CLASSES
PREDICTED = np.where(np.arange(IMAGES) < 3, (LABEL + 1) % CLASSES, LABEL)  # three images are wrong
PROBES = {"linear": 0.9, "knn": 0.7, "shuffled_labels": 0.0, "untrained": 0.3}  # of the last layer, above chance
METHODS = {"ablation_zero": 2.0, "taylor": 1.0, "random": 0.0}  # how steep the removal curve falls
CONTROLS = ("shuffled_labels", "untrained", "random", "gaussian")
FRACTIONS = np.linspace(0, 1, 6)
PAIRS = [*combinations_with_replacement(LAYERS, 2)]


def settings(epoch) -> str:
    return json.dumps({"epoch": epoch, "fit.epochs": [1, 2]})


def rows(score, metric, higher, *, images=IMAGE, part="", epoch=None, **columns) -> dict[str, object]:
    """Return the columns of some rows, those of one value as a single one; scores of images know their classes."""
    classes = {"label": LABEL, "predicted": PREDICTED} if images is IMAGE else {"label": 1, "predicted": 1}
    own = {"score": np.ravel(score), "metric": metric, "higher_is_better": higher, "images": images, "part": part}
    return {"upper_bound": 1.0, "target": 1} | classes | own | {"epoch": epoch} | columns


def of_no_image(values: dict, metric: str, higher=True, **columns) -> dict[str, object]:
    """Return the columns of one row per part."""
    return rows([*values.values()], metric, higher, images="", part=[*values], **columns)


def joined(parts: list[dict[str, object]]) -> pd.DataFrame:
    sizes = [len(part["score"]) for part in parts]
    each = {n: [np.broadcast_to(p[n], k) for p, k in zip(parts, sizes, strict=True)] for n in parts[0]}
    own = {name: np.concatenate(values).tolist() for name, values in each.items()}
    made = {epoch: (settings(epoch), synthetic.digest(epoch)) for epoch in dict.fromkeys(own["epoch"])}
    own["model_settings"], own["weights"] = zip(*map(made.get, own.pop("epoch")), strict=True)
    own["group"] = np.where(np.isin(own["entry"], CONTROLS), "control", "structure")
    return synthetic.rows(own.pop("score"), category="layer", kind="layers", folder="nowhere", **own)


def sweep(epochs=(None,), groups=("probe", "importance", "representation")) -> pd.DataFrame:
    """Return scores of every metric; what is fitted longer is better."""
    rng, parts = np.random.default_rng(0), []
    for epoch in epochs:
        skill = 1.0 if epoch is None else epoch / 4
        for entry, above in PROBES.items() if "probe" in groups else ():
            about, heard = {"entry": entry, "epoch": epoch}, rng.random((len(LAYERS), IMAGES))
            for k, layer in enumerate(LAYERS):
                sure = 1 / CLASSES + above * skill * (k + 1) / len(LAYERS) * 2 / 3
                parts.append(rows(heard[k] < sure, "layer_accuracy", True, part=layer, upper_bound=1.0, **about))
                parts.append(rows(sure * heard[k], "layer_probability", True, part=layer, **about))
            depth = rng.integers(1, len(LAYERS) + 2, IMAGES)
            parts.append(rows(depth, "decision_depth", False, upper_bound=np.inf, **about))
            parts.append(rows(np.where(LABEL == PREDICTED, np.nan, depth), "divergence", False, **about))
            parts.append(of_no_image({layer: k / 10 for k, layer in enumerate(LAYERS)}, "selectivity", **about))
        for entry, steep in METHODS.items() if "importance" in groups else ():
            about, noise = {"entry": entry, "epoch": epoch}, rng.normal(0, 0.02, IMAGES)
            for metric, sign in (("removal_most_first", -1), ("removal_least_first", 1)):
                area = 0.5 + sign * 0.1 * steep * skill + noise
                parts.append(rows(area, metric, sign > 0, **about))
            size = {}
            for layer, count in FILTERS.items():
                kept = rng.random(IMAGES) < 0.8 - 0.1 * steep
                parts.append(rows(kept, "layer_removal", True, part=layer, **about))
                size |= {json.dumps([layer, k]): rng.normal() for k in range(count)}
            parts.append(of_no_image({layer: 1 / count for layer, count in FILTERS.items()}, "dead_filters", **about))
            if entry != "random":
                parts.append(of_no_image({part: abs(v) for part, v in size.items()}, "filter_importance", **about))
            for target in range(CLASSES):
                own = {part[:-1] + f", {target}]": value + rng.normal(0, 0.3) for part, value in size.items()}
                parts.append(of_no_image(own, "channel_importance", target=target, **about))
        for k, entry in enumerate(("network", "untrained", "gaussian") if "representation" in groups else ()):
            about = {"entry": entry, "epoch": epoch}
            for m, metric in enumerate(reading.GROUPS["representation"][:5]):
                own = {layer: (j + 1) / (m + k + 4) for j, layer in enumerate(LAYERS)}
                parts.append(of_no_image(own, metric, **about))
            apart = {json.dumps(pair): LAYERS.index(pair[1]) - LAYERS.index(pair[0]) for pair in PAIRS}
            pairs = {pair: 1 - 0.2 * far - 0.1 * k for pair, far in apart.items()}
            for metric, less in (("cka", 0), ("cka_residual", 0.05), ("cka_influence", 0.9)):
                parts.append(of_no_image({p: v - less for p, v in pairs.items()}, metric, **about))
            parts.append(of_no_image(dict.fromkeys(LAYERS, skill), "cka_to_last", **about))
    return joined(parts)


def lines(table: pd.DataFrame) -> pd.DataFrame:
    """Return curves of which the scores are the areas, but for their ends."""
    own = table[table.metric.isin(["removal_most_first", "removal_least_first"])]
    parts = [own.assign(fraction=f, value=(2 * own.score.clip(0, 0.5) * (1 - f)).clip(0, 1)) for f in FRACTIONS]
    return pd.concat(parts)[[*synthetic.CELL, "image", "metric", "metric_settings", "fraction", "value"]]


def gallery(images=3, side=48) -> dict[str, np.ndarray]:
    about = synthetic.gallery("grad_cam", images, side)
    odds = np.random.default_rng(0).dirichlet(np.ones(CLASSES), (images, len(LAYERS))).astype(np.float32)
    own = {"probabilities": odds, "layers": np.array([LAYERS] * images), "map": about["maps"]}
    own |= {"classes": np.array([["triangle", "ring", "cross"]] * images)}
    own |= {"label": LABEL[:images], "predicted": PREDICTED[:images]}
    return {name: about[name] for name in ("image", "pixels")} | own


def one(table: pd.DataFrame) -> reading.Network:
    (found,) = reading.finished(reading.networks(synthetic.categorical(table), OPTIONS))
    return found


def raw(table: pd.DataFrame, metric: str, entry: str, part: str = "") -> np.ndarray:
    return table.score[(table.metric == metric) & (table.entry == entry) & (table.part == part)].to_numpy(float)


def signed(table: pd.DataFrame, method: str, layer: str, target: int) -> np.ndarray:
    """Return the importance of a layer's channels for a class."""
    parts = [json.dumps([layer, k, target]) for k in range(FILTERS[layer])]
    return np.concatenate([raw(table, "channel_importance", method, part) for part in parts])


@pytest.fixture(scope="module")
def table():
    return sweep()


@pytest.fixture(scope="module")
def network(table):
    return one(table)


def written(folder: Path) -> Path:
    """Write a sweep of two epochs with curves and galleries."""
    table = sweep((2, None))
    return synthetic.write(folder, table, lines(table), lambda row: gallery() if row.entry == "linear" else {})


FIGURES = {f"{name}_shapes" for name in ("accuracy", "depth", "features", "removal")}
FIGURES |= {f"{name}_shapes_resnet18" for name in ("decisions", "similarity", "training")}
PICTURED = (gallery(),)


@pytest.mark.slow
def test_accuracy_and_its_gain_over_the_untrained_network(table, network):
    found = predictions.probes(network).set_index(["layer", "entry"])
    assert [*reading.layers(network.probe, "layer_accuracy")] == [*LAYERS]
    assert reading.entries(network.probe) == ["linear", "knn", "untrained", "shuffled_labels"]
    for layer in LAYERS:
        hits, floor = (raw(table, "layer_accuracy", entry, layer) for entry in ("linear", "untrained"))
        ends = stats.binomtest(int(hits.sum()), IMAGES).proportion_ci(method="wilson")
        row = found.loc[(layer, "linear")]
        assert row[["mean", "low", "high"]].tolist() == pytest.approx([hits.mean(), *ends])
        assert row.gain == pytest.approx(sum(a - b for a, b in zip(hits, floor, strict=True)) / IMAGES)
        assert row.selectivity == LAYERS.index(layer) / 10
    assert found.gain.xs("untrained", level="entry").isna().all()


def test_depth_its_correlation_and_divergence(table, network):
    found, shares = predictions.depths(network).set_index("entry"), predictions.decided(network)
    shares = shares.set_index(["layer", "entry"])["mean"]
    for entry in PROBES:
        depth, sure = raw(table, "decision_depth", entry), raw(table, "layer_probability", entry, LAYERS[-1])
        apart = raw(table, "divergence", entry)
        row = found.loc[entry]
        assert row["median"] == np.median(depth) and row["mean"] == pytest.approx(depth.mean())
        assert row.rho == pytest.approx(stats.spearmanr(depth, sure).statistic)
        assert row.rho_low < row.rho < row.rho_high and row.median_low <= row["median"] <= row.median_high
        assert row.divergence == np.median(apart[:3]) and row.wrong == 3
        counts = [sum(1 for own in depth if own == k) / IMAGES for k in range(1, len(LAYERS) + 2)]
        assert shares.xs(entry, level="entry").loc[[*LAYERS, "none"]].tolist() == pytest.approx(counts)


@pytest.mark.slow
def test_orders_are_compared_with_random_ones_and_with_one_another(table, network):
    found = filters.removals(network).set_index(["first", "entry"])
    for first, sign in (("most", -1), ("least", 1)):
        own, random = (raw(table, f"removal_{first}_first", entry) for entry in ("taylor", "random"))
        gap = [sign * (a - b) for a, b in zip(own, random, strict=True)]
        row = found.loc[(first, "taylor")]
        assert row.gain == pytest.approx(np.mean(gap)) and row.gain_low < np.mean(gap) < row.gain_high
    assert found.verdict["most"].to_dict() == {"ablation_zero": "best", "taylor": "worse", "random": "worse"}
    assert filters.best_method(network) == "ablation_zero"
    alike = []
    for layer, count in FILTERS.items():
        places = [json.dumps([layer, k]) for k in range(count)]
        sizes = [
            [raw(table, "filter_importance", entry, part)[0] for part in places]
            for entry in ("ablation_zero", "taylor")
        ]
        alike.append(stats.spearmanr(*sizes).statistic)
    own = filters.agreements(reading.orders(network.importance))
    assert own.loc["ablation_zero", "taylor"] == pytest.approx(np.mean(alike)) and np.allclose(np.diag(own), 1)


@pytest.mark.slow
def test_importance_that_stands_in_the_layer_that_decides(table, network):
    of = {"act1": ["conv1"], "layer1.0": ["layer1.0.conv1", "layer1.0.conv2"]}
    of |= {"layer2.0": ["layer2.0.conv1"], "pre_logits.act": ["pre_logits.fc"]}
    own = reading.channels(network.importance)["ablation_zero"]
    found = filters.deciding(network, own, "linear").set_index("layer")
    depth = raw(table, "decision_depth", "linear")
    for k, layer in enumerate(LAYERS, 1):
        shares = []
        for target in range(CLASSES):
            total = {name: signed(table, "ablation_zero", name, target).clip(0).sum() for name in FILTERS}
            shares.append(sum(total[name] for name in of[layer]) / sum(total.values()))
        here = [shares[PREDICTED[i]] for i in range(IMAGES) if depth[i] == k]
        elsewhere = [shares[PREDICTED[i]] for i in range(IMAGES) if depth[i] != k]
        row = found.loc[layer]
        assert [row.images, row.here, row.elsewhere] == pytest.approx([len(here), np.mean(here), np.mean(elsewhere)])
        assert row.channels == sum(FILTERS[name] for name in of[layer]) / sum(FILTERS.values())
        assert row.strongest.startswith(tuple(of[layer]))


@pytest.mark.parametrize(
    ("names", "filters_", "truth"),
    [
        (["features.1", "features.3", "pre_logits.act2"], ["features.0", "features.2", "pre_logits.fc1"], [0, 1, 2]),
        (
            ["act1", "layer1.0", "layer1.1", "layer2.0"],
            ["conv1", "layer1.0.conv1", "layer1.0.conv2", "layer1.1.conv1", "layer2.0.conv1", "layer2.0.downsample.0"],
            [0, 1, 1, 2, 3, 3],
        ),
        (
            ["Conv2d_1a_3x3", "Mixed_5b"],
            ["Conv2d_1a_3x3.conv", "Mixed_5b.branch1x1.conv", "Mixed_5b.pool.conv"],
            [0, 1, 1],
        ),
        (
            ["bn1", "blocks.0.0", "blocks.1.0", "bn2"],
            ["conv_stem", "blocks.0.0.conv_dw", "blocks.0.0.conv_pw", "blocks.1.0.conv_dw", "conv_head"],
            [0, 1, 1, 2, 3],
        ),
    ],
)
def test_filters_belong_to_the_layer_in_which_they_work(names, filters_, truth):
    assert [names.index(own) for own in filters.layers_of(names, filters_).values()] == truth


@pytest.mark.slow
def test_quantities_over_epochs(stored):
    (epochs,) = training.series(reading.networks(stored, OPTIONS))
    assert [(network.epoch, network.name) for network in epochs] == [(2, "resnet18"), (np.inf, "resnet18")]
    found = training.over_epochs(epochs).set_index(["quantity", "layer", "epoch"])["mean"].sort_index()
    at = stored.model_settings == settings(2)
    own = stored[at & (stored.metric == "layer_accuracy") & (stored.entry == "linear") & (stored.part == "layer2.0")]
    assert found["accuracy, linear", "layer2.0", 2.0] == pytest.approx(own.score.mean())
    depth = stored[at & (stored.metric == "decision_depth") & (stored.entry == "linear")]
    assert found["decision depth, linear", "", 2.0] == np.median(depth.score)
    assert found["order, taylor", "", np.inf] == pytest.approx(1) and abs(found["order, taylor", "", 2.0]) < 0.9
    assert found["cka_to_last", "act1"].tolist() == [0.5, 1]
    lines = {(name, step): value for _, name, step, value in training.stepped(stored)}
    assert {step for _, step in lines} == {200, 300}
    assert lines["cka_to_last", 200] == pytest.approx(found["cka_to_last", :, 2.0].mean())


@pytest.mark.slow
def test_a_sweep_offers_the_views_that_it_has_the_rows_for(table, stored):
    assert layers.suited(table) == [view for view in layers.VIEWS if view != "training"]
    assert layers.default(stored) == "training" and layers.default(table) == "probes"
    for group, own in (("probe", ["probes", "depth"]), ("importance", ["filters"])):
        some = synthetic.categorical(sweep((2, None), groups=(group,)))
        assert layers.suited(some) == [*own, "training"] and layers.VIEWS["training"](some, OPTIONS)
    some = synthetic.categorical(sweep(groups=("representation",)))
    assert layers.suited(some) == ["features", "similarity"] and layers.default(some) == "features"
    for view in ("probes", "filters", "training"):
        with pytest.raises(tables.Inapplicable, match="needs"):
            layers.VIEWS[view](some, OPTIONS)
    with pytest.raises(ValueError, match="needs one of resnet18"):
        layers.VIEWS["features"](some, Namespace(**vars(OPTIONS) | {"model": "vgg16"}))


def test_a_decision_falls_where_all_later_predictions_agree():
    odds = np.eye(3)[[0, 2, 1, 2, 2]]
    assert [decided(odds, k) for k in (2, 1)] == [3, 5]
    odds[3] = np.nan  # no prediction: passed over
    assert decided(odds, 2) == 4 and decided(np.eye(3)[[1, 1]], 1) == 0


@pytest.mark.slow
def test_figures_without_curves_and_galleries():
    for group, count in (("probe", 3), ("importance", 2), ("representation", 3)):
        assert len(dict(layers.figures(synthetic.categorical(sweep((2, None), (group,))), OPTIONS))) == count
