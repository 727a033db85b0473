"""Figure of the graph of a critical path."""

import textwrap

import networkx as nx
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.path import Path

from results import style
from results.paths.graph import APART, captions, columns

AGAINST, FOR, FAINT = "#2166ac", "#b2182b", "0.6"  # the ends of the scale of signed maps; what is not kept
ROW, TALL = 17, 330  # points of a row, and of all rows at most
STROKE = 2.4  # points of the strongest edge
MANY, STRONGEST = 3000, 2  # of more edges than can be told apart, the strongest of every channel on either side
NOTE = """\
Columns are layers from the image (left) to the logit; numbers under them say how many channels are kept. A disc is a \
channel, its area the size of its share of the layer's relevance. A line is the relevance that passes between two \
channels over the logit, its width the square root of its size. Only the channels with the most relevance are drawn."""


def drawing(graph: nx.DiGraph, title: str) -> Figure:
    """Draw layers as columns: the area of a disc is |backward share|, the width of an edge the root of |relevance|.

    What the path does not keep is grey and lies behind it.
    """
    layers = columns(graph)
    rows = max(map(len, layers.values()))
    row, step = min(ROW, TALL / rows), 72 * (style.PAGE - 0.7) / len(layers)
    at = nx.multipartite_layout(graph, subset_key=layers)
    (left, top), (right, bottom) = np.min([*at.values()], axis=0), np.max([*at.values()], axis=0)
    pitch, unit = (right - left) / max(len(layers) - 1, 1), (bottom - top) / max(rows - 1, 1) or 1.0
    figure = style.figure(style.PAGE, (rows * row + 95) / 72 + 0.75)
    axes = figure.add_subplot()
    axes.set(xlim=(left - 0.6 * pitch, right + 1.4 * pitch), ylim=(bottom + 0.65 * unit, top - 0.65 * unit), yticks=[])
    edges = _visible(graph)
    strongest = max((abs(relevance) for *_, relevance in edges), default=1)
    _edges(axes, graph, at, edges, strongest, (pitch, 0.65 * unit), min(STROKE, 0.3 * row))
    logit = layers[max(layers)]
    shares = {node: abs(np.nan_to_num(share)) for node, share in graph.nodes(data="backward") if node not in logit}
    scale = min(1.05 * row, 0.8 * step) / max(max(shares.values(), default=0) ** 0.5, 1e-9)
    nodes = sorted(shares, key=lambda node: graph.nodes[node]["kept"])  # those of the path in front
    sizes = [max(scale * shares[node] ** 0.5, 1.2) ** 2 for node in nodes]
    colours = [_colour(graph.nodes[node]["backward"]) if graph.nodes[node]["kept"] else "0.78" for node in nodes]
    axes.scatter(*zip(*(at[node] for node in nodes), strict=True), s=sizes, c=colours, ec="white", lw=0.3, zorder=3)
    for node in logit:
        axes.plot(*at[node], "s", ms=6, color=_colour(graph.nodes[node]["backward"]), mec="none", zorder=5)
        words = "\n".join(textwrap.wrap(graph.graph["target"].split(",")[0], 9)[:4])
        axes.annotate(words, at[node], (6, 0), textcoords="offset points", va="center", weight="bold", parse_math=False)
    _captions(axes, graph, layers, at)
    _legend(axes, max(shares.values(), default=0) or 1, scale, strongest, min(STROKE, 0.3 * row))
    style.heading(figure, title)
    few = f" Of {graph.number_of_edges()} edges, the {len(edges)} strongest ones of the channels are drawn."
    style.note(figure, NOTE + few * (len(edges) < graph.number_of_edges()))
    return figure


def _visible(graph: nx.DiGraph) -> list[tuple[str, str, float]]:
    """Return all edges; where they are too many, the strongest of every channel on either side."""
    edges = [*graph.edges(data="relevance")]
    if len(edges) <= MANY:
        return edges
    by_size = sorted(edges, key=lambda edge: -abs(edge[2]))
    strongest = [pd.DataFrame(by_size).groupby(side).head(STRONGEST).index for side in (0, 1)]
    return [by_size[k] for k in sorted({*strongest[0], *strongest[1]})]


def _edges(axes: Axes, graph: nx.DiGraph, at: dict, edges: list, strongest: float, unit: tuple, stroke: float) -> None:
    """Draw edges as curves, weak ones behind; an edge over several columns bends around the nodes between."""
    curves, widths, colours = [], [], []
    for child, parent, relevance in sorted(edges, key=lambda edge: (_kept(graph, edge), abs(edge[2]))):
        (x0, y0), (x1, y1) = at[child], at[parent]
        bend, lift = (x1 - x0) / 2, unit[1] * (x1 - x0 > 1.5 * unit[0])
        curves.append(Path([(x0, y0), (x0 + bend, y0 - lift), (x1 - bend, y1 - lift), (x1, y1)], [1, 4, 4, 4]))
        size = (abs(relevance) / strongest) ** 0.5
        widths.append(max(0.1, stroke * size))
        kept = _kept(graph, (child, parent))
        colours.append((_colour(relevance), 0.15 + 0.75 * size) if kept else (FAINT, 0.1 + 0.45 * size))
    axes.add_collection(PathCollection(curves, facecolors="none", edgecolors=colours, linewidths=widths))


def _kept(graph: nx.DiGraph, edge: tuple) -> bool:
    return all(graph.nodes[node]["kept"] for node in edge[:2])


def _colour(value: float) -> str:
    return FOR if value >= 0 else AGAINST


def _captions(axes: Axes, graph: nx.DiGraph, layers: dict[int, list[str]], at: dict) -> None:
    """Write under the columns their names and numbers of channels, below a line over the columns of one name."""
    x = np.array([at[nodes[0]][0] for nodes in layers.values()])
    first, last, names, counts = zip(*captions(graph), strict=True)
    left, right = x[list(first)], x[list(last)]
    words = [f"{name}  {count}" for name, count in zip(names, counts, strict=True)]
    axes.set_xticks((left + right) / 2, words, rotation=90, size=style.SMALL)
    style.bare(axes)
    if len(layers) > APART:
        pad, below = 0.3 * (x[1] - x[0]), axes.get_xaxis_transform()
        axes.hlines([0] * len(left), left - pad, right + pad, color="0.5", lw=0.8, clip_on=False, transform=below)


def _legend(axes: Axes, share: float, scale: float, strongest: float, stroke: float) -> None:
    """Say above the graph what areas, widths and colours mean."""
    disc, grey = {"marker": "o", "ls": "", "mec": "none"}, {"color": "0.45"}
    parts = [("share of relevance:", {"color": "none"})]
    parts += [(f"{100 * part:.2g} %", disc | grey | {"ms": scale * part**0.5}) for part in (share, share / 5)]
    parts += [("relevance / logit:", {"color": "none"})]
    parts += [(f"{100 * strongest * part:.2g} %", grey | {"lw": stroke * part**0.5}) for part in (1, 0.1)]
    colours = {"for the class": FOR, "against": AGAINST, "not kept": FAINT}
    parts += [(word, disc | {"color": colour, "ms": 5}) for word, colour in colours.items()]
    handles, gaps = (
        [Line2D([], [], label=word, **look) for word, look in parts],
        {"columnspacing": 0.9, "handletextpad": 0.4, "handlelength": 1.2},
    )
    axes.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1.02), ncols=len(parts), **gaps)
