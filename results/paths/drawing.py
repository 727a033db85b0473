"""Figures and files of a sweep of paths: what it has the data for, heat maps, and what the channels of a path show."""

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
from results.paths.views import chosen, named
from results.pictures import OUTLINED, SCALED, Column, grid
from results.scores import common

IMAGES = 4  # of the figure of heat maps
HEATMAPS = f"""\
Each heat map is the relevance that comes down to the pixels: by LRP through the whole network (Full LRP), and by LRP \
through the channels of one path only. {SCALED} A white map has no relevance. Percentages are the mean share of the \
channels that a path keeps in these images."""
RECONSTRUCTIONS = """\
Rows are layers, and each block of three pictures is one of their strongest channels, projected back to the pixels by \
a DeconvNet. From left to right: the part of the image that the channel's largest activation sees (white: beyond the \
image), what that activation alone shows there, and what the channel's whole map shows in the whole image, with that \
part outlined. \
Percentages are a channel's share of its layer's relevance. r is the mean correlation between the whole maps of a row; \
where it is near 1, the pictures say little about single channels. Grey is zero; colours end at the 1st and 99th \
percentile."""


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
        place, network = f"{dataset}_{model}", " on ".join(style.readable([model, dataset]))
        if images := common(galleries):
            yield f"heatmaps_{place}", heatmaps(galleries, images, f"Heat maps of critical paths through {network}")
        for entry, gallery in galleries.items():
            selector = f"path by {style.readable([entry])[0].lower()} through {network}"
            is_best = entry.partition(" (")[0] == ORDER[0]
            if is_best and len(gallery.get("recon_image", ())):
                yield f"reconstructions_{entry}_{place}", reconstructions(gallery, f"Channels of the {selector}")
            if is_best and "node_image" in gallery:
                _, path = next(graph.graphs(gallery))
                yield f"graph_{entry}_{place}", graph.drawing(path, f"Critical {selector}, first image")


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


def heatmaps(galleries: Mapping[str, Mapping[str, np.ndarray]], images: list[str], title: str) -> Figure:
    """Draw some images, LRP through the whole network, and LRP through the path of each selector.

    Selectors with the same rules of LRP share one full map; a path that keeps everything has no column of its own.
    """
    maps: dict[str, np.ndarray] = {}
    for entry, gallery in galleries.items():
        at = [list(gallery["image"]).index(image) for image in images[:IMAGES]]
        full, path = gallery["full"][at], gallery["maps"][at]
        if not any(np.allclose(full, other) for other in maps.values()):
            settings = entry.partition(" (")[2]
            maps["Full LRP" + f" ({settings}" * bool(settings)] = full
        if not np.allclose(path, full):
            kept = gallery["layer_kept"][at].sum() / gallery["layer_channels"][at].sum()
            maps[f"{style.readable([entry])[0]}\n{100 * kept:.2g} %"] = path
    columns = [Column(name, own, signed=True) for name, own in maps.items()]
    lead = Column("image", gallery["pixels"][at], outlines=gallery["mask"][at])
    note = HEATMAPS + f" {OUTLINED}" * bool(gallery["mask"][at].any())
    return grid(columns, gallery["target"][at], f"{title}, {{shown}} images", note, lead)


def reconstructions(gallery: Mapping[str, np.ndarray], title: str) -> Figure:
    """Draw the strongest channels of a path in the first image that has reconstructions: layers down."""
    name = gallery["recon_image"][0]
    at = list(gallery["image"]).index(name)
    layers, channels, boxes, pictures = (gallery[f"recon{part}"][0] for part in ("_layer", "_channel", "_box", ""))
    pixels, columns = gallery["pixels"][at] / 255, []
    fields = np.stack([windows(own, pixels.shape[:2]) for own in boxes])
    for k, own in enumerate(channels.T):
        parts, outlines, words = [], np.zeros((len(own), *pixels.shape[:2]), dtype=bool), []
        for row, channel in enumerate(own):
            maximum, every = map(visible, pictures[row, k].astype(float))
            three = *(cropped(picture, fields[row, k]) for picture in (pixels, maximum)), every
            parts.append(three if channel >= 0 else [np.ones_like(picture) for picture in three])
            top, left, bottom, right = boxes[row, k]
            outlines[row, top:bottom, left:right] = channel >= 0
            words.append(f"channel {channel}{_share(gallery, name, layers[row], channel)}" if channel >= 0 else "")
        more = {"words": words}, {}, {"outlines": outlines}
        for said, shown, about in zip(("image", "maximum", "whole map"), zip(*parts, strict=True), more, strict=True):
            columns.append(Column(said, shown, f"no. {k + 1} by relevance", **about))
    said = [str(gallery["layers"][at, layer]).replace("_", " ") for layer in layers]
    same = [alike(own[known, 1].astype(float)) for own, known in zip(pictures, channels >= 0, strict=True)]
    rows = [layer + f"\nr = {r:.2f}" * (r == r) for layer, r in zip(said, same, strict=True)]
    place = f"{title}, an image of the class {str(gallery['target'][at]).split(',')[0]}"
    return grid(columns, rows, place, RECONSTRUCTIONS, together=3)


def windows(boxes: np.ndarray, image: tuple[int, int]) -> np.ndarray:
    """Return squares of one size around fields (k, 4) that the image may limit: top, left, bottom, right."""
    ends, side = [], (boxes[:, 2:] - boxes[:, :2]).max()
    for low, high, size in zip(boxes[:, :2].T, boxes[:, 2:].T, image, strict=True):
        lack = side - (high - low)
        before = np.where((low > 0) & (high == size), 0, np.where((low == 0) & (high < size), lack, lack // 2))
        ends.append((low - before, high + lack - before))
    (top, bottom), (left, right) = ends
    return np.stack([top, left, bottom, right], 1)


def cropped(picture: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Return a part of a picture (h, w, 3), white beyond it."""
    side = max(picture.shape)
    top, left, bottom, right = np.asarray(window, int) + side
    return np.pad(picture, ((side, side), (side, side), (0, 0)), constant_values=1)[top:bottom, left:right]


def visible(picture: np.ndarray) -> np.ndarray:
    """Return a signed picture (h, w, 3) between 0 and 1, zero at a half, clipped at its 1st and 99th percentile."""
    limit = np.abs(np.percentile(picture, (1, 99))).max() or np.abs(picture).max() or 1
    return np.clip(0.5 + 0.5 * picture / limit, 0, 1)


def alike(pictures: np.ndarray) -> float:
    """Return the mean correlation between pictures (k, h, w, 3) that are not constant, nan for fewer than two."""
    flat = [picture.ravel() for picture in pictures if np.ptp(picture) > 0]
    return float(np.corrcoef(flat)[np.triu_indices(len(flat), 1)].mean()) if len(flat) > 1 else float("nan")


def _share(gallery: Mapping[str, np.ndarray], image: str, layer: int, channel: int) -> str:
    """Return a channel's share of its layer's relevance in words, or nothing where the gallery does not have it."""
    node = (gallery["node_image"] == image) & (gallery["node_layer"] == layer) & (gallery["node_channel"] == channel)
    return f", {100 * abs(gallery['node_backward'][node][0]):.1f} %" if node.any() else ""
