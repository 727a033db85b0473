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
    side = min((style.PAGE - 0.9) / (len(maps) + 1), 1.0)
    figure = style.figure(max(side * (len(maps) + 1) + 0.9, 5.0), len(at) * side + 1.15)
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    panels = figure.subplots(len(at), len(maps) + 1, squeeze=False, subplot_kw={"xticks": [], "yticks": []})
    for axes, name in zip(panels[0, 1:], maps, strict=True):
        axes.set_title(style.wrapped(name.replace("-", "- "), 1.1 * side, 7).replace("- ", "-"))
    for k, (line, image) in enumerate(zip(panels, at, strict=True)):
        line[0].imshow(gallery["pixels"][image], interpolation="nearest")
        line[0].set_ylabel(style.wrapped(str(gallery["target"][image]).split(",")[0], side, 8))
        if gallery["mask"][image].any():
            line[0].contour(gallery["mask"][image], [0.5], colors="white", linewidths=1)
        for axes, values in zip(line[1:], maps.values(), strict=True):
            limit = np.quantile(np.abs(values[k]), 0.995) or np.abs(values[k]).max() or 1
            axes.imshow(values[k], cmap=COLOURS, vmin=-limit, vmax=limit, interpolation="nearest")
        for axes in line:
            axes.spines[:].set(visible=True, color="0.6", lw=0.3)
    place = {"location": "right", "shrink": 0.6, "aspect": 30, "pad": 0.01}
    bar = figure.colorbar(ScalarMappable(Normalize(-1, 1), COLOURS), ax=panels, **place)
    bar.set_ticks([-1, 0, 1], labels=["against\nthe class", "0", "for the\nclass"])
    bar.outline.set_visible(False)
    style.heading(figure, title)
    style.note(figure, NOTE)
    return figure
