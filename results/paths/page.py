"""Write the graphs of critical paths as one HTML file that needs nothing else."""

import base64
import html
import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import matplotlib
import networkx as nx
import numpy as np
from PIL import Image

from results.gallery import readable
from results.paths.graph import undefined
from results.paths.layout import APART, columns, diameter, labels

TEMPLATE = Path(__file__).with_name("page.html")
SIDE = 160  # pixels of a picture, at most
PITCH, ROW = (72, 46), (34, 17)  # pixels of a column and a row: where columns have names of their own, and of blocks
SIGNED, PLAIN = "RdBu_r", "magma"  # as in the other figures
SHOWN = 1500  # edges at first; the slider has the others


def page(graphs: Iterable[tuple[str, nx.DiGraph]], gallery: Mapping[str, np.ndarray], model: str, method: str) -> str:
    """Return the page of a cell's `graphs`; `gallery` has their images and heat maps.

    Names go into the page as text, never as markup, and the page's own policy forbids it to load anything.
    """
    place = {str(image): i for i, image in enumerate(gallery["image"])}
    paths = [picture(graph) | thumbnails(gallery, place[image]) for image, graph in graphs]
    model, method = readable([model, method])
    data = json.dumps({"model": model, "method": method, "paths": paths}, allow_nan=False, separators=(",", ":"))
    for letter in "<>&\u2028\u2029":  # nothing in a name can end the script that holds the data
        data = data.replace(letter, f"\\u{ord(letter):04x}")
    head, tail = TEMPLATE.read_text(encoding="utf-8").split("{{DATA}}")
    head = head.replace("{{COLOURS}}", colours(SIGNED)).replace("{{PLAIN}}", colours(PLAIN))
    return head.replace("{{TITLE}}", html.escape(f"Critical paths: {model}, {method}")) + data + tail


def picture(graph: nx.DiGraph) -> dict[str, object]:
    """Return what the page draws of a graph: places in pixels, nodes and edges as short lists."""
    across = columns(graph)
    dense = len(across) > APART
    step, row = PITCH[dense], ROW[dense]
    last = len(graph.graph["layers"])
    shares = {n: abs(np.nan_to_num(b)) for n, b in graph.nodes(data="backward") if graph.nodes[n]["layer"] < last}
    scale = diameter(across[:-1], shares, row, step)
    top = max(column.height for column in across) / 2
    at = {node: (i, (top + y) * row) for i, column in enumerate(across) for node, y in column.rows.items()}
    order = {node: i for i, node in enumerate(graph)}
    nodes = []
    for node, known in graph.nodes(data=True):
        known = undefined(known)
        values = [short(known[key]) for key in ("forward", "backward", "relevance")]
        wide = max(3.0, scale * shares.get(node, 0) ** 0.5) if node in shares else 0
        column, y = at[node]
        nodes.append([known["layer"], known["channel"], *values, int(known["kept"]), column, short(y), short(wide)])
    found = sorted(graph.edges(data="relevance"), key=lambda edge: abs(edge[2]))
    return {
        "image": graph.graph["image"],
        "target": graph.graph["target"].split(",")[0],
        "layers": [*graph.graph["layers"], "logit"],
        "counts": [f"{k} of {c} kept" for k, c in zip(graph.graph["kept"], graph.graph["channels"], strict=True)],
        "labels": [[i, name, count, span] for i, name, count, span in labels(graph, across)],
        "step": step,
        "height": 2 * top * row,
        "columns": len(across),
        "scale": scale,
        "shown": SHOWN,
        "nodes": nodes,
        "edges": [[order[child], order[parent], short(relevance)] for child, parent, relevance in found],
    }


def short(value: float | None) -> float | None:
    """Return a number with as many digits as are read."""
    return None if value is None else float(f"{value:.4g}")


def thumbnails(gallery: Mapping[str, np.ndarray], i: int) -> dict[str, str | bool]:
    """Return an image, the heat map of its path and that of full LRP as data URIs, and whether maps have a sign."""
    signed = bool(np.all(gallery["signed"][i]))
    maps = {key: coloured(gallery[key][i], signed) for key in ("maps", "full") if key in gallery}
    pictures = {key: uri(pixels) for key, pixels in {"pixels": gallery["pixels"][i], **maps}.items()}
    return pictures | {"signed": signed}


def colours(name: str) -> str:
    """Return the colours of a map's scale for a style sheet, as few as show its course."""
    return ", ".join(matplotlib.colors.to_hex(matplotlib.colormaps[name](k / 8)) for k in range(9))


def coloured(values: np.ndarray, signed: bool) -> np.ndarray:
    """Return a map's colours (h, w, 3), on the scale of the other figures."""
    top = np.quantile(np.abs(values), 0.995) or np.abs(values).max() or 1
    scaled = values / (2 * top) + 0.5 if signed else values / top
    return (matplotlib.colormaps[SIGNED if signed else PLAIN](scaled.clip(0, 1))[..., :3] * 255).astype(np.uint8)


def uri(pixels: np.ndarray) -> str:
    """Return a picture as a data URI."""
    image, file = Image.fromarray(pixels), io.BytesIO()
    image.thumbnail((SIDE, SIDE))
    image.save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
