"""Draw the heat maps of paths beside those of the whole network."""

import re
import textwrap
from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from results.collect import common
from results.gallery import HEIGHT, SHOWN, maps_of, styled
from results.paths.table import ordered

FOOT = 0.42  # inches of the scale under the maps
SCALE = """\
Red: for the class, blue: against it, white: 0. Every map has its own scale, to the 99.5th percentile of its \
|relevance|; a white map has none. Percentages: mean share of the channels kept."""
WHOLE, PATH = "network", "path selected by"
RULES = re.compile(r"\blrp=(\w+)")


def heatmaps(stored: Mapping[str, Mapping[str, np.ndarray]]) -> Figure:
    """Draw the first images that all selectors have stored: full LRP, then LRP through the path of each selector.

    Each map has its own limits, symmetric around 0, as the scale below says. A selector's name has the mean share of
    channels that it keeps in these images. Selectors with the same rules share one full map, before the first
    of them; a selector that keeps everything has no column beside it.
    """
    images, methods = common(dict(stored))[:SHOWN], ordered(stored)
    at = {method: [list(stored[method]["image"]).index(image) for image in images] for method in methods}
    columns, groups = {}, {}
    for method in methods:
        full, path = (stored[method][part][at[method]] for part in ("full", "maps"))
        if not any(np.allclose(full, columns[name]) for name, group in groups.items() if group == WHOLE):
            rules = RULES.search(method)
            name = f"full LRP [{rules[1]}]" if rules else "full LRP"
            columns[name], groups[name] = full, WHOLE
        if not np.allclose(path, full):
            name = method.removeprefix("path_") + kept(stored[method], at[method])
            columns[name], groups[name] = path, PATH
    pixels, mask, target = (stored[methods[0]][part][at[methods[0]]] for part in ("pixels", "mask", "target"))
    for shown in range(len(images), 0, -1):
        some = {name: maps[:shown] for name, maps in columns.items()}
        figure = maps_of(pixels[:shown], some, dict.fromkeys(columns, True), mask[:shown], target[:shown], groups)
        if figure.get_figheight() + FOOT <= HEIGHT:
            break
    return scaled(figure)


def kept(gallery: Mapping[str, np.ndarray], at: list[int]) -> str:
    """Return the share of channels that a path keeps in some images, nothing where the gallery does not have it."""
    if "layer_kept" not in gallery:
        return ""
    share = gallery["layer_kept"][at].sum() / gallery["layer_channels"][at].sum()
    return f", {100 * share:.2g} %"


@styled
def scaled(figure: Figure) -> Figure:
    """Add under the maps what their colours mean."""
    width, height = figure.get_size_inches()
    (axes,) = figure.axes
    figure.set_size_inches(width, height + FOOT)
    axes.set_position((0, FOOT / (height + FOOT), 1, height / (height + FOOT)))
    bar = figure.add_axes((0.06 / width, 0.2 / (height + FOOT), 0.9 / width, 0.09 / (height + FOOT)))
    bar.imshow(np.linspace(-1, 1, 128)[None], cmap="RdBu_r", aspect="auto")
    bar.set(xticks=[0, 63.5, 127], xticklabels=["against", "0", "for"], yticks=[])
    bar.tick_params(labelsize=6, length=1.5, pad=1)
    for text, place in zip(bar.get_xticklabels(), ("left", "center", "right"), strict=True):
        text.set_horizontalalignment(place)
    words = textwrap.fill(SCALE, int((width - 1.2) / 0.046))
    figure.text(1.1 / width, 0.31 / (height + FOOT), words, size=6, va="top", linespacing=1.15)
    return figure
