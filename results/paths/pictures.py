"""Which figures and files a sweep of paths has the data for."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from results import collect
from results.paths import curves, drawing, graph, heatmaps, page, reconstructions
from results.paths.table import ORDER, is_control, layers, named, ordered, shares, stem, table

Gallery = Mapping[str, np.ndarray]
FIRST = ORDER[0]  # whose graph and channels are drawn


def drawn(stored: pd.DataFrame) -> Iterator[tuple[str, Figure]]:
    """Draw curves by data set, and for each model its layers, heat maps, and a graph and channels of path_relevance."""
    scores = named(stored)
    rows = table(scores)
    for dataset, ours in rows.groupby("dataset", sort=False):
        if len(some := shares(ours)) and (some.share < 1).any():
            pages = curves.pages(some)
            for k, part in enumerate(pages, 1):
                yield f"curves_{dataset}" + f"_{k}" * (len(pages) > 1), curves.curves(part, chance(scores, dataset))
    for (dataset, model), ours in rows.groupby(["dataset", "model"], sort=False):
        place = f"{dataset}_{model}"
        if len(some := layers(ours)):
            yield f"layers_{place}", curves.layers(some)
        galleries = of_model(scores, dataset, model)
        if collect.common(galleries):
            yield f"heatmaps_{place}", heatmaps.heatmaps(galleries)
        for method, gallery in galleries.items():
            if stem(method) == FIRST and len(gallery.get("recon_image", ())):
                yield f"reconstructions_{safe(method)}_{place}", reconstructions.reconstructions(gallery, model, method)
            if stem(method) == FIRST and "node_image" in gallery:
                _, first = next(graph.graphs(gallery))
                yield f"graph_{safe(method)}_{place}", drawing.drawn(first)


def written(sweep: Path, stored: pd.DataFrame) -> Iterator[Path]:
    """Write the graph of the first image of each model and selector that is no control, and a page with all."""
    scores = named(stored)
    folder = sweep / "figures"
    folder.mkdir(exist_ok=True)
    for dataset, model in scores[["dataset", "model"]].drop_duplicates().itertuples(index=False):
        for method, gallery in of_model(scores, dataset, model).items():
            if "node_image" in gallery and not is_control(method):
                path = folder / f"graph_{safe(method)}_{dataset}_{model}"
                graphs = list(graph.graphs(gallery))
                yield from graph.write(graphs[0][1], path)
                html = path.with_name(f"{path.name}.html")
                html.write_text(page.page(graphs, gallery, model, method), encoding="utf-8")
                yield html


def of_model(scores: pd.DataFrame, dataset: str, model: str) -> dict[str, Gallery]:
    """Return what each selector has stored of one model's first images."""
    cells = scores[(scores.dataset == dataset) & (scores.model == model) & (scores.image != "")]
    found = collect.galleries(cells) if "folder" in cells and len(cells) else {}
    return {method: found[method] for method in ordered(found)}


def chance(scores: pd.DataFrame, dataset: str) -> pd.Series:
    """Return, by model, the share of images that the network gives the class that it gives most often."""
    cells = scores[(scores.dataset == dataset) & (scores.image != "")]
    if "predicted" not in cells:
        return pd.Series(dtype=float)
    images = cells.drop_duplicates(["model", "image"])
    return images.groupby("model").predicted.agg(lambda classes: classes.value_counts(normalize=True).max())


def safe(method: str) -> str:
    """Return a selector's name for a file."""
    return "".join(letter if letter.isalnum() or letter in "._=-" else "-" for letter in method).strip("-")
