"""Graphs that a kind writes as node-link JSON beside its figures, laid out for a page on which they can be explored.

Nodes have a `layer`, a `name`, a `channel`, whether they are `kept`, and their share of relevance (`backward`); edges
have a `relevance`; the graph has the `depth` of each layer. What follows from the image stands left.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from heapq import nlargest
from pathlib import Path
from urllib.parse import quote

from results.site.figures import Picture

EDGES = 1500  # the strongest ones: a browser draws them at once, and nobody can tell more apart
ACROSS, DOWN, LARGEST = 90, 16, 22  # pixels between columns and rows, and of the largest node


@dataclass(frozen=True)
class Graph:
    name: str
    elements: Mapping  # nodes and edges with their places
    edges: int  # of the whole graph
    picture: Picture | None  # the figure of the same graph
    links: Mapping[str, str]


def written(folder: Path, pictures: Iterable[Picture]) -> list[Graph]:
    """Return the graphs that lie in folder/figures."""
    by_name, found = {picture.name: picture for picture in pictures}, []
    for file in sorted((folder / "figures").glob("*.json")):
        data = json.loads(file.read_text(encoding="utf-8"))
        kinds = {"JSON": file, "GraphML": file.with_suffix(".graphml")}
        links = {name: f"figures/{quote(own.name)}" for name, own in kinds.items() if own.exists()}
        if data.get("nodes") and "edges" in data:
            found.append(Graph(file.stem, elements(data), len(data["edges"]), by_name.get(file.stem), links))
    return found


def elements(data: Mapping) -> dict[str, list[dict]]:
    """Return nodes in columns by the depth of their layer, the most relevant on top, and the strongest edges."""
    depth = [*data["graph"]["depth"], max(data["graph"]["depth"], default=-1) + 1]
    shares = {node["id"]: abs(node["backward"] or 0) for node in data["nodes"]}
    largest = max((share for node, share in shares.items() if share < 1), default=0) or 1
    strongest = max((abs(edge["relevance"]) for edge in data["edges"]), default=0) or 1
    rows, nodes = Counter(), []
    for node in sorted(data["nodes"], key=lambda node: -shares[node["id"]]):
        column, share = depth[node["layer"]], shares[node["id"]]
        said = node["name"] if node["layer"] == len(depth) - 1 else f"{node['name']}, channel {node['channel']}"
        look = "off" if not node["kept"] else "for" if (node["backward"] or 0) >= 0 else "against"
        own = {"id": node["id"], "said": said, "share": float(f"{share:.3g}"), "look": look}
        own["size"] = round(4 + LARGEST * min(share / largest, 1) ** 0.5, 1)
        nodes.append({"data": own, "position": {"x": ACROSS * column, "y": DOWN * rows[column]}})
        rows[column] += 1
    edges = []
    for edge in nlargest(EDGES, data["edges"], key=lambda edge: abs(edge["relevance"])):
        value = float(f"{edge['relevance']:.3g}")
        own = {"source": edge["source"], "target": edge["target"], "value": value}
        own["width"] = round(0.2 + 4 * (abs(value) / strongest) ** 0.5, 2)
        edges.append({"data": own | {"look": "for" if value >= 0 else "against"}})
    return {"nodes": nodes, "edges": edges}
