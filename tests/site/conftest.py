"""A site of a small sweep of maps with pictures, and of a published sweep of another kind."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from results.site import graphs, pages, sweeps
from results.site.figures import Picture
from results.site.layout import HERE, Site
from tests.results import synthetic

PUBLISHED = Path(__file__).parents[2] / "results" / "published"
ENTRIES = ["gradient", "lrp_epsilon_plus", "uniform", "constant"]
METRICS = ["deletion", "faithfulness_correlation", "completeness"]
PICTURED = 2  # images of which cells keep pictures
EMPTY = {"views": [], "figures": [], "images": [], "graphs": []}


@pytest.fixture(scope="session")
def shown(tmp_path_factory) -> list[sweeps.Sweep]:
    """Two sweeps, one with scores that are undefined and an entry that does not apply to a network."""
    folder = tmp_path_factory.mktemp("sweeps") / "maps & <more>"
    synthetic.write(folder, synthetic.scores(ENTRIES, METRICS, images=6))
    for cell in folder.rglob("scores.parquet"):
        first = pd.read_parquet(cell, partitioning=None).iloc[0]
        if first.status != "inapplicable":
            np.savez(cell.with_name("gallery.npz"), **synthetic.gallery(first.entry, PICTURED))
    return [sweeps.opened(str(path)) for path in (folder, PUBLISHED / "photos_units.json")]


@pytest.fixture(scope="session")
def site(shown, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    pages.write(shown, folder, "A <site>")
    return folder


@pytest.fixture
def graph(shown, tmp_path) -> Path:
    """A page with the graph of a path of three layers, and with its figure."""
    nodes = [
        {"id": f"{layer}:{channel}", "layer": layer, "channel": channel, "name": name, "kept": channel < 2}
        | {"backward": 0.5 / (1 + channel) * (-1) ** channel}
        for layer, name in enumerate(("first", "second", "logit"))
        for channel in range(1 if name == "logit" else 3)
    ]
    ends = [(f"0:{k}", f"1:{j}") for k in range(3) for j in range(3)] + [(f"1:{k}", "2:0") for k in range(3)]
    edges = [{"source": a, "target": b, "relevance": (-1) ** k / (1 + k)} for k, (a, b) in enumerate(ends)]
    folder = tmp_path / "sweeps" / "one"
    (folder / "figures").mkdir(parents=True)
    content = {"graph": {"depth": [0, 1]}, "nodes": nodes, "edges": edges}
    (folder / "figures" / "graph_one.json").write_text(json.dumps(content))
    shutil.copytree(HERE / "assets", tmp_path / "assets")
    Image.new("RGB", (40, 20)).save(folder / "figures" / "graph_one.png")
    picture = Picture("graph_one", "figures/graph_one.png", 40, 20, "The graph")
    found = EMPTY | {"graphs": graphs.written(folder, [picture])}
    site = Site(tmp_path, "a graph", shown)
    site.page("graphs.html", "sweeps/one/graphs.html", view="graphs", sweep=shown[0], **found)
    return folder / "graphs.html"
