"""Where the nodes of a path's graph go: a column for each depth, branches of one depth above each other."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

import networkx as nx
import numpy as np

from results.gallery import readable

GAP = 1.0  # between two layers of a column, in rows
APART = 20  # columns that can have a name each
NAMED = 2  # parts of a layer's name that tell its block


@dataclass(frozen=True)
class Column:
    """One column: its layers from top to bottom, and the row of each of its nodes, 0 in the middle."""

    layers: list[int]
    rows: dict[str, float]

    @property
    def height(self) -> float:
        return max(map(abs, self.rows.values()), default=0) * 2 + 1


def columns(graph: nx.DiGraph) -> list[Column]:
    """Return the columns from the image to the logit; every node is near the parents that it gives its relevance to."""
    depth = [*graph.graph["depth"], max(graph.graph["depth"], default=-1) + 1]
    members: dict[int, list[str]] = {layer: [] for layer in range(len(depth))}
    for node, layer in graph.nodes(data="layer"):
        members[layer].append(node)
    placed: dict[str, float] = {}
    found = []
    by_depth = groupby(sorted(members, key=lambda layer: (-depth[layer], layer)), key=depth.__getitem__)
    for _, layers in by_depth:
        groups = [(layer, [(pull(graph, node, placed), node) for node in members[layer]]) for layer in layers]
        groups.sort(key=lambda group: np.mean([y for y, _ in group[1]]) if group[1] else 0)
        rows, y = {}, 0.0
        for _, nodes in groups:
            for _, node in sorted(nodes, key=lambda pair: pair[0]):
                rows[node], y = y, y + 1
            y += GAP
        middle = (max(rows.values(), default=0) + min(rows.values(), default=0)) / 2
        rows = {node: row - middle for node, row in rows.items()}
        top = max(map(abs, rows.values()), default=0) or 1
        placed |= {node: row / top for node, row in rows.items()}
        found.append(Column([layer for layer, _ in groups], rows))
    return found[::-1]


def pull(graph: nx.DiGraph, node: str, placed: dict[str, float]) -> float:
    """Return the mean height of a node's parents, each by its share of the relevance between them."""
    parents = [(placed[parent], abs(relevance)) for _, parent, relevance in graph.out_edges(node, data="relevance")]
    total = sum(weight for _, weight in parents)
    return sum(height * weight for height, weight in parents) / total if total else 0.0


def diameter(across: list[Column], shares: Mapping[str, float], row: float, step: float) -> float:
    """Return a node's diameter over the root of its share: as large as leaves neighbours apart."""
    limits = [0.75 * step / share**0.5 for share in shares.values() if share > 0]
    for column in across:
        for (a, top), (b, bottom) in pairwise(sorted(column.rows.items(), key=lambda item: item[1])):
            if both := shares[a] ** 0.5 + shares[b] ** 0.5:
                limits.append(0.92 * 2 * row * (bottom - top) / both)
    return min(limits, default=1)


def labels(graph: nx.DiGraph, across: Sequence[Column]) -> Iterator[tuple[float, str, str, int]]:
    """Yield where a label goes (in columns), a name, how many channels are kept, and over how many columns it goes."""
    names, kept, channels = (graph.graph[key] for key in ("layers", "kept", "channels"))
    dense = len(across) > APART
    parts = [_start([names[layer].split("_") for layer in column.layers]) for column in across[:-1]]
    blocks = [tuple(name[:NAMED]) if dense else (i,) for i, name in enumerate(parts)]
    for _, places in groupby(range(len(blocks)), key=blocks.__getitem__):
        places = list(places)
        layers = [layer for i in places for layer in across[i].layers]
        (name,) = readable(["_".join(parts[places[0]][: NAMED if dense else None])])
        count = f"{sum(kept[layer] for layer in layers)}/{sum(channels[layer] for layer in layers)}"
        yield sum(places) / len(places), name, count, len(places)


def _start(names: list[list[str]]) -> list[str]:
    """Return the parts with which all names start."""
    same = [len(set(parts)) == 1 for parts in zip(*names, strict=False)]
    return names[0][: same.index(False) if False in same else len(same)]
