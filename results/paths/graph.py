"""The graph of a critical path: nodes are channels, edges the relevance between them."""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import networkx as nx
import numpy as np

NODE = ("forward", "backward", "relevance")


def graphs(gallery: Mapping[str, np.ndarray]) -> Iterator[tuple[str, nx.DiGraph]]:
    """Yield each image and the graph of its path, child to parent: from the layers near the image to the logit.

    A node is "layer:channel". Graph attributes are the image's name, the target and, as lists, the layers with their
    depth, their channels and how many are kept.
    """
    flat = {key: gallery[key].tolist() for key in gallery if key.startswith(("node_", "edge_"))}
    for i, image in enumerate(map(str, gallery["image"])):
        names = [*map(str, gallery["layers"][i])]
        graph = nx.DiGraph(
            image=image,
            target=str(gallery["target"][i]),
            layers=names,
            depth=gallery["depth"][i].tolist(),
            kept=gallery["layer_kept"][i].tolist(),
            channels=gallery["layer_channels"][i].tolist(),
        )
        mine = np.flatnonzero(gallery["node_image"] == image)
        for at in mine[np.lexsort((gallery["node_channel"][mine], gallery["node_layer"][mine]))]:
            layer, channel = flat["node_layer"][at], flat["node_channel"][at]
            graph.add_node(
                f"{layer}:{channel}",
                layer=layer,
                name=[*names, "logit"][layer],
                channel=channel,
                kept=flat["node_kept"][at],
                **{key: flat[f"node_{key}"][at] for key in NODE},
            )
        for at in np.flatnonzero(gallery["edge_image"] == image):
            ends = (f"{flat[f'edge_{end}_layer'][at]}:{flat[f'edge_{end}'][at]}" for end in ("child", "parent"))
            graph.add_edge(*ends, relevance=flat["edge_relevance"][at])
        yield image, graph


def undefined(attributes: Mapping[str, object]) -> dict[str, object]:
    """Return attributes with None for nan, which JSON does not have."""
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in attributes.items()}


def node_link(graph: nx.DiGraph) -> dict[str, object]:
    """Return the graph as node-link data, null where a share is undefined."""
    data = nx.node_link_data(graph, edges="edges")
    return data | {kind: [undefined(each) for each in data[kind]] for kind in ("nodes", "edges")}


def write(graph: nx.DiGraph, stem: Path) -> tuple[Path, Path]:
    """Write STEM.graphml and STEM.json; GraphML has no lists, so there they are JSON."""
    paths = stem.with_name(f"{stem.name}.graphml"), stem.with_name(f"{stem.name}.json")
    plain = graph.copy()
    plain.graph = {k: json.dumps(v) if isinstance(v, list) else v for k, v in graph.graph.items()}
    nx.write_graphml(plain, paths[0], encoding="utf-8")
    paths[1].write_text(json.dumps(node_link(graph), allow_nan=False), encoding="utf-8")
    return paths
