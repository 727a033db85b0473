"""Figures of examples: helpful and harmful training images, wrong labels found, prototypes, counterfactuals."""

from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from results import scores, style
from results.examples.views import NEEDED, PROTOTYPES, by_number
from results.panels import banded, described, doubling, legend, looks, panels
from results.parts import Network, controls, labels_of, networks, pictured
from results.pictures import Column, grid, top

Gallery = Mapping[str, np.ndarray]
FOUND = "flipped_auroc"  # whose curves say how many wrong labels are found
EXPLAINED = """\
The training images that speak most for the class that is explained, the strongest first, and most against it. Below \
each its class, and the number that the entry gives it; numbers of different entries are in different units."""
DETECTED = """\
Across: the share of training images that are checked, those with the largest influence on themselves first. Up: the \
share of wrong labels that are found. Grey: controls; thin: images in random order. Bands are the least and the \
largest over seeds, where seeds differ."""
STANDING = """\
Prototypes in the order in which they were chosen. Below each its class, and the share of the training images to \
which it is the nearest prototype. Criticisms are training images that the prototypes stand for least."""
NUMBERS = """\
Across: the number of prototypes. Squared MMD: the squared distance between the distributions of prototypes and of \
all training images. Accuracy: the share of test images that have the label of the nearest prototype. Grey: controls. \
Bands are the least and the largest over seeds, where seeds differ."""
CHANGED = """\
Below an image is what the network says of it. Below a changed image is the class that it shall become, with its \
probability, or the class that the network says instead (missed). Difference: the change of brightness (red: brighter, \
blue: darker). Its colours end at the largest change of the image, which stands below it. It does not show a change of \
hue alone."""


def figures(rows: pd.DataFrame, options: Namespace) -> Iterator[tuple[str, Figure]]:
    """Yield every figure that the sweep has the data for."""
    for network in networks(rows, options, [stem for some in NEEDED.values() for stem in some]):
        name, place = network.stem, network.printed
        lines = scores.curves(network.rows[network.rows.metric_stem == FOUND])
        if len(lines):
            yield f"detection_{name}", detected(lines, controls(network.rows), f"Wrong labels that are found, {place}")
        if network.rows.metric_stem.isin(PROTOTYPES).any():
            yield f"numbers_{name}", numbers(network, f"Prototypes by their number, {place}")
        told = pictured(network.rows, "helpful")
        for image in scores.common(told):
            rows_ = [(style.readable([entry])[0], own, [*own["image"]].index(image)) for entry, own in told.items()]
            title = f"Training images that explain {image}, {place}, by {{shown}} of {len(rows_)} entries"
            yield f"examples_{name}_{image}", of_examples(rows_, title)
        if some := pictured(network.rows, "criticism"):
            yield f"prototypes_{name}", of_prototypes(some, f"Prototypes, {place}")
        if some := pictured(network.rows, "counterfactual"):
            yield f"counterfactuals_{name}", of_counterfactuals(some, f"Counterfactuals of {{shown}} images, {place}")


def pictures(gallery: Gallery, folder: Path) -> None:
    """Write the pictures of one cell, which MLflow shows beside its scores."""
    drawn = {
        "helpful": lambda: of_examples(
            [(str(image), gallery, k) for k, image in enumerate(gallery["image"])], "Images"
        ),
        "criticism": lambda: of_prototypes({"": gallery}, "Prototypes"),
        "counterfactual": lambda: of_counterfactuals({"": gallery}, "Counterfactuals"),
    }
    for needed, draw in drawn.items():
        if needed in gallery and len(gallery["image"]):
            style.save(draw(), folder / "first_examples", [".png"])


def of_examples(rows: Sequence[tuple[str, Gallery, int]], title: str) -> Figure:
    """Draw a row for each name, gallery and place of a test image in it; an image stands in its first row only."""
    images = [own["image"][k] for _, own, k in rows]
    first = [k == 0 or image != images[k - 1] for k, image in enumerate(images)]
    blank = np.full_like(rows[0][1]["pixels"][0], 255)
    shown = [own["pixels"][k] if yes else blank for yes, (_, own, k) in zip(first, rows, strict=True)]
    classes = [own["classes"][k][own["target"][k]] for _, own, k in rows]
    words = [str(name) if yes else "" for yes, name in zip(first, classes, strict=True)]
    columns = []
    for part in ("helpful", "harmful"):
        for n in range(rows[0][1][part].shape[1]):
            tiles = [own[part][k, n] for _, own, k in rows]
            said = [_said(own, part, k, n) for _, own, k in rows]
            columns.append(Column(str(n + 1), tiles, f"most {part}", words=said))
    lead = Column("test image", shown, words=words)
    return grid(columns, [name for name, *_ in rows], title, EXPLAINED, lead, together=len(columns))


def _said(own: Gallery, part: str, k: int, n: int) -> str:
    tau = own[f"{part}_tau"][k, n]
    return f"{own['classes'][k][own[f'{part}_label'][k, n]]} {tau:{'+.0f' if abs(tau) >= 100 else '+.2g'}}"


def detected(lines: pd.DataFrame, grey: list[str], title: str) -> Figure:
    """Draw which share of wrong labels is found among the training images that are checked first."""
    figure, (axes,) = panels(1, 1, style.PAGE, 2.6)
    entries = [*lines.sort_values("group", key=lambda group: group == "control", kind="stable").entry.unique()]
    styles = looks([entry for entry in entries if entry not in grey], [entry for entry in entries if entry in grey])
    axes.plot([0, 1], [0, 1], color="0.7", lw=0.4)
    for entry in entries:
        own = lines[lines.entry == entry].groupby("fraction").value.agg(["mean", "min", "max"])
        banded(axes, own.set_axis(["mean", "low", "high"], axis=1).reset_index(), "fraction", styles[entry])
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="training images that are checked, share", ylabel="wrong labels found")
    legend(figure, dict(zip(style.readable(styles), styles.values(), strict=True)))
    return described(figure, title, DETECTED)


def numbers(network: Network, title: str) -> Figure:
    """Draw a panel for each score of prototypes: their number across, a line for each entry."""
    data, heads, mark = by_number(network), labels_of(network.rows, PROTOTYPES), {"marker": "o", "ms": 2.5}
    figure, axes = doubling(data, "number", heads, controls(network.rows), "number of prototypes", **mark)
    for panel in axes:
        panel.set_ylim(bottom=0)
    return described(figure, title, NUMBERS)


def of_prototypes(galleries: Mapping[str, Gallery], title: str) -> Figure:
    """Draw a row of prototypes for each entry, and below it one of its criticisms, if it has some."""
    rows = []
    for entry, own in galleries.items():
        (said,) = style.readable([entry])
        for criticism in (False, True):
            places = np.flatnonzero(own["criticism"] == criticism)
            if len(places):
                rows.append((f"{said} criticisms".strip() if criticism else said or "prototypes", own, places))
    blank = np.full_like(rows[0][1]["pixels"][0], 255)
    columns = []
    for n in range(max(len(places) for *_, places in rows)):
        tiles = [own["pixels"][places[n]] if n < len(places) else blank for _, own, places in rows]
        words = [_stands(own, places[n]) if n < len(places) else "" for _, own, places in rows]
        columns.append(Column(str(n + 1), tiles, words=words))
    return grid(columns, [name for name, *_ in rows], title, STANDING)


def _stands(own: Gallery, k: int) -> str:
    share = own["share"][k]
    return f"{own['class'][k]}" + (f" {100 * share:.0f} %" if share == share else "")


def of_counterfactuals(galleries: Mapping[str, Gallery], title: str) -> Figure:
    """Draw images, and for each entry the counterfactual and the difference."""
    images, columns = scores.common(galleries), []
    for entry, own in galleries.items():
        at = [[*own["image"]].index(image) for image in images]
        reached = np.where(own["after"] == own["target"], [f"{p:.2f}" for p in own["probability"]], "(missed)")
        said = [f"{own['after'][k]} {reached[k]}" for k in at]
        ends = [top(own["difference"][k]) for k in at]
        colours = [_coloured(own["difference"][k], end) for k, end in zip(at, ends, strict=True)]
        group = "".join(style.readable([entry]))
        columns.append(Column("changed image", own["counterfactual"][at], group, words=said))
        columns.append(Column("difference", colours, group, words=[f"{end:.2f}" for end in ends]))
    lead = Column("image", own["pixels"][at], words=[str(name) for name in own["predicted"][at]])
    return grid(columns, images, title, CHANGED, lead, together=2)


def _coloured(values: np.ndarray, end: float) -> np.ndarray:
    """Return the colours of a signed map, white at 0; those of the grid stand for and against a class."""
    colours = matplotlib.colormaps["RdBu_r"](0.5 + 0.5 * np.clip(values / end, -1, 1))
    return (255 * colours[..., :3]).round().astype(np.uint8)
