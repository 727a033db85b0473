"""Tables and figures of units, on sweeps that never ran: numbers against literal loops."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from results import parts, units
from results.units import drawing, views
from tests.results import synthetic
from tests.results.synthetic import OPTIONS

LAYERS = {"early": 4, "late": 8}  # units
VISUAL = ("activation_maximisation", "top_patches", "noise")
NAMING = ("dissection", "class_ablation", "rotated_basis")
SHOWN = 3  # units with pictures
ALPHA = 0.3  # of detectors


def rows(scores_: list, metric: str, places: list, layer: str, higher: bool = True, **columns) -> pd.DataFrame:
    """Return one row for each place of a layer."""
    table = synthetic.of_no_image(scores_, metric, "units", higher, kind="units", **columns)
    table["group"] = np.where(table.entry.isin(["noise", "rotated_basis"]), "control", "structure")
    return table.assign(part=places, benchmark=json.dumps({"layer": layer, "units": 16}))


def sweep(visual=VISUAL, naming=NAMING) -> pd.DataFrame:
    """Return scores of every metric on two layers and two seeds."""
    rng, found = np.random.default_rng(0), []
    for layer, count in LAYERS.items():
        for entry in (*visual, *naming):
            for seed in (0, 1):
                words = [[word] for word in ("red", "", f"word {seed}")] if entry in naming else [[]]
                places = [json.dumps([layer, 2 * unit, *words[unit % len(words)]]) for unit in range(count)]
                about = {"layer": layer, "entry": entry, "seed": seed}
                for metric in views.VISUALISATION if entry in visual else views.OF_UNITS:
                    own = np.where(np.arange(count) == 1, np.nan, rng.random(count)).round(4)
                    own = np.full(count, np.nan) if metric == "transfer" else own
                    found.append(rows(own, metric, places, higher="p_value" not in metric, **about))
                for k, metric in enumerate(views.OF_LAYERS if entry in naming else ()):
                    settings = json.dumps({"alpha": ALPHA})
                    score = rng.random() * (1 + k) if k else (1 + NAMING.index(entry)) / count
                    found.append(rows([score], metric, [""], metric_settings=settings, **about))
    return pd.concat(found, ignore_index=True).assign(folder="nowhere")


def gallery(entry: str, layer: str) -> dict[str, np.ndarray]:
    """Return pictures of the first units as a cell keeps them."""
    rng, n = np.random.default_rng(1), SHOWN
    own = {"image": np.array([f"{layer} {2 * unit}" for unit in range(n)])}
    if entry in VISUAL:
        own |= {"visualised": rng.integers(0, 255, (n, 16, 16, 3), np.uint8), "activation": rng.random(n)}
        return own | {"patches": rng.integers(0, 255, (n, 4, 8, 8, 3), np.uint8)}
    classes = ["disc", "ring", "cross"]
    words = classes if entry == "class_ablation" else ["red", "striped", "smooth", "ring", "distractor"]
    own |= {"pixels": rng.integers(0, 255, (n, 4, 16, 16, 3), np.uint8), "map": rng.random((n, 4, 16, 16))}
    own |= {"mask": rng.random((n, 4, 16, 16)) < 0.3, "word": np.array([words[0], "", words[1]])}
    own |= {"match": rng.random((n, len(words))), "words": np.array([words] * n)}
    return own | {"effect": rng.normal(size=(n, 3)), "classes": np.array([classes] * n)}


def written(folder: Path) -> Path:
    return synthetic.write(folder, sweep(), pictured=lambda row: gallery(row.entry, json.loads(row.benchmark)["layer"]))


FIGURES = {f"units_shapes (layer={layer})_resnet18" for layer in LAYERS}
FIGURES |= {"detectors_shapes_resnet18", "images_shapes_resnet18"}
PICTURED = gallery("dissection", "late"), gallery("top_patches", "late")
ALONE = {"labels": lambda: sweep((), NAMING), "visualisations": lambda: sweep(VISUAL, ())}


def raw(table: pd.DataFrame, metric: str, entry: str, layer: str) -> np.ndarray:
    """Return the scores, seeds x places."""
    own = table[(table.metric == metric) & (table.entry == entry) & table.benchmark.str.contains(f'"{layer}"')]
    return np.stack([own.score[own.seed == seed].to_numpy(float) for seed in (0, 1)])


@pytest.mark.slow
def test_means_over_units_are_of_the_means_over_seeds():
    table = sweep()
    for network in views.networks(synthetic.categorical(table), OPTIONS, views.VISUALISATION):
        layer = views.layer(network)
        found = parts.means(network.rows, views.VISUALISATION).set_index(["metric", "entry"])
        assert "transfer" not in found.index.unique("metric") and network.rows.entry.iloc[-1] == "noise"
        for metric, entry in found.index:
            units_ = [sum(two) / 2 for two in raw(table, metric, entry, layer).T if two[0] == two[0]]
            row = found.loc[(metric, entry)]
            assert [row["mean"], row.n] == pytest.approx([np.mean(units_), LAYERS[layer] - 1])
            assert (row.low < row["mean"] < row.high) if layer == "late" else np.isnan(row.low), "six units or more"


@pytest.mark.slow
def test_layers_stand_together_with_their_intervals():
    table = sweep()
    (together,) = views.layers(views.networks(synthetic.categorical(table), OPTIONS, views.OF_LAYERS + views.OF_UNITS))
    found = views.by_layer(together, views.OF_LAYERS).set_index(["layer", "metric", "entry"])
    assert [*found.index.unique("layer")] == [*LAYERS] and len(found) == 2 * 3 * 3
    for layer, metric, entry in found.index:
        own, row = raw(table, metric, entry, layer), found.loc[(layer, metric, entry)]
        ends = own.min(), own.max()
        if metric == "detectors":
            ends = binomtest(1 + NAMING.index(entry), LAYERS[layer]).proportion_ci(method="wilson")
        assert row[["mean", "low", "high"]].tolist() == pytest.approx([own.mean(), *ends])
        assert row.units == LAYERS[layer]


@pytest.mark.slow
def test_words_stand_beside_their_units_the_surest_first(stored):
    shown = {table.title: table for table in units.VIEWS["labels"](stored, OPTIONS)}
    own = shown["shapes (layer=late) / resnet18: words by dissection, 2 seeds"]
    p = np.mean(raw(sweep(), "unit_p_value", "dissection", "late"), 0)
    order = [k for k in np.argsort(p) if p[k] == p[k]] + [1]
    names = ["red", "-", "word 0 / word 1"]
    assert own.frame.index.tolist() == [f"late {2 * k}" for k in order]
    assert own.frame.word.tolist() == [names[k % 3] for k in order]
    assert own.data.unit_p_value.tolist() == pytest.approx(p[order], nan_ok=True)


@pytest.mark.slow
def test_detectors_are_counted_by_their_words(stored):
    (own,) = [table for table in units.VIEWS["labels"](stored, OPTIONS) if "detectors by word" in table.title]
    table = sweep()
    for entry, layer in own.frame:
        counts = Counter()
        for seed, p in enumerate(raw(table, "unit_p_value", entry, layer)):
            counts.update(("red", "", f"word {seed}")[k % 3] for k in range(LAYERS[layer]) if p[k] <= ALPHA)
        assert own.frame[entry, layer].astype(float).to_dict() == {w: counts[w] / 2 for w in own.frame.index}
    assert len([*own.frame]) == len(LAYERS) * len(NAMING)


@pytest.mark.slow
def test_mlflow_has_a_line_over_layers_for_every_metric_and_entry():
    table = sweep()
    found = units.stepped(synthetic.categorical(table))
    lines = {(section.split()[0], name, step): value for section, name, step, value in found}
    for (metric, entry, step), value in lines.items():
        assert value == pytest.approx(np.nanmean(np.mean(raw(table, metric, entry, [*LAYERS][step]), 0)))
    metrics = {metric for metric, *_ in lines}
    assert metrics == {*views.VISUALISATION, *views.OF_LAYERS, *views.JUDGED} - {"transfer"}
    assert len({key[1:] for key in lines}) == len(LAYERS) * len(VISUAL + NAMING)


def test_units_with_the_largest_values_are_drawn_first():
    values = np.array([0.1, np.nan, -3, 2])
    assert drawing._first(np.array([*"abcd"]), values, abs(values), 2)[0] == ["c", "d"]
