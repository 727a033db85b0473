"""Figure of clean and attacked images beside their maps, networks below one another."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from results import style

HEADS, ACROSS = ("image", "map", "attacked", "its map"), 2  # pictures of an image; images beside each other
NOTE = """\
Maps of {} explain the label; both maps of an image share one scale, up to the 99.5th percentile of their absolute \
values. Black is 0, in signed maps white. Under an image stands its class, under the attacked one the class that the \
network takes it for, in a frame if that is another class."""
Gallery = Mapping[str, np.ndarray]


def shown(stored: Mapping[str, Gallery], images: Sequence[str]) -> list[str]:
    """Return the images to draw: those of `images` that all networks have stored clean and attacked."""
    down = max(1, int((style.HEIGHT - 0.9) / max(len(stored), 1)))
    common = [image for image in images if stored and all(image in kept["image"] for kept in stored.values())]
    return common[: ACROSS * down]


def attacked(stored: Mapping[str, Gallery], images: Sequence[str], method: str, dataset: str) -> Figure:
    """Draw `images`, two beside each other: a row per network, each image with its map, attacked, with that map."""
    down, count = -(-len(images) // ACROSS), len(stored)
    figure = style.figure(style.PAGE, down * count * 0.98 + 0.9)
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    for place, image in zip(figure.subfigures(down, ACROSS, squeeze=False).ravel(), images, strict=False):
        panels = place.subplots(count, len(HEADS), squeeze=False, subplot_kw={"xticks": [], "yticks": []})
        for line, (network, gallery) in zip(panels, stored.items(), strict=True):
            _draw(line, gallery, list(gallery["image"]).index(image))
            line[0].set_ylabel(style.wrapped(*style.readable([network]), 0.7, 7), size=7)
        for axes, head in zip(panels[0], HEADS, strict=True):
            axes.set_title(head)
    style.heading(figure, f"Maps of attacked images on {dataset}")
    style.note(figure, NOTE.format(*style.readable([method])))
    return figure


def _draw(line: Sequence, gallery: Gallery, at: int) -> None:
    """Draw one image of one network: clean and attacked, each with its map."""
    maps = np.abs([gallery["maps"][at], gallery["attacked_maps"][at]])
    top = np.quantile(maps, 0.995) or maps.max() or 1
    scale = {"cmap": "RdBu_r", "vmin": -top} if gallery["signed"][at] else {"cmap": "magma", "vmin": 0}
    names = [str(gallery[key][at]).split(",")[0] for key in ("target", "attacked_target")]
    for start, key, name in zip((0, 2), ("", "attacked_"), names, strict=True):
        line[start].imshow(gallery[f"{key}pixels"][at], interpolation="nearest")
        line[start].set_xlabel(name[:22], size=style.SMALL, labelpad=2)
        line[start + 1].imshow(gallery[f"{key}maps"][at], vmax=top, interpolation="nearest", **scale)
    for axes in line:
        axes.spines[:].set_visible(False)
    if names[0] != names[1]:
        line[2].spines[:].set(visible=True, color="#b2321f", lw=1.5)
