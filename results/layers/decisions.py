"""A page of decisions: image, Grad-CAM, what each layer predicts, and the probability of the true class by layer."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from results import style
from results.panels import described
from results.pictures import top

FULL = 17.4 / 2.54  # inches of both columns of a page
IMAGES, CLASSES = 4, 8  # of a page, of a matrix: the most
HEADS = ("Grad-CAM", "probability of the classes", "of the true class")
LINE = 0.105  # inches of a layer's name
NOTE = """\
Each row is one decision. Pixels; Grad-CAM of the deepest maps of 4 x 4 or more positions (bright: for the true \
class); the probability of each class, as the {probe} reads it from each layer (image on top, logits at the bottom), a \
dot for the likeliest class, grey where there is none; the probability of the true class (line) beside the likeliest \
other one (grey). The dashed line is the decision depth: from there on all layers say what the network says. Bold: \
the true class.{most} To \
the right is surer of the true class."""


def decisions(gallery: Mapping[str, np.ndarray], title: str, probe: str = "probe") -> Figure:
    """Draw the first images of a gallery, as many as fit a page; {shown} in `title` stands for their number."""
    depth, classes = gallery["probabilities"].shape[1:]
    tall = max(1.15, LINE * depth + 0.1)
    shown = min(IMAGES, len(gallery["image"]), max(1, int((style.HEIGHT - 1.6) / (tall + 0.5))))
    figure = style.figure(FULL, 1.3 + shown * (tall + 0.5))
    panels = figure.subplots(shown, 4, squeeze=False, width_ratios=[1, 1, 2, 1.3])
    for k, (image, cam, matrix, line) in enumerate(panels):
        names = [str(name).split(",")[0] for name in gallery["classes"][k]]
        label, said = int(gallery["label"][k]), int(gallery["predicted"][k])
        words = names[label] if label >= 0 else "class unknown"
        words += "" if label == said else f",\ntaken for {names[said]}"
        label = label if label >= 0 else said
        image.imshow(gallery["pixels"][k])
        image.set_title(style.wrapped(words, 1.0, 7), size=7, loc="left")
        cam.imshow(gallery["map"][k], cmap="magma", vmin=0, vmax=top(np.nan_to_num(gallery["map"][k])))
        for axes, name in zip((cam, matrix, line), HEADS, strict=True) if k == 0 else ():
            axes.set_title(name, size=7, loc="left")
        for axes in (image, cam):
            axes.set(xticks=[], yticks=[])
            style.bare(axes)
        odds = gallery["probabilities"][k]
        picture = _matrix(matrix, odds, [*map(str, gallery["layers"][k])], names, label, said)
        _confidence(line, odds, label)
        if (first := decided(odds, said)) < depth:
            for axes in (matrix, line):
                axes.axhline(first - 0.5, color=style.COLOURS[1], lw=1, ls=(0, style.DASHES[0]))
    bar = figure.colorbar(picture, ax=panels[:, 3], shrink=0.6 / shown, aspect=12, ticks=[0, 0.5, 1])
    bar.set_label("probability", size=7)
    most = f" Of {classes} classes the likeliest {CLASSES} are shown." * (classes > CLASSES)
    return described(figure, title.replace("{shown}", str(shown)), NOTE.format(probe=probe, most=most))


def decided(odds: np.ndarray, said: int) -> int:
    """Return the first layer from which a class has the highest odds (layers, classes); the number of layers if none.

    Layers without a prediction are passed over.
    """
    having = np.flatnonzero(~np.isnan(odds).any(1))
    last = int(np.cumprod((odds[having].argmax(1) == said)[::-1]).sum())
    return int([*having, len(odds)][len(having) - last])


def _matrix(axes: Axes, odds: np.ndarray, layers: list[str], names: list[str], label: int, said: int):
    """Draw layers down and classes across; of many classes the true one, the answer and the likeliest others."""
    likely = [*dict.fromkeys([label, said, *np.argsort(-np.nan_to_num(odds).max(0), kind="stable")])][:CLASSES]
    chosen = sorted(likely)
    picture = axes.imshow(odds[:, chosen], vmin=0, vmax=1, cmap="Blues", aspect="auto", interpolation="nearest")
    for row, own in enumerate(odds):
        if not np.isnan(own).any() and (best := int(own.argmax())) in chosen:
            axes.plot(chosen.index(best), row, ".", ms=3, color="white" if own[best] > 0.5 else "black")
    axes.set_facecolor("0.88")  # where a layer has no prediction
    axes.set_yticks(range(len(layers)), layers, size=style.SMALL)
    axes.set_xticks(range(len(chosen)), [names[k] for k in chosen], size=style.SMALL, rotation=30, ha="right")
    axes.get_xticklabels()[chosen.index(label)].set_weight("bold")
    style.bare(axes)
    return picture


def _confidence(axes: Axes, odds: np.ndarray, label: int) -> None:
    """Draw the probability of the true class and of the likeliest other one; layers down as in the matrix."""
    places = range(len(odds))
    axes.plot(np.delete(odds, label, 1).max(1), places, color=style.CONTROL, lw=0.9)
    axes.plot(odds[:, label], places, color=style.COLOURS[0], marker="o", ms=2)
    axes.set(xlim=(-0.02, 1.02), ylim=(len(odds) - 0.5, -0.5), yticks=[], xticks=[0, 0.5, 1])
