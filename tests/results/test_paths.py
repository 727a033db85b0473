"""Tables, figures and files of critical paths, on sweeps that never ran and whose truth is known."""

import json
from argparse import Namespace
from itertools import product
from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from results import paths, scores
from results.paths import comparison, drawing, graph
from tests.results import synthetic
from tests.results.synthetic import OPTIONS

# By selector: agreement of the whole path, error of its logits, share of channels kept, group.
TRUTH = {
    "relevance": (0.95, 1.0, 0.25, "structure"),
    "gap": (0.8, 2.0, 0.1, "structure"),
    "activation": (0.5, 4.0, 0.25, "control"),
    "random": (0.1, 8.0, 0.25, "control"),
    "activation_gap": (0.4, 5.0, 0.1, "control"),
    "random_gap": (0.05, 9.0, 0.1, "control"),
    "all": (1.0, 0.0, 1.0, "control"),
}
METRICS = {  # settings, and the upper bound
    "path_mse_shares": ({"of": "shares", "fill": None}, np.inf),
    "path_mse_logits": ({"of": "logits", "fill": "zero"}, np.inf),
    "path_agreement": ({"fill": "zero"}, 1.0),
    "path_size": ({}, 1.0),
}
LAYERS = ("relu_2", "relu_10", "act1")  # by depth, which is no order of names


def sweep(selectors=tuple(TRUTH), images=24, metrics=METRICS, **columns) -> pd.DataFrame:
    """Return scores of which shares of images agree as TRUTH says; errors differ by a constant on every image."""
    effect, parts = np.random.default_rng(0).normal(0, 0.5, images), []
    for selector, (k, part), metric in product(selectors, enumerate(["", *LAYERS]), metrics):
        agreement, error, size, group = TRUTH[selector]
        hits = (np.arange(images) < round((agreement + (1 - agreement) * k / 9) * images)).astype(float)
        values = {"path_agreement": hits, "path_size": np.full(images, size)}
        settings, upper = METRICS[metric]
        score = values.get(metric, error * (1 + k) + effect * bool(error))
        own = {"kind": "paths", "group": group, "part": part, "metric_settings": json.dumps(settings)}
        own |= {"upper_bound": upper, "predicted": np.arange(images) % 4 // 2, "settings": {"lrp": "tutorial"}}
        parts.append(synthetic.rows(score, metric, "path", metric == "path_agreement", entry=selector, **own | columns))
    table = pd.concat(parts).sort_values(["entry", "image"], kind="stable", ignore_index=True)
    return table.assign(folder="nowhere")


def lines(table: pd.DataFrame) -> pd.DataFrame:
    """Return curves of selectors that have a share: scores of the whole path at .25, the network itself at 1."""
    own = table[(table.part == "") & table.entry.isin(["relevance", "activation", "random"])]
    exact = own.assign(fraction=1.0, value=(own.metric == "path_agreement").astype(float))
    return pd.concat([own.assign(fraction=0.25, value=own.score), exact])[
        [*synthetic.CELL, "image", "metric", "metric_settings", "fraction", "value"]
    ]


def gallery(entry: str, depth=(0, 1, 1, 2), images=2, side=40) -> dict[str, np.ndarray]:
    """Return random paths of layers at these depths: three nodes of each, edges between neighbouring depths."""
    rng, nodes, edges, every = np.random.default_rng(0), [], [], [*depth, max(depth) + 1]
    channels = [*rng.integers(0, 14, len(depth))[:, None] + range(3), [1]]
    for image, (layer, here) in product(synthetic.names(images), enumerate(channels)):
        for channel in here:
            logit = layer == len(depth)
            shares = (np.nan, 1.0, 1.0) if logit else (rng.random(), rng.normal(), rng.normal())
            nodes.append((image, layer, channel, *shares, bool(logit or channel != here[0])))
        for child in (k for k in range(layer) if every[k] == every[layer] - 1):
            edges += [(image, child, a, layer, b, rng.normal()) for a, b in product(channels[child], here)]
    keys = ["node_" + name for name in ("image", "layer", "channel", "forward", "backward", "relevance", "kept")]
    flat = dict(zip(keys, map(np.array, zip(*nodes, strict=True)), strict=True))
    keys = ["edge_" + name for name in ("image", "child_layer", "child", "parent_layer", "parent", "relevance")]
    flat |= dict(zip(keys, map(np.array, zip(*edges, strict=True)), strict=True))
    about = synthetic.gallery(entry, images, side)
    of_image = {
        "layers": [f"block_{k // 2}_act{k}" for k in range(len(depth))],
        "depth": depth,
        "layer_kept": [5] * len(depth),
        "layer_channels": [16] * len(depth),
        "recon_layer": [0, 2],
        "recon_channel": [[3, 4], [5, -1]],
        "recon_box": [[[0, 0, 9, 9], [3, 2, 12, 11]]] * 2,
    }
    flat |= {name: np.array([values] * images) for name, values in of_image.items()}
    recon = {"recon_image": about["image"], "recon": rng.normal(size=(images, 2, 2, 2, side, side, 3))}
    return about | flat | recon | {"full": about["maps"] * rng.normal(1, 0.1, about["maps"].shape)}


def written(folder: Path) -> Path:
    table = sweep()
    return synthetic.write(folder, table, lines(table), lambda row: gallery(row.entry))


DRAWN = ("layers", "heatmaps", "reconstructions_relevance", "graph_relevance")
FIGURES = {"curves_shapes", *(f"{name}_shapes_resnet18" for name in DRAWN)}


def whole(table: pd.DataFrame) -> pd.DataFrame:
    return comparison.whole(scores.labelled(synthetic.categorical(table))).set_index(["metric", "entry"]).sort_index()


@pytest.fixture(scope="module")
def found():
    return whole(sweep())


@pytest.mark.slow
def test_means_and_gains_are_over_controls_that_keep_as_many_channels(found):
    assert found.loc[("path_mse_logits", "relevance"), "over_activation"] == pytest.approx(3)
    assert found.loc[("path_mse_logits", "gap"), "over_activation"] == pytest.approx(3)  # 5 of activation_gap
    assert found.loc[("path_mse_logits", "gap"), "activation"] == "activation_gap"
    assert found.loc[("path_agreement", "activation"), "over_random"] == pytest.approx(10 / 24)
    assert found.loc[("path_mse_logits", "relevance"), "over_random_low"] == pytest.approx(7)  # paired: no spread
    assert found.loc[("path_agreement", "all"), ["mean", "low"]].tolist() == pytest.approx([1, 0.862], abs=1e-3)
    alone = found.xs("path_agreement").loc[["random", "random_gap", "all"]]
    assert alone[["over_activation", "over_random"]].isna().all(axis=None) and found["size"].xs("path_size")["all"] == 1


@pytest.mark.slow
def test_a_variant_is_compared_with_the_control_that_is_most_like_it():
    one = ["path_agreement", "path_size"]
    rules = [sweep(("relevance", "activation"), metrics=one, settings={"lrp": name}) for name in ("a", "b")]
    found = whole(pd.concat([*rules, sweep(("random",), metrics=one)])).loc["path_agreement"]
    assert found.activation.dropna().to_dict() == {f"relevance (lrp={n})": f"activation (lrp={n})" for n in "ab"}
    assert set(found.random.dropna()) == {"random"}


@pytest.mark.slow
def test_the_order_holds_is_reversed_or_is_undecided(found):
    truth = found.order.xs("relevance", level="entry")
    causal = {"path_agreement": "holds", "path_mse_logits": "holds"}
    assert truth.to_dict() == causal | {"path_mse_shares": "", "path_size": ""}
    three = ("relevance", "activation", "random")
    table = sweep(three, metrics=["path_mse_logits", "path_size"])
    swapped = table.assign(entry=table.entry.replace({"relevance": "activation", "activation": "relevance"}))
    swapped["group"] = np.where(swapped.entry == "relevance", "structure", "control")
    assert whole(swapped).order["path_mse_logits", "relevance"] == "reversed"
    assert whole(sweep(three, 5, ["path_agreement", "path_size"])).order["path_agreement", "relevance"] == "undecided"


@pytest.mark.slow
def test_layers_are_by_depth_and_shares_from_curves(stored):
    cells = scores.labelled(stored)
    layers, shares = comparison.layers(cells), comparison.shares(cells)
    assert [*layers.layer.unique()] == list(LAYERS)
    assert set(shares.entry) == {"relevance", "activation", "random"} and set(shares.share) == {0.25, 1.0}
    row = shares.set_index(["share", "metric", "entry"]).loc[(0.25, "path_mse_logits", "relevance")]
    assert row["mean"] == pytest.approx(
        stored[(stored.entry == "relevance") & (stored.part == "") & (stored.metric == "path_mse_logits")].score.mean()
    )
    assert row.order == "holds" and set(shares.order[shares.share == 1]) == {""}
    chosen = paths.VIEWS["layers"](stored, Namespace(**vars(OPTIONS) | {"metric": ["path_agreement"]}))
    assert len(chosen) == 1


@pytest.mark.slow
def test_a_selector_that_does_not_apply_has_no_path():
    none = sweep(("gap",)).head(1).assign(image="", status="inapplicable", reason="no ReLU", score=np.nan)
    assert set(whole(pd.concat([sweep(("relevance",)), none])).reset_index().entry) == {"relevance"}
    with pytest.raises(ValueError, match="none of this sweep's does"):
        paths.VIEWS["paths"](synthetic.categorical(none), OPTIONS)


@pytest.mark.slow
def test_graphs_are_written_so_that_others_can_read_them(stored, tmp_path):
    written = [*paths.files(stored, tmp_path)]
    assert {path.name for path in written} == {
        f"graph_{name}_shapes_resnet18{suffix}" for name in ("relevance", "gap") for suffix in (".graphml", ".json")
    }
    back = nx.read_graphml(tmp_path / "graph_gap_shapes_resnet18.graphml")
    data = json.loads((tmp_path / "graph_gap_shapes_resnet18.json").read_text())
    assert len(back) == len(data["nodes"]) == 13 and json.loads(back.graph["depth"]) == [0, 1, 1, 2]
    assert data["nodes"][-1]["forward"] is None and data["nodes"][-1]["name"] == "logit"
    same = nx.node_link_graph(data, edges="edges")
    (_, truth), *_ = graph.graphs(gallery("gap"))
    assert nx.utils.edges_equal(same.edges(data="relevance"), truth.edges(data="relevance"), directed=True)


def test_columns_of_a_graph_are_depths_with_the_most_relevant_channels_first():
    (_, found), *_ = graph.graphs(gallery("gap", depth=(0, 1)))
    layers = graph.columns(found)
    assert [*layers] == [0, 1, 2] and [len(nodes) for nodes in layers.values()] == [3, 3, 1]
    shares = [abs(found.nodes[node]["backward"]) for node in layers[0]]
    assert shares == sorted(shares, reverse=True)
    assert [*graph.captions(found)] == ["block 0 act0: 5 of 16", "block 0 act1: 5 of 16"]


def test_parts_of_a_picture_are_squares_of_one_size_and_zero_is_grey():
    boxes = drawing.windows(np.array([[0, 0, 4, 4], [2, 3, 8, 8], [0, 5, 6, 8]]), (8, 8))
    assert (boxes[:, 2:] - boxes[:, :2] == 6).all()
    assert boxes[0].tolist() == [-2, -2, 4, 4]  # what the field lacks lies beyond the image
    assert drawing.cropped(np.zeros((8, 8, 3)), boxes[0]).sum() == 3 * (36 - 16)
    assert drawing.visible(np.zeros((2, 2, 3))).tolist() == np.full((2, 2, 3), 0.5).tolist()
