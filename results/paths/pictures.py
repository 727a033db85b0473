"""Which figures and files a sweep of paths has the data for."""

from argparse import Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from results import scores as stored
from results import style
from results.names import plain
from results.paths import graph
from results.paths.comparison import ORDER, layers, shares
from results.paths.curves import curves
from results.paths.drawing import drawing
from results.paths.heatmaps import heatmaps
from results.paths.reconstructions import reconstructions
from results.paths.views import chosen, named


def figures(rows: pd.DataFrame, options: Namespace) -> Iterator[tuple[str, Figure]]:
    """Yield curves over shares, layers, heat maps, and channels and graph of the path by relevance."""
    cells = chosen(rows, options)
    images = cells[cells.image != ""].drop_duplicates([*stored.TABLE, "image"])
    for dataset, part in named(shares(cells), options).groupby("dataset", sort=False):
        classes = images[images.dataset == dataset].groupby("model", observed=True).predicted
        most_frequent = classes.agg(lambda own: own.value_counts(normalize=True).max())
        yield f"curves_{dataset}", curves(part[part["size"] < 1], "share", most_frequent)
    for (dataset, model), part in named(layers(cells), options).groupby(stored.TABLE, sort=False):
        yield f"layers_{dataset}_{model}", curves(part[~(part["size"] == 1)], "layer")
    for dataset, model, galleries in by_network(cells):
        place, network = f"{dataset}_{model}", f"{dataset}, {style.readable([model])[0]}"
        first, *others = ([*map(str, gallery["image"])] for gallery in galleries.values())
        if common := [image for image in first if all(image in names for names in others)]:
            yield f"heatmaps_{place}", heatmaps(galleries, common, f"Heat maps of critical paths on {network}")
        for entry, gallery in galleries.items():
            selector = f"path by {style.readable([entry])[0].lower()} on {network}"
            is_best = entry.partition(" (")[0] == ORDER[0]
            if is_best and len(gallery.get("recon_image", ())):
                yield f"reconstructions_{entry}_{place}", reconstructions(gallery, f"Channels of the {selector}")
            if is_best and "node_image" in gallery:
                image, path = next(graph.graphs(gallery))
                yield f"graph_{entry}_{place}", drawing(path, f"Critical {selector}, image {image}")


def files(rows: pd.DataFrame, folder: Path) -> Iterator[Path]:
    """Write the graph of the first image of each network and selector that is no control; yield the paths."""
    cells = stored.labelled(rows)
    for dataset, model, galleries in by_network(cells[cells.group != "control"]):
        for entry, gallery in galleries.items():
            if "node_image" in gallery:
                _, path = next(graph.graphs(gallery))
                yield from graph.write(path, folder / plain(f"graph_{entry}_{dataset}_{model}"))


def by_network(cells: pd.DataFrame) -> Iterator[tuple[str, str, dict[str, Mapping[str, np.ndarray]]]]:
    """Yield data set, network and what each selector has stored of the first images, relevance first."""
    for (dataset, model), rows in cells.groupby(stored.TABLE, observed=True, sort=False):
        galleries = {entry: kept for entry, kept in stored.galleries(rows).items() if "full" in kept}
        if galleries:
            first = sorted(galleries, key=lambda entry: entry.partition(" (")[0] != ORDER[0])
            yield dataset, model, {entry: galleries[entry] for entry in first}
