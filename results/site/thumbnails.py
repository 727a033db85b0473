"""Small pictures of maps, which stand beside the names of entries."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image

from results.pictures import SCALES, top

SIDE = 64  # pixels; a page shows them half as large


def maps_of(gallery: Mapping[str, np.ndarray]) -> tuple[np.ndarray | None, dict[str, np.ndarray]]:
    """Return the images (n, h, w, 3) that a cell keeps, and its masks and maps (n, h, w) of their size."""
    pixels = next((a for a in gallery.values() if a.ndim == 4 and a.shape[-1] == 3 and a.dtype == np.uint8), None)
    own = {} if pixels is None else {name: a for name, a in gallery.items() if a.shape == pixels.shape[:3]}
    return pixels, own


def shown(gallery: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """Return the maps (n, h, w) that a small picture is made of; None where the cell keeps none."""
    maps = {name: a for name, a in maps_of(gallery)[1].items() if a.dtype.kind == "f"}
    return next(iter(maps.values()), None)


def write(gallery: Mapping[str, np.ndarray], file: Path) -> None:
    """Draw the map of a cell's first image with the colours of the figures."""
    maps = shown(gallery)
    signed, first = bool((maps < 0).any()), maps[0]
    end = top(first)
    scaled = np.clip(0.5 + first / end / 2 if signed else first / end, 0, 1)
    colours = matplotlib.colormaps[SCALES[signed][0]](scaled, bytes=True)[..., :3]
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(colours).resize((SIDE, SIDE), Image.Resampling.BOX).save(file, optimize=True)
