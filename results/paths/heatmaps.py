"""Figure of the heat maps of paths beside those of the whole network."""

from collections.abc import Mapping

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from results import style

IMAGES = 4  # that are drawn
COLOURS = "RdBu_r"
NOTE = """\
Each heat map is the relevance that comes down to the pixels: by LRP through the whole network (Full LRP), and by LRP \
through the channels of one path only. Every map has its own scale, up to the 99.5th percentile of its |relevance|; a \
white map has no relevance. Percentages are the mean share of the channels that a path keeps in these images. The \
outline in an image is the annotated object."""


def heatmaps(galleries: Mapping[str, Mapping[str, np.ndarray]], images: list[str], title: str) -> Figure:
    """Draw some images, LRP through the whole network, and LRP through the path of each selector.

    Selectors with the same rules of LRP share one full map; a path that keeps everything has no column of its own.
    """
    at = {entry: [list(gallery["image"]).index(image) for image in images] for entry, gallery in galleries.items()}
    maps: dict[str, np.ndarray] = {}
    known: list[np.ndarray] = []
    for entry, gallery in galleries.items():
        full, path = (gallery[part][at[entry]] for part in ("full", "maps"))
        if not any(np.allclose(full, other) for other in known):
            settings = entry.partition(" (")[2]
            maps["Full LRP" + f" ({settings}" * bool(settings)] = full
            known.append(full)
        if not np.allclose(path, full):
            kept = gallery["layer_kept"][at[entry]].sum() / gallery["layer_channels"][at[entry]].sum()
            (name,) = style.readable([entry])
            maps[f"{name}\n{100 * kept:.2g} %"] = path
    pixels, mask, target = (gallery[part][at[entry]] for part in ("pixels", "mask", "target"))
    side = min((style.PAGE - 0.9) / (len(maps) + 1), 1.0)
    figure = style.figure(max(side * (len(maps) + 1) + 0.9, 5.0), len(images) * side + 1.15)
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    panels = figure.subplots(len(images), len(maps) + 1, squeeze=False, subplot_kw={"xticks": [], "yticks": []})
    for axes in panels.ravel():
        axes.spines[:].set(visible=True, color="0.6", lw=0.3)
    for k, (axes, *others) in enumerate(panels):
        axes.imshow(pixels[k], interpolation="nearest")
        axes.set_ylabel(style.wrapped(str(target[k]).split(",")[0], side, 8))
        for colour, width in (("black", 1.4), ("white", 0.7)) if mask[k].any() else ():
            axes.contour(mask[k], [0.5], colors=colour, linewidths=width)
        for axes, (name, values) in zip(others, maps.items(), strict=True):
            limit = np.quantile(np.abs(values[k]), 0.995) or np.abs(values[k]).max() or 1
            axes.imshow(values[k], cmap=COLOURS, vmin=-limit, vmax=limit, interpolation="nearest")
            axes.set_title(style.wrapped(name.replace("-", "- "), 1.1 * side, 7).replace("- ", "-") if k == 0 else "")
    place = {"location": "right", "shrink": 0.6, "aspect": 30, "pad": 0.01}
    bar = figure.colorbar(ScalarMappable(Normalize(-1, 1), COLOURS), ax=panels, **place)
    bar.set_ticks([-1, 0, 1], labels=["against\nthe class", "0", "for the\nclass"])
    bar.outline.set_visible(False)
    style.heading(figure, title)
    style.note(figure, NOTE)
    return figure
