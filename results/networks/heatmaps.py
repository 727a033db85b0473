"""Draw clean and attacked images beside their maps, networks below each other."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from results.collect import common
from results.gallery import HEIGHT, PAGE, readable, styled

HEADS = ("image", "map", "attacked", "its map")
PAIR = 2  # images beside each other
ASIDE, OVER, UNDER, GAP = 0.75, 0.34, 0.13, 0.12  # inches: network, heads, class, between images
Gallery = Mapping[str, np.ndarray]


def rows_of(stored: Mapping[str, Gallery], images: Sequence[str]) -> list[str]:
    """Return the images to draw: those that all networks have stored clean and attacked, and classify correctly."""
    stored = {network: gallery for network, gallery in stored.items() if "attacked_maps" in gallery}
    if not stored:
        return []
    known, tall = set(images), OVER + len(stored) * (_side() + UNDER)
    fit = max(1, int((HEIGHT - 0.4) / tall))
    return [image for image in common(stored) if image in known][: PAIR * fit]


@styled
def attacked(stored: Mapping[str, Gallery], images: Sequence[str], method: str) -> Figure:
    """Draw `images`: a row per network, two images beside each other, each with its map, attacked, with that map.

    A network's two maps of an image share their scale, up to the 99.5th percentile of absolute values: black is 0, of
    signed maps white. Under an image stands its class, under the attacked one what the network takes it for, framed
    where that is another class.
    """
    stored = {network: gallery for network, gallery in stored.items() if "attacked_maps" in gallery}
    side = _side()
    bands = [images[k : k + PAIR] for k in range(0, len(images), PAIR)]
    height = 0.3 + len(bands) * (OVER + len(stored) * (side + UNDER))
    figure = Figure((PAGE, height))
    axes = figure.add_axes((0, 0, 1, 1))
    y = 0.0
    for band in bands:
        y += OVER
        for k in range(len(band)):
            for j, head in enumerate(HEADS):
                axes.text(_left(k, j) + side / 2, y - 0.04, head, ha="center", va="bottom", size=7)
        for network, gallery in stored.items():
            name = readable([network])[0].replace(" ", "\n", 1)
            axes.text(ASIDE - 0.06, y + side / 2, name, ha="right", va="center", size=7)
            for k, image in enumerate(band):
                _row(axes, gallery, list(gallery["image"]).index(image), k, y, side)
            y += side + UNDER
    note = (f"maps of {readable([method])[0]} for the label, the two of an image on one scale; "
            "framed: the attacked image is taken for another class")  # fmt: skip
    axes.text(ASIDE, y + 0.05, note, size=6, va="top")
    axes.set(xlim=(0, PAGE), ylim=(height, 0))
    axes.set_axis_off()
    return figure


def _side() -> float:
    return (PAGE - ASIDE - 0.05 - GAP * (PAIR - 1)) / (PAIR * len(HEADS))


def _left(image: int, tile: int) -> float:
    return ASIDE + image * GAP + (image * len(HEADS) + tile) * _side()


def _row(axes, gallery: Gallery, at: int, k: int, y: float, side: float) -> None:
    """Draw one image of one network: clean and attacked, each with its map."""
    signed = bool(gallery["signed"][at])
    maps = np.stack([gallery["maps"][at], gallery["attacked_maps"][at]])
    top = np.quantile(np.abs(maps), 0.995) or np.abs(maps).max() or 1
    scale = {"cmap": "RdBu_r" if signed else "magma", "vmin": -top if signed else 0, "vmax": top}
    pictures = [(gallery["pixels"][at], {}), (maps[0], scale), (gallery["attacked_pixels"][at], {}), (maps[1], scale)]
    for j, (picture, how) in enumerate(pictures):
        x = _left(k, j)
        axes.imshow(picture, extent=(x, x + 0.96 * side, y + 0.96 * side, y), interpolation="nearest", aspect="auto",
                    **how)  # fmt: skip
    names = [str(gallery[key][at]).split(",")[0] for key in ("target", "attacked_target")]
    for j, name in zip((0, 2), names, strict=True):
        axes.text(_left(k, j), y + side, name[:22], va="top", size=6, color="0.2")
    if names[0] != names[1]:
        axes.add_patch(Rectangle((_left(k, 2), y), 0.96 * side, 0.96 * side, fill=False, ec="#b2321f", lw=1.5))
