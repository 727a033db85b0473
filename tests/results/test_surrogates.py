"""Tables and figures of surrogates, on sweeps that never ran: numbers against literal loops."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from results import parts, surrogates, tables
from results.surrogates import simple, views
from tests.results import synthetic
from tests.results.synthetic import OPTIONS

ENTRIES = ("concept_tree", "concept_linear", "word_tree", "label_tree", "majority")
CONTROLS = ("label_tree", "majority")
SIZES, IMAGES, CLASSES = (2, 3, 8), 20, ["red and striped", "other"]


def sweep(metrics=views.METRICS) -> pd.DataFrame:
    """Return scores of every metric, size and image; the largest models are no better than those of three leaves."""
    rng, found = np.random.default_rng(0), []
    for k, entry in enumerate(ENTRIES):
        right = [rng.permutation(IMAGES) < count - 2 * k for count in (12, 18, 18)]
        for metric in metrics:
            for size, hits in zip(SIZES, right, strict=True):
                own = hits.astype(float) if metric == "fidelity" else rng.random(IMAGES).round(4)
                about = {"kind": "surrogates", "entry": entry, "part": str(size), "lower_bound": -np.inf}
                own = np.full(IMAGES, np.nan) if (metric, entry) == ("balanced_fidelity", "majority") else own
                table = synthetic.rows(own, metric, "fidelity", metric != "logit_kl", **about)
                found.append(table.assign(group="control" if entry in CONTROLS else "black box"))
    return pd.concat(found, ignore_index=True).assign(folder="nowhere")


def gallery(entry: str) -> dict[str, np.ndarray]:
    """Return rules of three sizes as a cell keeps them."""
    red, striped = ["red", True, 0.5], ["striped", True, 0.62]
    not_red, not_striped = ["red", False, 0.5], ["striped", False, 0.62]
    leaves = [
        {"if": [not_red], "says": 1, "images": 12, "right": 12},
        {"if": [red, not_striped], "says": 1, "images": 5, "right": 4},
        {"if": [red, striped], "says": 0, "images": 3, "right": 3},
    ]
    weights = [{"of": "red", "says": 0, "weight": 2.5}, {"of": "striped", "says": 0, "weight": -1.25}]
    weights += [{"of": "red", "says": 1, "weight": -0.5}]
    weights += [{"of": "always", "says": k, "weight": own} for k, own in enumerate((-1.0, 1.5))]
    own = {"concept_linear": weights, "majority": [{"if": [], "says": 1, "images": 20, "right": 12}]}.get(entry, leaves)
    models = [
        {"size": size, "fidelity": right, "images": 20, "binary": entry == "word_tree", "rules": own}
        for size, right in zip(SIZES, (0.6, 0.95, 0.955), strict=True)
    ]
    names = {"image": np.array(SIZES).astype(str), "classes": np.array([CLASSES] * 3)}
    return names | {"rules": np.array([*map(json.dumps, models)])}


def written(folder: Path) -> Path:
    return synthetic.write(folder, sweep(), pictured=lambda row: gallery(row.entry))


FIGURES = {"fidelity_shapes_resnet18", *(f"rules_shapes_resnet18_{entry}" for entry in ENTRIES[:3])}
PICTURED = (gallery("concept_tree"),)


@pytest.mark.slow
def test_means_and_intervals_are_those_of_each_entry_s_images_by_size(stored):
    (network,) = parts.networks(stored, OPTIONS, views.METRICS)
    data = views.against_size(network).set_index(["stem", "size", "entry"])
    for (metric, size, entry), own in sweep().groupby(["metric", "part", "entry"]):
        if metric == "balanced_fidelity" and entry == "majority":
            continue
        row = data.loc[(metric, int(size), entry)]
        assert row["mean"] == pytest.approx(own.score.mean()) and row.n == IMAGES
        if metric == "fidelity":
            ends = stats.binomtest(int(own.score.sum()), IMAGES).proportion_ci(method="wilson")
            assert [row.low, row.high] == pytest.approx([*ends])
    assert len(data) == len(views.METRICS) * len(SIZES) * len(ENTRIES) - len(SIZES), "undefined scores have no row"


@pytest.mark.slow
def test_the_smallest_size_within_a_hundredth_of_the_best_suffices(stored):
    assert simple.sufficient([2, 3, 8, 16], [0.6, 0.951, 0.94, 0.96]) == 1
    assert simple.sufficient([2, 3, 8], [0.6, 0.949, 0.96]) == 2
    (network,) = parts.networks(stored, OPTIONS, views.METRICS)
    assert views.enough(views.against_size(network)) == dict.fromkeys(ENTRIES, 3)
    assert simple.chosen(gallery("concept_tree"))["size"] == 3


@pytest.mark.slow
def test_a_sweep_without_fidelity_has_the_largest_sizes():
    (table,) = surrogates.VIEWS["fidelity"](synthetic.categorical(sweep(("logit_r2",))), OPTIONS)
    assert {*table.numbers["size"]} == {8}


def test_conditions_of_one_name_are_one_and_words_that_are_true_need_no_number():
    path = [("red", True, 0.2), ("blue", False, 0.5), ("red", False, 0.7), ("red", True, 0.1)]
    assert simple.condition(path, False) == "0.2 < red < 0.7 and blue < 0.5"
    assert simple.condition([("red", True, 0.5), ("blue", False, 0.5)], True) == "red and not blue"
    assert simple.condition([], True) == "always"
    assert simple.condition([("red", True, 0.99642)], False) == "red > 0.996"


@pytest.mark.slow
def test_rules_are_needed_where_they_are_shown(stored):
    with pytest.raises(tables.Inapplicable, match="needs the rules of simple models"):
        surrogates.VIEWS["rules"](stored.assign(folder="nowhere"), OPTIONS)
