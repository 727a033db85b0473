"""Graphs of critical paths: what is in the arrays is in the graph, its files and its figure."""

import json
import math
from itertools import pairwise

import networkx as nx
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import EllipseCollection, PathCollection

from results.paths.drawing import MANY, drawn, strongest
from results.paths.graph import graphs, write
from results.paths.layout import columns
from tests.results.path_galleries import BRANCHED, CHAIN, DEEP, HOSTILE, gallery


def same(one: nx.DiGraph, other: nx.DiGraph) -> bool:
    """Equal nodes, edges and attributes; nan equals nan."""

    def equal(a: dict, b: dict) -> bool:
        nan = [{k for k, v in each.items() if isinstance(v, float) and math.isnan(v)} for each in (a, b)]
        return nan[0] == nan[1] and {k: v for k, v in a.items() if k not in nan[0]} == {
            k: v for k, v in b.items() if k not in nan[1]
        }

    return (
        set(one) == set(other)
        and set(one.edges) == set(other.edges)
        and all(equal(one.nodes[node], other.nodes[node]) for node in one)
        and all(equal(one.edges[edge], other.edges[edge]) for edge in one.edges)
    )


def test_the_graph_has_what_the_arrays_have():
    arrays = gallery(BRANCHED)
    found = dict(graphs(arrays))
    assert list(found) == arrays["image"].tolist()
    for image, graph in found.items():
        at = arrays["node_image"] == image
        expected = {
            (layer, channel): (forward, backward, relevance, kept)
            for layer, channel, forward, backward, relevance, kept in zip(
                *(arrays[f"node_{key}"][at].tolist()
                  for key in ("layer", "channel", "forward", "backward", "relevance", "kept")), strict=True,
            )
        }  # fmt: skip
        assert len(graph) == len(expected)
        for _, node in graph.nodes(data=True):
            values = tuple(node[key] for key in ("forward", "backward", "relevance", "kept"))
            np.testing.assert_array_equal(values, expected[node["layer"], node["channel"]])
            assert node["name"] == [*arrays["layers"][0], "logit"][node["layer"]]
        at = arrays["edge_image"] == image
        ends = [arrays[f"edge_{key}"][at] for key in ("child_layer", "child", "parent_layer", "parent", "relevance")]
        assert graph.number_of_edges() == at.sum()
        for child_layer, child, parent_layer, parent, relevance in zip(*ends, strict=True):
            assert graph.edges[f"{child_layer}:{child}", f"{parent_layer}:{parent}"]["relevance"] == relevance
        assert nx.is_directed_acyclic_graph(graph)


@pytest.mark.parametrize("target", ["disc", HOSTILE])
def test_files_give_the_graph_back(tmp_path, target):
    _, graph = next(graphs(gallery(BRANCHED, target=target, name="a.b c")))
    graphml, data = write(graph, tmp_path / "path_resnet18_gap.5_image_1")
    assert (graphml.name, data.name) == ("path_resnet18_gap.5_image_1.graphml", "path_resnet18_gap.5_image_1.json")
    read = nx.read_graphml(graphml)
    assert same(read, graph)
    assert {key: json.loads(v) if key in ("layers", "depth", "kept", "channels") else v
            for key, v in read.graph.items() if key not in ("node_default", "edge_default")} == graph.graph  # fmt: skip
    text = data.read_text()
    assert "NaN" not in text
    read = from_node_link(json.loads(text))
    assert same(read, graph)
    assert read.graph == graph.graph


def from_node_link(data: dict) -> nx.DiGraph:
    """Return the graph of node-link data, nan where there is null."""
    nodes = [{k: math.nan if v is None else v for k, v in node.items()} for node in data["nodes"]]
    return nx.node_link_graph({**data, "nodes": nodes}, edges="edges")


@pytest.mark.parametrize("depth", [CHAIN, BRANCHED, DEEP])
def test_every_node_has_a_place_of_its_own(depth):
    _, graph = next(graphs(gallery(depth)))
    across = columns(graph)
    assert len(across) == max(depth) + 2
    assert sum(len(column.rows) for column in across) == len(graph)
    for i, column in enumerate(across):
        rows = sorted(column.rows.values())
        assert all(b - a >= 1 for a, b in pairwise(rows))
        assert abs(rows[0] + rows[-1]) < 1e-9
        assert {[*depth, max(depth) + 1][graph.nodes[node]["layer"]] for node in column.rows} == {i}
        layers = [graph.nodes[node]["layer"] for node in sorted(column.rows, key=column.rows.get)]
        assert len(set(layers)) == 1 + sum(a != b for a, b in pairwise(layers))


@pytest.mark.parametrize("depth", [15, 17, 19])
def test_counts_of_neighbouring_layers_do_not_overlap(depth):
    arrays = gallery(tuple(range(depth)))
    arrays["layer_kept"][:, -4:], arrays["layer_channels"][:, -4:] = 1024, 4096
    _, graph = next(graphs(arrays))
    figure = drawn(graph)
    renderer = FigureCanvasAgg(figure).get_renderer()
    texts = figure.axes[0].texts
    counts = [text for text in texts if text.get_text().replace("\nof ", "/") in ("5/16", "1024/4096")]
    boxes = sorted((text.get_window_extent(renderer) for text in counts), key=lambda box: box.x0)
    assert len(boxes) == depth and all(a.x1 < b.x0 for a, b in pairwise(boxes))
    names = [text.get_window_extent(renderer) for text in texts if text.get_rotation()]
    assert max(name.y1 for name in names) <= min(box.y0 for box in boxes) + 4  # below the counts


@pytest.mark.parametrize("depth", [CHAIN, BRANCHED, DEEP, (0,)])
def test_the_figure_shows_every_node_and_edge_and_every_text_can_be_read(depth, tmp_path):
    _, graph = next(graphs(gallery(depth, target="a very long class name, and another")))
    figure = drawn(graph)
    figure.savefig(tmp_path / "graph.pdf")
    (axes,) = figure.axes
    lines = [c for c in axes.collections if isinstance(c, PathCollection)]
    assert sum(len(c.get_paths()) for c in lines) == graph.number_of_edges()
    discs = [c for c in axes.collections if isinstance(c, EllipseCollection)]
    assert sum(len(c.get_offsets()) for c in discs) == len(graph) - 1 + 5  # the logit is a square, five in the legend
    assert figure.get_size_inches()[0] == 7
    width, height = figure.bbox.size
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [text.get_window_extent(renderer) for text in axes.texts if text.get_text()]
    assert min(text.get_size() for text in axes.texts) >= 6
    assert min(min(box.x0, box.y0) for box in boxes) >= -1
    assert max(box.x1 for box in boxes) <= width + 1
    assert max(box.y1 for box in boxes) <= height + 1


def test_areas_are_shares_and_what_is_not_kept_is_grey():
    _, graph = next(graphs(gallery(CHAIN)))
    figure = drawn(graph)
    behind, front = (
        c for c in figure.axes[0].collections if isinstance(c, EllipseCollection) and len(c.get_offsets()) > 1
    )
    size, place = {}, {}
    for discs, kept in ((behind, False), (front, True)):
        names = [n for n, node in graph.nodes(data=True) if node["kept"] is kept and node["layer"] < len(CHAIN)]
        size |= dict(zip(names, 2 * discs._widths, strict=True))  # matplotlib keeps half of them
        place |= dict(zip(names, discs.get_offsets(), strict=True))
        grey = np.ptp(discs.get_facecolors()[:, :3], axis=1) == 0
        assert grey.all() if not kept else not grey.any()
    name, largest = max(((n, abs(graph.nodes[n]["backward"])) for n in size), key=lambda pair: pair[1])
    for node, wide in size.items():
        share = abs(graph.nodes[node]["backward"])
        assert (wide / size[name]) ** 2 == pytest.approx(share / largest, rel=1e-3) or wide == 0.8
    for a in size:
        for b in size:
            assert a == b or np.hypot(*(place[a] - place[b])) >= (size[a] + size[b]) / 2


def test_of_too_many_edges_every_channel_has_its_strongest():
    _, graph = next(graphs(gallery(CHAIN, width=30, channels=64)))
    assert graph.number_of_edges() > MANY
    shown = strongest(graph)
    assert len(shown) < graph.number_of_edges()
    drawn_ones = {edge[:2] for edge in shown}
    for node in graph:
        for sides in (graph.in_edges, graph.out_edges):
            if found := list(sides(node, data="relevance")):
                assert max(found, key=lambda edge: abs(edge[2]))[:2] in drawn_ones
    words = " ".join(text.get_text() for text in drawn(graph).axes[0].texts)
    assert f"{len(shown)} of {graph.number_of_edges()} edges" in words


def test_a_layer_without_relevance_is_drawn():
    arrays = gallery(CHAIN)
    arrays["node_backward"][arrays["node_layer"] == 2] = np.nan
    for key in [key for key in arrays if key.startswith("edge_")]:
        arrays[key] = arrays[key][:0]
    _, graph = next(graphs(arrays))
    assert drawn(graph).axes
