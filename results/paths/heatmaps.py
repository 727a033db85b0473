"""Draw the heat maps of paths beside those of the whole network."""

import re
from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from results.collect import common
from results.gallery import SHOWN, maps_of
from results.paths.table import ordered

WHOLE, PATH = "network", "path selected by"
RULES = re.compile(r"\blrp=(\w+)")


def heatmaps(stored: Mapping[str, Mapping[str, np.ndarray]]) -> Figure:
    """Draw the first images that all selectors have stored: full LRP, then LRP through the path of each selector.

    Each map has its own limits, symmetric around 0. Selectors with the same rules share one full map, before the first
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
            name = method.removeprefix("path_")
            columns[name], groups[name] = path, PATH
    pixels, mask, target = (stored[methods[0]][part][at[methods[0]]] for part in ("pixels", "mask", "target"))
    return maps_of(pixels, columns, dict.fromkeys(columns, True), mask, target, groups)
