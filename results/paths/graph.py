"""The graph of a critical path: nodes are channels, edges carry the relevance that passes between them."""

import json
import math
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path

import networkx as nx
import numpy as np

SHARES = ("forward", "backward", "relevance")
BLOCK = 2  # parts of a layer's name that name its block, as mixed_5b_branch1x1 is in mixed_5b
APART = 20  # more columns than this have no room for a name each


def graphs(gallery: Mapping[str, np.ndarray]) -> Iterator[tuple[str, nx.DiGraph]]:
    """Yield each image's name and the graph of its path, from the layers near the image (child) to the logit (parent).

    A node is called "layer:channel". The graph's attributes are the image's name, the target and, as lists, the layers
    with their depth, their number of channels and how many channels are kept.
    """
    names, ends = [*map(str, gallery["layers"][0]), "logit"], ("child", "parent")
    for i, image in enumerate(map(str, gallery["image"])):
        lists = {
            key: gallery[column][i].tolist()
            for key, column in (("depth", "depth"), ("kept", "layer_kept"), ("channels", "layer_channels"))
        }
        graph = nx.DiGraph(image=image, target=str(gallery["target"][i]), layers=names[:-1], **lists)
        here = gallery["node_image"] == image
        columns = {key: gallery[f"node_{key}"][here].tolist() for key in ("layer", "channel", "kept", *SHARES)}
        for values in sorted(zip(*columns.values(), strict=True)):
            node = dict(zip(columns, values, strict=True))
            graph.add_node(f"{node['layer']}:{node['channel']}", name=names[node["layer"]], **node)
        here = gallery["edge_image"] == image
        columns = [gallery[f"edge_{end}{kind}"][here].tolist() for end in ends for kind in ("_layer", "")]
        for *pair, relevance in zip(*columns, gallery["edge_relevance"][here].tolist(), strict=True):
            graph.add_edge(f"{pair[0]}:{pair[1]}", f"{pair[2]}:{pair[3]}", relevance=relevance)
        yield image, graph


def write(graph: nx.DiGraph, stem: Path) -> Iterator[Path]:
    """Write STEM.graphml and STEM.json, which has null where a share is undefined; yield the paths.

    GraphML has no lists, so that those of the graph are JSON there.
    """
    plain = graph.copy()
    plain.graph = {key: json.dumps(value) if isinstance(value, list) else value for key, value in graph.graph.items()}
    data = nx.node_link_data(graph, edges="edges")
    for node in data["nodes"]:
        node |= {key: None for key in SHARES if math.isnan(node[key])}
    graphml, plain_json = stem.with_name(f"{stem.name}.graphml"), stem.with_name(f"{stem.name}.json")
    nx.write_graphml(plain, graphml, encoding="utf-8")
    plain_json.write_text(json.dumps(data, allow_nan=False), encoding="utf-8")
    yield from (graphml, plain_json)


def columns(graph: nx.DiGraph) -> dict[int, list[str]]:
    """Return the nodes of every depth, each list ordered by the height of the parents that get a node's relevance.

    Layers of one depth stay together, and so do their columns: the logit is the deepest.
    """
    depth = [*graph.graph["depth"], max(graph.graph["depth"], default=-1) + 1]
    layer_of = nx.get_node_attributes(graph, "layer")
    height: dict[str, float] = {}

    def pull(node: str) -> float:
        parents = [(height[parent], abs(relevance)) for _, parent, relevance in graph.out_edges(node, data="relevance")]
        total = sum(weight for _, weight in parents)
        return sum(y * weight for y, weight in parents) / total if total else 0.0

    ordered: dict[int, list[str]] = {}
    for place in sorted({depth[layer] for layer in layer_of.values()}, reverse=True):
        pulls = {node: pull(node) for node in graph if depth[layer_of[node]] == place}
        layers: dict[int, list[float]] = {}
        for node, y in pulls.items():
            layers.setdefault(layer_of[node], []).append(y)
        nodes = sorted(pulls, key=lambda node: (np.mean(layers[layer_of[node]]), layer_of[node], pulls[node]))
        height |= dict(zip(nodes, np.linspace(-1, 1, len(nodes)) if len(nodes) > 1 else [0.0], strict=True))
        ordered[place] = nodes
    return dict(reversed(ordered.items()))


def captions(graph: nx.DiGraph) -> Iterator[tuple[int, int, str, str]]:
    """Yield first and last column of every label, its name, and how many channels are kept of how many.

    Every column has a label while there is room, else every block of layers that share the start of their names.
    """
    by_depth: dict[int, list[int]] = {}
    for layer, place in enumerate(graph.graph["depth"]):
        by_depth.setdefault(place, []).append(layer)
    crowded = len(by_depth) > APART
    names = [_start([graph.graph["layers"][layer].split("_") for layer in layers]) for layers in by_depth.values()]
    blocks = [tuple(name[:BLOCK]) if crowded else column for column, name in enumerate(names)]
    for _, run in groupby(range(len(blocks)), key=blocks.__getitem__):
        first, *_, last = (*(run := list(run)), run[-1])
        layers = [layer for column in run for layer in [*by_depth.values()][column]]
        kept, channels = (sum(graph.graph[key][layer] for layer in layers) for key in ("kept", "channels"))
        yield first, last, " ".join(names[first][: BLOCK if crowded else None]), f"{kept}/{channels}"


def _start(names: list[list[str]]) -> list[str]:
    """Return the parts with which all names start."""
    same = [len(set(parts)) == 1 for parts in zip(*names, strict=False)]
    return names[0][: same.index(False) if False in same else len(same)]
