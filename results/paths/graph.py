"""The graph of a critical path: nodes are channels, edges carry the relevance that passes between them."""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from posixpath import commonpath

import networkx as nx
import numpy as np
import pandas as pd

SHARES = ("forward", "backward", "relevance")


def graphs(gallery: Mapping[str, np.ndarray]) -> Iterator[tuple[str, nx.DiGraph]]:
    """Yield each image's name and the graph of its path, from the layers near the image (child) to the logit (parent).

    A node is called "layer:channel". The graph's attributes are the image's name, the target and, as lists, the layers
    with their depth, their number of channels and how many channels are kept.
    """
    names = [*map(str, gallery["layers"][0]), "logit"]
    for i, image in enumerate(map(str, gallery["image"])):
        columns = {"depth": "depth", "kept": "layer_kept", "channels": "layer_channels"}
        lists = {key: gallery[column][i].tolist() for key, column in columns.items()}
        graph = nx.DiGraph(image=image, target=str(gallery["target"][i]), layers=names[:-1], **lists)
        keys = ("layer", "channel", "kept", *SHARES)
        nodes = pd.DataFrame({key: gallery[f"node_{key}"] for key in keys})[gallery["node_image"] == image]
        for node in nodes.sort_values(["layer", "channel"]).to_dict("records"):
            graph.add_node(f"{node['layer']}:{node['channel']}", name=names[node["layer"]], **node)
        keys = ("child_layer", "child", "parent_layer", "parent", "relevance")
        edges = pd.DataFrame({key: gallery[f"edge_{key}"] for key in keys})[gallery["edge_image"] == image]
        for edge in edges.to_dict("records"):
            ends = (f"{edge[f'{end}_layer']}:{edge[end]}" for end in ("child", "parent"))
            graph.add_edge(*ends, relevance=edge["relevance"])
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
    nodes = pd.Series(nx.get_node_attributes(graph, "layer"), name="layer").to_frame()
    depths = [*graph.graph["depth"], max(graph.graph["depth"], default=-1) + 1]
    height: dict[str, float] = {}

    def pull(node: str) -> float:
        parents = [(height[parent], abs(relevance)) for _, parent, relevance in graph.out_edges(node, data="relevance")]
        return sum(y * weight for y, weight in parents) / (sum(weight for _, weight in parents) or 1)

    ordered: dict[int, list[str]] = {}
    for depth, part in reversed([*nodes.groupby(nodes.layer.map(depths.__getitem__))]):
        part = part.assign(pull=[pull(node) for node in part.index])
        part["middle"] = part.groupby("layer").pull.transform("mean")
        ordered[depth] = [*part.sort_values(["middle", "layer", "pull"]).index]
        height |= {node: (k + 0.5) / len(part) - 0.5 for k, node in enumerate(ordered[depth])}
    return dict(reversed(ordered.items()))


def captions(graph: nx.DiGraph) -> Iterator[str]:
    """Yield for every depth what the names of its layers start with, and how many channels are kept of how many."""
    layers = pd.DataFrame({key: graph.graph[key] for key in ("depth", "layers", "kept", "channels")})
    for _, part in layers.groupby("depth"):
        start = commonpath(name.replace("_", "/") for name in part.layers)
        yield f"{start.replace('/', ' ')}  {part.kept.sum()}/{part.channels.sum()}"
