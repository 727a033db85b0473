"""The graph of a critical path: nodes are channels, edges carry the relevance that passes between them."""

import json
import math
import textwrap
from collections.abc import Iterator, Mapping
from heapq import nlargest
from pathlib import Path
from posixpath import commonpath

import networkx as nx
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from results import style
from results.panels import described

SHARES = ("forward", "backward", "relevance")
AGAINST, FOR, FAINT = "#2166ac", "#b2182b", "0.6"  # the ends of the scale of signed maps; what is not kept
ROW, TALL = 17, 330  # points of a row, and of all rows at most
STROKE = 2.4  # points of the strongest edge
LINES = 3  # of a channel, the strongest ones: more cannot be told apart
STRAIGHT = {"arrows": False}
BENT = {"arrows": True, "arrowstyle": "-", "connectionstyle": "arc3,rad=-0.2", "node_size": 0}
NOTE = f"""\
Columns are layers from the image (left) to the logit; under them stands how many of their channels are kept. A circle \
is a channel, and its area is its share of the layer's relevance; the largest is on top. A line's width grows with the \
square root of the relevance between two channels, divided by the logit; it is bent where it passes a column. The most \
relevant channels are drawn, and of each the {LINES} strongest lines towards the logit."""


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
    """Return the nodes of every depth, layer by layer, the most relevant first; the logit is the deepest."""
    nodes = pd.DataFrame.from_dict(dict(graph.nodes(data=True)), orient="index")
    depths = [*graph.graph["depth"], max(graph.graph["depth"], default=-1) + 1]
    nodes = nodes.assign(depth=nodes.layer.map(depths.__getitem__), size=-nodes.backward.abs())
    nodes = nodes.sort_values(["depth", "layer", "size"], kind="stable")
    return {depth: [*part.index] for depth, part in nodes.groupby("depth")}


def captions(graph: nx.DiGraph) -> Iterator[str]:
    """Yield for every depth what the names of its layers start with, and how many channels are kept of how many."""
    layers = pd.DataFrame({key: graph.graph[key] for key in ("depth", "layers", "kept", "channels")})
    for _, part in layers.groupby("depth"):
        start = commonpath(name.replace("_", "/") for name in part.layers)
        yield f"{start.replace('/', ' ')}: {part.kept.sum()} of {part.channels.sum()}"


def drawing(graph: nx.DiGraph, title: str) -> Figure:
    """Draw layers as columns: the area of a disc is |backward share|, the width of an edge the root of |relevance|.

    What the path does not keep is grey and lies behind it.
    """
    layers = columns(graph)
    rows, logit = max(map(len, layers.values())), layers[max(layers)][0]
    row, step = min(ROW, TALL / rows), 72 * (style.PAGE - 0.7) / len(layers)
    at = {
        node: (x, (len(nodes) - 1) / 2 - k) for x, nodes in enumerate(layers.values()) for k, node in enumerate(nodes)
    }
    figure = style.figure(style.PAGE, (rows * row + 95) / 72 + 0.75)
    axes = figure.add_subplot(xlim=(-0.6, len(layers) + 0.4), ylim=(-rows / 2 - 0.15, rows / 2 + 0.15), yticks=[])
    edges = [edge for node in graph for edge in nlargest(LINES, graph.out_edges(node, data="relevance"), key=_size)]
    edges.sort(key=_size)  # weak ones behind
    strongest, stroke = max((abs(relevance) for *_, relevance in edges), default=1), min(STROKE, 0.3 * row)
    _edges(axes, graph, at, edges, strongest, stroke)
    shares = {node: abs(np.nan_to_num(share)) for node, share in graph.nodes(data="backward") if node != logit}
    largest = max(shares.values(), default=0) or 1
    scale = min(1.05 * row, 0.8 * step) / largest**0.5
    nodes = sorted(shares, key=lambda node: graph.nodes[node]["kept"])  # those of the path in front
    sizes = [max(scale * shares[node] ** 0.5, 1.2) ** 2 for node in nodes]
    colours = [_colour(graph.nodes[node]["backward"]) if graph.nodes[node]["kept"] else "0.78" for node in nodes]
    look = {"edgecolors": "white", "linewidths": 0.3, "ax": axes, "hide_ticks": False}
    nx.draw_networkx_nodes(graph, at, nodes, sizes, colours, **look)
    nx.draw_networkx_nodes(graph, at, [logit], 36, _colour(graph.nodes[logit]["backward"]), "s", **look)
    words = "\n".join(textwrap.wrap(graph.graph["target"].split(",")[0], 9)[:4])
    axes.annotate(words, at[logit], (6, 0), textcoords="offset points", va="center", weight="bold")
    axes.set_xticks(range(len(layers) - 1), captions(graph), rotation=90, size=style.SMALL)
    style.bare(axes)
    _legend(axes, largest, scale, strongest, stroke)
    return described(figure, title, NOTE)


def _edges(axes: Axes, graph: nx.DiGraph, at: dict, edges: list, strongest: float, stroke: float) -> None:
    """Draw edges, those of the path in front; an edge over several columns is bent around the nodes between."""
    kept = {edge[:2]: all(graph.nodes[node]["kept"] for node in edge[:2]) for edge in edges}
    for shape in (STRAIGHT, BENT):
        chosen = [edge for edge in edges if (at[edge[1]][0] - at[edge[0]][0] > 1) == (shape is BENT)]
        chosen.sort(key=lambda edge: kept[edge[:2]])
        sizes = [(abs(relevance) / strongest) ** 0.5 for *_, relevance in chosen]
        colours = [
            to_rgba(_colour(edge[2]), 0.15 + 0.75 * size) if kept[edge[:2]] else to_rgba(FAINT, 0.1 + 0.45 * size)
            for edge, size in zip(chosen, sizes, strict=True)
        ]
        look = {"width": [max(0.1, stroke * size) for size in sizes], "edge_color": colours, "hide_ticks": False}
        nx.draw_networkx_edges(graph, at, [edge[:2] for edge in chosen], ax=axes, **look, **shape)


def _size(edge: tuple[str, str, float]) -> float:
    return abs(edge[2])


def _colour(value: float) -> str:
    return FOR if value >= 0 else AGAINST


def _legend(axes: Axes, share: float, scale: float, strongest: float, stroke: float) -> None:
    """Say above the graph what areas, widths and colours mean."""
    disc, grey = {"marker": "o", "ls": "", "mec": "none"}, {"color": "0.45"}
    parts = [("share of relevance:", {"color": "none"})]
    parts += [(f"{100 * part:.2g} %", disc | grey | {"ms": scale * part**0.5}) for part in (share / 2, share / 10)]
    parts += [("relevance / logit:", {"color": "none"})]
    parts += [(f"{100 * strongest * part:.2g} %", grey | {"lw": stroke * part**0.5}) for part in (1, 0.1)]
    colours = {"for the class": FOR, "against": AGAINST, "not kept": FAINT}
    parts += [(word, disc | {"color": colour, "ms": 5}) for word, colour in colours.items()]
    handles = [Line2D([], [], label=word, **look) for word, look in parts]
    gaps = {"columnspacing": 0.6, "handletextpad": 0.5, "handlelength": 1.2}
    axes.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1.02), ncols=len(parts), **gaps)
