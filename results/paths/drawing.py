"""Draw the graph of a critical path on a page."""

import textwrap
from collections.abc import Mapping

import networkx as nx
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection, PathCollection
from matplotlib.figure import Figure
from matplotlib.path import Path
from matplotlib.textpath import TextPath

from results.gallery import PAGE, styled
from results.paths.layout import APART, columns, diameter, labels

AGAINST, FOR, FAINT = "#2166ac", "#b2182b", "0.6"  # the ends of the scale of signed maps; what is not kept
LEFT, RIGHT, HEAD, FOOT = 16, 52, 24, 64  # points beside, above and below the graph
ROW, TALL = 17, 300  # points of a row and of all rows, at most
WIDEST = 2.4  # points of the strongest edge
MANY, STRONGEST = 3000, 2  # edges that can be told apart; where there are more, so many of each channel and side

Place = tuple[float, float]


@styled
def drawn(graph: nx.DiGraph) -> Figure:
    """Draw layers as columns, the image at the left and the target's logit at the right.

    A node's area is its |backward share|, an edge's width the root of its |relevance| (they differ by orders of
    magnitude), both on one scale for the whole figure. What the path does not keep is grey, behind it. Of more edges
    than can be told apart each channel has its strongest, and the figure says so.
    """
    across = columns(graph)
    rows = max(column.height for column in across)
    row, step = min(ROW, TALL / rows), (72 * PAGE - LEFT - RIGHT) / (len(across) - 0.5)
    tall = HEAD + (rows + 0.3) * row + FOOT
    figure = Figure((PAGE, tall / 72))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, 72 * PAGE), ylim=(0, tall))  # in points
    axes.set_axis_off()
    middle = FOOT + (rows + 0.3) * row / 2
    at = {
        node: (LEFT + (i + 0.25) * step, middle - y * row)
        for i, column in enumerate(across)
        for node, y in column.rows.items()
    }
    found = [*graph.edges(data="relevance")]
    shown = strongest(graph) if len(found) > MANY else found
    largest = max((abs(relevance) for *_, relevance in found), default=1)
    widest = min(WIDEST, 0.3 * row)
    _edges(axes, graph, at, shown, largest, widest, row, step)
    last = len(graph.graph["layers"])
    shares = {n: abs(np.nan_to_num(b)) for n, b in graph.nodes(data="backward") if graph.nodes[n]["layer"] < last}
    scale = diameter(across[:-1], shares, row, step)
    _nodes(axes, graph, at, {node: scale * share**0.5 for node, share in shares.items()})
    _target(axes, graph, at, shares)
    named = [*labels(graph, across)]
    narrow = max(_width(count, 6) for _, _, count, _ in named) > step - 3
    for i, name, count, span in named:
        _label(axes, LEFT + (i + 0.25) * step, name, count, span * step, len(across) > APART, narrow)
    cut = f"{len(shown)} of {len(found)} edges" if len(shown) < len(found) else ""
    _legend(axes, tall - 10, max(shares.values(), default=0) or 1, scale, largest, widest, cut)
    return figure


def strongest(graph: nx.DiGraph) -> list[tuple[str, str, float]]:
    """Return the strongest edges of every channel, up and down."""
    kept = set()
    for sides in (graph.in_edges, graph.out_edges):
        for node in graph:
            edges = sorted(sides(node, data="relevance"), key=lambda edge: -abs(edge[2]))
            kept.update(edge[:2] for edge in edges[:STRONGEST])
    return [edge for edge in graph.edges(data="relevance") if edge[:2] in kept]


def _edges(
    axes: Axes, graph: nx.DiGraph, at: Mapping[str, Place], shown: list[tuple[str, str, float]],
    largest: float, widest: float, row: float, step: float,
) -> None:  # fmt: skip
    """Draw edges as curves, the weak ones and those of channels that are not kept behind."""
    curves, widths, colours = [], [], []
    for child, parent, relevance in sorted(shown, key=lambda edge: (_kept(graph, edge[:2]), abs(edge[2]))):
        (x0, y0), (x1, y1) = at[child], at[parent]
        bend, lift = (x1 - x0) / 2, 0.65 * row * (x1 - x0 > 1.5 * step)  # past the nodes of the columns between
        curves.append(Path([(x0, y0), (x0 + bend, y0 + lift), (x1 - bend, y1 + lift), (x1, y1)], [1, 4, 4, 4]))
        size = (abs(relevance) / largest) ** 0.5
        widths.append(max(0.1, widest * size))
        colours.append(_shade(relevance, 0.15 + 0.75 * size, _kept(graph, (child, parent))))
    axes.add_collection(PathCollection(curves, facecolors="none", edgecolors=colours, linewidths=widths))


def _nodes(axes: Axes, graph: nx.DiGraph, at: Mapping[str, Place], size: Mapping[str, float]) -> None:
    """Draw channels as discs, those of the path in front."""
    for kept in (False, True):
        names = [node for node in size if graph.nodes[node]["kept"] is kept]
        colours = [_shade(graph.nodes[node]["backward"], 1, True) if kept else "0.78" for node in names]
        if names:
            _discs(axes, [at[node] for node in names], [max(size[node], 0.8) for node in names], colours, 3 + kept)


def _discs(axes: Axes, places: list[Place], sizes: list[float], colours: list[object], above: int = 3) -> None:
    """Draw discs of so many points across."""
    discs = EllipseCollection(sizes, sizes, np.zeros(len(sizes)), units="xy", offsets=places, zorder=above,
                              offset_transform=axes.transData, facecolors=colours, edgecolors="white",
                              linewidths=0.3)  # fmt: skip
    axes.add_collection(discs)


def _target(axes: Axes, graph: nx.DiGraph, at: Mapping[str, Place], shares: Mapping[str, float]) -> None:
    for node in graph.nodes - shares.keys():
        x, y = at[node]
        axes.plot(x, y, "s", ms=6, color=FOR if graph.nodes[node]["backward"] >= 0 else AGAINST, mec="none", zorder=5)
        words = textwrap.wrap(graph.graph["target"].split(",")[0], 9)[:4]
        axes.text(x + 6, y, "\n".join(words), va="center", weight="bold", parse_math=False)


def _kept(graph: nx.DiGraph, nodes: tuple[str, ...]) -> bool:
    return all(graph.nodes[node]["kept"] for node in nodes)


def _shade(value: float, opacity: float, kept: bool) -> tuple[str, float]:
    return (FOR if value >= 0 else AGAINST, opacity) if kept else (FAINT, 0.6 * opacity)


def _label(axes: Axes, x: float, name: str, count: str, width: float, dense: bool, narrow: bool) -> None:
    """Write under a column, or a block of them, how many channels are kept of how many, and its name."""
    if dense:
        axes.plot([x - width / 2 + 2, x + width / 2 - 2], [FOOT, FOOT], color="0.5", lw=0.6)
        axes.text(x, FOOT - 3, f"{name}  {count}", rotation=90, ha="center", va="top", size=6, parse_math=False)
    else:
        words = count.replace("/", "\nof ") if narrow else count
        axes.text(x, FOOT - 2, words, ha="center", va="top", size=6, color="0.3", linespacing=1)
        axes.text(x + 3, FOOT - 11 - 6.5 * narrow, name, rotation=45, rotation_mode="anchor", ha="right", va="top",
                  size=6.5, parse_math=False)  # fmt: skip


def _legend(axes: Axes, y: float, share: float, scale: float, largest: float, widest: float, cut: str) -> None:
    """Say along the top what areas, widths and colours mean."""
    x = 6.0

    def text(words: str, gap: float) -> None:
        nonlocal x
        axes.text(x, y, words, va="center", size=6.5)
        x += 1.03 * _width(words, 6.5) + gap

    text("|share of relevance|", 4)
    for part in (_round(share), _round(share / 5)):
        size = scale * part**0.5
        _discs(axes, [(x + size / 2, y)], [size], ["0.45"])
        x += size + 2
        text(f"{100 * part:g} %", 6)
    x += 6
    text("|relevance / logit|", 4)
    for part in (_round(largest), _round(largest / 10), _round(largest / 100)):
        axes.plot([x, x + 12], [y, y], color="0.45", lw=widest * (part / largest) ** 0.5, solid_capstyle="butt")
        x += 14
        text(f"{100 * part:g} %", 6)
    x += 6
    for colour, words in ((FOR, "for the class"), (AGAINST, "against"), (FAINT, "not kept")):
        _discs(axes, [(x + 3, y)], [5], [colour])
        x += 7
        text(words, 6)
    axes.text(72 * PAGE - 4, y - 10, cut, ha="right", va="center", size=6, color="0.3")


def _width(words: str, size: float) -> float:
    return float(TextPath((0, 0), words, size=size).get_extents().width)


def _round(value: float) -> float:
    """Return the largest number with one digit, 1, 2 or 5, that is not above a positive value."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(max(digit for digit in (1, 2, 5) if digit * power <= value * (1 + 1e-9)) * power)
