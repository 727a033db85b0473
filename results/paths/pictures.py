"""Which figures and files a sweep of paths has the data for."""

from argparse import Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from results import scores as stored
from results import style
from results.paths import curves, drawing, graph, heatmaps, reconstructions
from results.paths.comparison import ORDER, layers, shares
from results.paths.views import chosen, named

MODELS = 3  # networks beside each other


def figures(rows: pd.DataFrame, options: Namespace) -> Iterator[tuple[str, Figure]]:
    """Yield curves over shares, layers, heat maps, and channels and graph of the path by relevance."""
    cells = chosen(rows, options)
    for dataset, part in named(shares(cells), options).groupby("dataset", sort=False):
        part, models = part[part["size"] < 1], list(part.model.unique())
        for k in range(0, len(models), MODELS):
            page = part[part.model.isin(models[k : k + MODELS])]
            if (page.share < 1).any():
                ending = f"_{k // MODELS + 1}" * (len(models) > MODELS)
                yield f"curves_{dataset}{ending}", curves.curves(page, most_frequent(cells, dataset))
    for (dataset, model), part in named(layers(cells), options).groupby(stored.TABLE, sort=False):
        yield f"layers_{dataset}_{model}", curves.depth(part[~part.entry.isin(part.entry[part["size"] == 1])])
    for dataset, model, galleries in by_network(cells):
        place, network = f"{dataset}_{model}", f"{dataset}, {style.readable([model])[0]}"
        if images := common(galleries):
            title = f"Heat maps of critical paths on {network}"
            yield f"heatmaps_{place}", heatmaps.heatmaps(galleries, images[: heatmaps.IMAGES], title)
        for entry, gallery in galleries.items():
            if entry.partition(" (")[0] != ORDER[0]:
                continue
            (selector,) = style.readable([entry])
            if len(gallery.get("recon_image", ())):
                title = f"Channels of the path by {selector.lower()} on {network}"
                yield f"reconstructions_{entry}_{place}", reconstructions.reconstructions(gallery, title)
            if "node_image" in gallery:
                image, first = next(graph.graphs(gallery))
                title = f"Critical path by {selector.lower()} on {network}, image {image}"
                yield f"graph_{entry}_{place}", drawing.drawing(first, title)


def files(rows: pd.DataFrame, folder: Path) -> Iterator[Path]:
    """Write the graph of the first image of each network and selector that is no control; yield the paths."""
    from results.names import plain

    cells = stored.labelled(rows)
    for dataset, model, galleries in by_network(cells[cells.group != "control"]):
        for entry, gallery in galleries.items():
            if "node_image" in gallery:
                _, first = next(graph.graphs(gallery))
                yield from graph.write(first, folder / plain(f"graph_{entry}_{dataset}_{model}"))


def by_network(cells: pd.DataFrame) -> Iterator[tuple[str, str, dict[str, Mapping[str, np.ndarray]]]]:
    """Yield data set, network and what each selector has stored of the first images, relevance first."""
    for (dataset, model), rows in cells.groupby(stored.TABLE, observed=True, sort=False):
        galleries = {entry: kept for entry, kept in stored.galleries(rows).items() if "full" in kept}
        if galleries:
            first = sorted(galleries, key=lambda entry: entry.partition(" (")[0] != ORDER[0])
            yield dataset, model, {entry: galleries[entry] for entry in first}


def common(galleries: Mapping[str, Mapping[str, np.ndarray]]) -> list[str]:
    """Return the images that all selectors have stored."""
    first, *others = ([*map(str, gallery["image"])] for gallery in galleries.values())
    return [image for image in first if all(image in images for images in others)]


def most_frequent(cells: pd.DataFrame, dataset: str) -> pd.Series:
    """Return, by network, the share of images that it gives the class that it gives most often."""
    images = cells[(cells.dataset == dataset) & (cells.image != "")].drop_duplicates(["model", "image"])
    return images.groupby("model", observed=True).predicted.agg(
        lambda classes: classes.value_counts(normalize=True).max()
    )
