"""Figure of the graph of a critical path."""

import textwrap

import networkx as nx
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from results import style
from results.paths.graph import captions, columns

AGAINST, FOR, FAINT = "#2166ac", "#b2182b", "0.6"  # the ends of the scale of signed maps; what is not kept
ROW, TALL = 17, 330  # points of a row, and of all rows at most
STROKE = 2.4  # points of the strongest edge
MANY = 3000  # edges, the strongest ones, that can be told apart
STRAIGHT = {"arrows": False}
BENT = {"arrows": True, "arrowstyle": "-", "connectionstyle": "arc3,rad=-0.2", "node_size": 0}
NOTE = """\
Columns are layers from the image (left) to the logit; numbers under them say how many channels are kept. A disc is a \
channel, its area the size of its share of the layer's relevance. A line is the relevance that passes between two \
channels over the logit, its width the square root of its size; it is bent where it passes a column. Only the channels \
with the most relevance are drawn."""


def drawing(graph: nx.DiGraph, title: str) -> Figure:
    """Draw layers as columns: the area of a disc is |backward share|, the width of an edge the root of |relevance|.

    What the path does not keep is grey and lies behind it.
    """
    layers = columns(graph)
    rows, logit = max(map(len, layers.values())), layers[max(layers)][0]
    row, step = min(ROW, TALL / rows), 72 * (style.PAGE - 0.7) / len(layers)
    at = {
        node: (x, k - (len(nodes) - 1) / 2) for x, nodes in enumerate(layers.values()) for k, node in enumerate(nodes)
    }
    figure = style.figure(style.PAGE, (rows * row + 95) / 72 + 0.75)
    axes = figure.add_subplot(xlim=(-0.6, len(layers) + 0.4), ylim=(-rows / 2 - 0.15, rows / 2 + 0.15), yticks=[])
    edges = sorted(graph.edges(data="relevance"), key=lambda edge: abs(edge[2]))[-MANY:]  # weak ones behind
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
    axes.annotate(words, at[logit], (6, 0), textcoords="offset points", va="center", weight="bold", parse_math=False)
    axes.set_xticks(range(len(layers) - 1), captions(graph), rotation=90, size=style.SMALL)
    style.bare(axes)
    _legend(axes, largest, scale, strongest, stroke)
    style.heading(figure, title)
    few = f" Of {graph.number_of_edges()} edges, the {MANY} strongest ones are drawn."
    style.note(figure, NOTE + few * (graph.number_of_edges() > MANY))
    return figure


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
