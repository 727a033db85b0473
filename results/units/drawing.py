"""Figures of units: sheets of what shows and names them, and detectors by layer."""

from argparse import Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from results import style
from results.panels import described, legend, looks, panels
from results.parts import Network, controls, pictured
from results.pictures import Column
from results.sheets import Bars, sheet
from results.tables import p_value
from results.units.views import OF_LAYERS, OF_UNITS, VISUALISATION, by_layer, layer, layers, named, networks, whole

PATCHES, WORDS, CLASSES = 3, 3, 4  # of a unit on a sheet, the most
SHEET = """\
Each row is a unit: images that methods give to it, and the parts of reference images that activate it most. Every \
picture has its own scale."""
WORDED = """ \
Of the reference image that activates the unit most: the mask of the unit's word (outline, if the word is in the \
image), the word and its p-value, adjusted for the number of units, and the unit's map (bright: active). Bars have one \
scale for all units. Words that match best are those whose masks fit best, as IoU less chance. Effect: by how much a \
class's logit falls, on images of the class, when the unit is set to 0 (below 0: it rises)."""
LAYERS = "Means over the units of a layer with 95 % intervals over units. Grey: controls."
IMAGES = """ \
Activation ratio: how much an image activates its unit, over the most that a held-out real image does; transfer: the \
same in a network fitted with another seed; jitter ratio: what is left of the activation as the image is shifted; \
path similarity: 1 for images that are processed as the unit's best real ones, 0 for unrelated ones. Higher is \
better, but for the share of dead starts; what controls have, too, says nothing of the unit."""
DETECTORS = """ \
Detectors: the share of units with a word at a small p-value, and the number of their different words. Agreement with \
ablation: how far the units whose words make a class also matter to it when removed. These two have a range over \
several seeds instead. IoU over its bound: overlap with the word's masks, over the largest that their sizes allow. \
AUROC: whether the unit tells drawings with its word from those without; .5 is chance. Higher is better."""
PANELS = {
    "detectors": ((*OF_LAYERS, "unit_iou", "unit_auroc"), LAYERS + DETECTORS),
    "images": (VISUALISATION, LAYERS + IMAGES),
}


def figures(rows: pd.DataFrame, options: Namespace) -> Iterator[tuple[str, Figure]]:
    """Yield every figure that the sweep has the data for."""
    every = networks(rows, options, VISUALISATION + OF_UNITS + OF_LAYERS)
    for network in every:
        shown = pictured(network.rows, "visualised") | pictured(network.rows, "word")
        if shown:
            of = "" if "layer=" in network.dataset else f" of {layer(network)}"
            title = f"{{shown}} units{of}, {network.printed}"
            figure = of_units(shown, controls(network.rows), title, p_values(network))
            yield f"units_{network.stem}", figure
    for together in layers(every):
        network = whole(together)
        for name, (stems, note) in PANELS.items():
            data = by_layer(together, stems)
            if len(data):
                title = (
                    f"{name.title()} by layer, {' or '.join(data.units.unique().astype(str))} units, {network.printed}"
                )
                figure = of_layers(data, controls(network.rows), title, note)
                yield f"{name}_{network.stem}", figure


def pictures(gallery: Mapping[str, np.ndarray], folder: Path) -> None:
    """Write the units of one cell, which MLflow shows beside its scores."""
    if "image" in gallery:
        entry = "image" if "visualised" in gallery else "words"
        style.save(of_units({entry: gallery}, [], "{shown} units"), folder / "first_units", [".png"])


def p_values(network: Network) -> dict[tuple[str, str], str]:
    """Return the p-values of words, by entry and unit; means over seeds."""
    own = network.rows[network.rows.metric_stem == "unit_p_value"].groupby(["entry", "part"]).score.mean()
    return {(entry, named(part)): f", p {p_value(p)}" for (entry, part), p in own.dropna().items()}


def of_units(
    shown: Mapping[str, Mapping[str, np.ndarray]], grey: list[str], title: str, p: Mapping[tuple[str, str], str] = {}
) -> Figure:
    """Draw the first units, by the galleries of entries; controls are left out where there are others."""
    shown = {entry: own for entry, own in shown.items() if entry not in grey} or shown
    seen = {entry: own for entry, own in shown.items() if "visualised" in own}
    worded = {entry: own for entry, own in shown.items() if "word" in own}
    units = [*next(iter(shown.values()))["image"]]
    units = [str(unit) for unit in units if all(unit in own["image"] for own in shown.values())]
    at = {entry: [[*own["image"]].index(unit) for unit in units] for entry, own in shown.items()}
    columns, bars = [], []
    for entry, own in seen.items():
        if entry != "top_patches":  # whose image is the best patch
            columns.append(Column(style.readable([entry])[0], own["visualised"][at[entry]]))
    for entry, own in [*seen.items()][:1]:
        best = own["patches"][at[entry]]
        columns += [Column("" if k else "best real patches", best[:, k]) for k in range(min(PATCHES, best.shape[1]))]
    by_masks = {entry: own for entry, own in worded.items() if {*own["words"][0]} != {*own["classes"][0]}}
    for entry, own in [*(by_masks or worded).items()][:1]:
        (name,), here = style.readable([entry]), at[entry]
        words = [f"{own['word'][k]}{p.get((entry, unit), '')}" for k, unit in zip(here, units, strict=True)]
        about = {"outlines": own["mask"][here, 0], "words": words}
        columns += [Column(name, own["pixels"][here, 0], **about), Column("its map", own["map"][here, 0])]
        matches = [_first(own["words"][k], own["match"][k], own["match"][k], WORDS) for k in here]
        effects = [_first(own["classes"][k], own["effect"][k], abs(own["effect"][k]), CLASSES) for k in here]
        bars = [Bars("words that match best", *zip(*matches, strict=True))]
        bars += [Bars("effect of removal on classes", *zip(*effects, strict=True))]
    return sheet(columns, bars, units, title, SHEET + WORDED if bars else SHEET)


def _first(names: np.ndarray, values: np.ndarray, sizes: np.ndarray, count: int) -> tuple[list[str], np.ndarray]:
    """Return the names and values of the largest `sizes`, the largest first."""
    best = np.argsort(-np.where(np.isnan(sizes), -np.inf, sizes), kind="stable")[:count]
    return [str(names[k]) for k in best], values[best]


def of_layers(data: pd.DataFrame, grey: list[str], title: str, note: str) -> Figure:
    """Draw one panel for every metric: layers across, a point for each entry."""
    entries, order = [*data.entry.unique()], [*data.layer.unique()]
    metrics = [*data.metric.unique()]
    figure, axes = panels(len(metrics), min(3, len(metrics)), style.PAGE, 1.6)
    styles = looks([entry for entry in entries if entry not in grey], grey)
    styles = {entry: styles[entry] | {"marker": "o", "ms": 3} for entry in entries}
    for metric, panel in zip(metrics, axes, strict=True):
        for k, entry in enumerate(entries):
            own = data[(data.metric == metric) & (data.entry == entry)]
            places = own.layer.map(order.index).to_numpy() + 0.08 * (k - (len(entries) - 1) / 2)
            panel.plot(places, own["mean"], **styles[entry])
            panel.vlines(places, own.low, own.high, color=styles[entry]["color"], lw=0.8)
        panel.set_xticks(range(len(order)), order, size=style.SMALL)
        panel.set(title=style.readable([metric])[0], xlim=(-0.5, len(order) - 0.5))
        if data.loc[data.metric == metric, ["mean", "low"]].min(axis=None) >= 0:
            panel.set_ylim(bottom=0)
    legend(figure, dict(zip(style.readable(styles), styles.values(), strict=True)))
    return described(figure, title, note)
