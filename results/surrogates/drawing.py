"""Figures of surrogates: scores against size, trees, and weights of linear models."""

from argparse import Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from results import style
from results.panels import described, doubling
from results.parts import Network, controls, labels_of, networks
from results.surrogates.simple import chosen, counted, is_tree, test, weights
from results.surrogates.views import METRICS, against_size, ruled

DRAWN = tuple(stem for stem in METRICS if stem != "balanced_fidelity")  # which is fidelity on another scale
AGAINST = """\
Across: the size of a simple model, leaves of a tree or weights of a linear model, at most. Fidelity: the share of \
test images of which it says the network's class. R2: the share of the variance of the network's logits that it \
explains. KL: how far its probabilities are from the network's, in nats. Stability: how often two models that are \
fitted on other train images say the same class. Grey: controls. Bands are 95 % intervals over images, where there \
are six or more. Words are read from a layer; drawn words are those by which the scene was drawn."""
TREE = """\
From the left: each test sends an image up (yes) or down (no), until a leaf says a class. {numbers}Bars: the share of \
test images that reach the leaf; the dark part is those of which the network says the same class."""
NUMBERS = "A word is compared with its probability as it is read from a layer. "
LINEAR = """\
A linear model says the class with the largest sum of weights. Bars to the right speak for the class that is named at \
the right, bars to the left against it. Weights are of words, or of areas of superpixels, scaled to mean 0 and \
standard deviation 1. The bar named always is what a class has whatever the image shows; it does not count as a \
weight. {sorts}"""
SORTS = """\
A sort of superpixel is named after the two ways in which it differs most from the mean one, in standard deviations: \
its colour, and the change of light within it."""


def figures(rows: pd.DataFrame, options: Namespace) -> Iterator[tuple[str, Figure]]:
    """Yield every figure that the sweep has the data for."""
    for network in networks(rows, options, METRICS):
        name, place = network.stem, network.printed
        if network.rows.metric_stem.isin(DRAWN).any():
            yield f"fidelity_{name}", against(network, f"Simple models that imitate {place}")
        for entry, model in ruled(network):
            said = f"{style.readable([entry])[0]}, {place}, {model['images']} images"
            yield f"rules_{name}_{entry}", of_rules(model, said)


def pictures(gallery: Mapping[str, np.ndarray], folder: Path) -> None:
    """Write the rules of one cell, which MLflow shows beside its scores."""
    if "rules" in gallery and (model := chosen(gallery))["rules"]:
        style.save(of_rules(model, "Rules"), folder / "first_rules", [".png"])


def against(network: Network, title: str) -> Figure:
    """Draw a panel for every score: sizes across, a line for each entry."""
    figure, _ = doubling(against_size(network), "size", labels_of(network.rows, DRAWN), controls(network.rows), "size")
    return described(figure, f"{title}, {network.images} images", AGAINST)


def of_rules(model: Mapping, title: str) -> Figure:
    """Draw a simple model."""
    title = f"{title}: {counted(model)}, fidelity {model['fidelity']:.3f}"
    if is_tree(model):
        return tree(model, title)
    return linear(model, title)


def linear(model: Mapping, title: str) -> Figure:
    """Draw the weights of a linear model below one another, class by class."""
    own, place, places, middles = weights(model), 0.0, [], []
    for named in own.values():
        places += [place + k for k in range(len(named))]
        middles.append(place + (len(named) - 1) / 2)
        place += len(named) + 0.6
    names = [name for named in own.values() for name in named]
    values = [value for named in own.values() for value in named.values()]
    colours = [colour(model["classes"].index(said)) for said, named in own.items() for _ in named]
    figure = style.figure(style.PAGE, min(style.HEIGHT, 1.0 + 0.16 * place))
    axes = figure.subplots()
    axes.barh(places, values, 0.75, color=colours)
    axes.axvline(0, color="black", lw=0.4)
    axes.set_yticks(places, names, size=style.SMALL)
    axes.tick_params(axis="y", length=0)
    axes.set(ylim=(place - 0.8, -0.8), xlabel="weight")
    for said, middle in zip(own, middles, strict=True):
        axes.text(1.01, middle, said, transform=axes.get_yaxis_transform(), va="center")
    return described(figure, title, LINEAR.replace("{sorts}", SORTS if "(" in names[0] else ""))


def colour(k: int) -> str:
    """Return the colour of a class."""
    return style.COLOURS[k % len(style.COLOURS)]


def tree(model: Mapping, title: str) -> Figure:
    """Draw a tree from left to right, and beside each leaf what it says of how many images."""
    leaves = len(model["rules"])
    figure = style.figure(style.PAGE, min(style.HEIGHT, 1.0 + max(0.24 * leaves, 0.6)))
    branches, bars = figure.subplots(1, 2, width_ratios=[1.6, 1], sharey=True)
    order: list[dict] = []
    deep = max(len(rule["if"]) for rule in model["rules"])
    _branch(branches, model["rules"], 0, deep, order, model["binary"])
    branches.set(xlim=(-0.45, deep + 0.05), ylim=(leaves - 0.5, -0.5), xticks=[], yticks=[])
    branches.tick_params(labelleft=False)
    style.bare(branches)
    says, places = [rule["says"] for rule in order], np.arange(leaves)
    colours = [colour(k) for k in says]
    for part, alpha in (("images", 0.3), ("right", 1.0)):
        share = [100 * rule[part] / model["images"] for rule in order]
        bars.barh(places, share, 0.6, color=colours, alpha=alpha, lw=0)
    bars.set_yticks(places, [model["classes"][k] for k in says], size=style.SMALL)
    bars.tick_params(axis="y", length=0, labelleft=True)
    bars.set_xlabel("test images, %")
    return described(figure, title, TREE.replace("{numbers}", "" if model["binary"] else NUMBERS))


def _branch(axes: Axes, rules: list[dict], depth: int, deep: int, order: list[dict], binary: bool) -> float:
    """Draw what follows some tests, the answer yes above; return the height of its middle."""
    look = {"color": "0.4", "lw": 0.7}
    if len(rules) == 1:
        order.append(rules[0])
        axes.plot([depth, deep + 0.05], [len(order) - 1] * 2, **look)
        return len(order) - 1
    name, _, threshold = rules[0]["if"][depth]
    parts = [[rule for rule in rules if rule["if"][depth][1] == above] for above in (True, False)]
    ends = [_branch(axes, part, depth + 1, deep, order, binary) for part in parts]
    middle = sum(ends) / 2
    for end, answer in zip(ends, ("yes", "no"), strict=True):
        axes.plot([depth, depth, depth + 1], [middle, end, end], **look)
        align = {"va": "bottom" if answer == "yes" else "top", "color": "0.4"}
        axes.text(depth + 0.06, end, answer, size=style.SMALL, **align)
    box = {"boxstyle": "round,pad=0.25", "fc": "white", "ec": "0.4", "lw": 0.5}
    text = test(name, threshold, np.inf, binary)
    axes.text(depth, middle, text, size=style.SMALL, ha="center", va="center", bbox=box)
    return middle
