"""Figure of clean and attacked images beside their maps, networks below one another."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from results import style

HEADS, PAIR = ("image", "map", "attacked", "its map"), 2  # pictures of an image; images beside each other
FRAME = "#b2321f"
Gallery = Mapping[str, np.ndarray]
NOTE = """\
Maps of {} explain the label; both maps of an image share one scale, up to the 99.5th percentile of their absolute \
values. Black is 0, in signed maps white. Under an image stands its class, under the attacked one the class that the \
network takes it for, in a frame if that is another class."""


def shown(stored: Mapping[str, Gallery], images: Sequence[str]) -> list[str]:
    """Return the images to draw: those of `images` that all networks have stored clean and attacked."""
    sets = [{*map(str, gallery["image"])} for gallery in stored.values()]
    rows = max(1, int((style.HEIGHT - 0.9) / len(sets))) if sets else 0
    return [image for image in images if all(image in known for known in sets)][: PAIR * rows]


def attacked(stored: Mapping[str, Gallery], images: Sequence[str], method: str, dataset: str) -> Figure:
    """Draw `images`: a row per network, two images beside each other, each with its map, attacked, with that map."""
    bands, count = -(-len(images) // PAIR), len(stored)
    figure = style.figure(style.PAGE, bands * count * 0.98 + 0.9)
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    panels = figure.subplots(
        bands * count, 2 * len(HEADS) + 1, squeeze=False, width_ratios=[*[1] * len(HEADS), 0.1, *[1] * len(HEADS)]
    )
    for axes in panels.ravel():
        axes.set(xticks=[], yticks=[])
        axes.set_visible(False)
    for k, image in enumerate(images):
        band, first = k // PAIR, k % PAIR * (len(HEADS) + 1)
        for row, (network, gallery) in enumerate(stored.items()):
            line = panels[band * count + row, first : first + len(HEADS)]
            _draw(line, gallery, list(gallery["image"]).index(image))
            if first == 0:
                line[0].set_ylabel(style.wrapped(*style.readable([network]), 0.7, 7), size=7)
            for axes, head in zip(line, HEADS, strict=True):
                axes.set_title(head if row == 0 else "")
    style.heading(figure, f"Maps of attacked images on {dataset}")
    style.note(figure, NOTE.format(*style.readable([method])))
    return figure


def _draw(line: Sequence, gallery: Gallery, at: int) -> None:
    """Draw one image of one network: clean and attacked, each with its map."""
    signed = bool(gallery["signed"][at])
    maps = np.stack([gallery["maps"][at], gallery["attacked_maps"][at]])
    top = np.quantile(np.abs(maps), 0.995) or np.abs(maps).max() or 1
    scale = {"cmap": "RdBu_r" if signed else "magma", "vmin": -top if signed else 0, "vmax": top}
    pictures = [(gallery["pixels"][at], {}), (maps[0], scale), (gallery["attacked_pixels"][at], {}), (maps[1], scale)]
    for axes, (picture, options) in zip(line, pictures, strict=True):
        axes.imshow(picture, interpolation="nearest", **options)
        axes.set_visible(True)
        axes.spines[:].set_visible(False)
    names = [str(gallery[key][at]).split(",")[0] for key in ("target", "attacked_target")]
    for axes, name in zip(line[::2], names, strict=True):
        axes.set_xlabel(name[:22], size=style.SMALL, labelpad=2)
    if names[0] != names[1]:
        line[2].spines[:].set(visible=True, color=FRAME, lw=1.5)
