"""Figures of networks: robust accuracy, all blocks, correlations within networks, maps of attacked images."""

from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from math import factorial

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from results import scores, style
from results.networks.comparison import Comparison, comparisons, maps_of
from results.networks.dots import dots, look
from results.networks.measures import radius
from results.networks.quantities import pairs, quantities, with_medians, within
from results.panels import banded, described, legend, panels
from results.pictures import Column, grid, top
from results.scores import common
from results.summary import FEWEST, LEVEL
from results.tables import interval

ROBUST = """\
Robust accuracy is the share of images that are still classified correctly after an attack of this radius; higher is \
better. Thin lines end the 95 % intervals over images (Wilson), where there are six or more."""
POINTS = """\
Every point is one of {}. {}. r is Spearman's correlation over n images with its 95 % bootstrap \
interval, where {} images or more have both, unless one of the two is constant."""
ACROSS = """\
 Across {} networks a correlation {} (the smallest two-sided exact p is {:.2g}), so that it is shown within networks."""
ATTACKED = """\
Maps of {} explain the label; both maps of an image share one scale, up to the 99.5th percentile of their absolute \
values. Under an image stands its class, under the attacked one the class that the network then takes it for, if that \
is another one."""
BESIDE, NETWORK = 2, 1.0  # attacked images beside each other; inches of the row of a network
KEYS = ("pixels", "maps", "attacked_pixels", "attacked_maps", "target", "attacked_target", "signed")
Gallery = Mapping[str, np.ndarray]


def figures(rows: pd.DataFrame, options: Namespace) -> Iterator[tuple[str, Figure]]:
    """Yield robust accuracy, the blocks at a glance, correlations within networks and attacked maps."""
    maps = maps_of(options.beside, scores.labelled(rows))
    for comparison in comparisons(rows, options.beside):
        table, correlations, name = quantities(comparison), within(comparison), comparison.dataset
        here = maps[(maps.dataset == name) & (maps.image != "")]
        galleries = {str(network): scores.galleries(part) for network, part in here.groupby("model", observed=True)}
        if comparison.attacks():
            yield f"robust_accuracy_{name}", robust_accuracy(table, comparison)
        for method in comparison.methods() or [""]:
            ending = f"{method}_{name}" if method else name
            if len(comparison.networks) > 1:  # one has nothing to be placed by
                yield f"blocks_{ending}", dots(with_medians(table), comparison, method)
            if (correlations.low.notna() & (correlations.method == method)).any():
                yield f"within_{ending}", clouds(comparison, correlations, method)
            stored = {network: kept[method] for network, kept in galleries.items() if method in kept}
            stored = {network: gallery for network, gallery in stored.items() if "attacked_maps" in gallery}
            if images := shown(stored, comparison.images):
                yield f"attacked_{ending}", attacked(stored, images, method, name)


def robust_accuracy(rows: pd.DataFrame, comparison: Comparison) -> Figure:
    """Draw robust accuracy against radius: a panel per attack and norm, a line per network with its 95 % band."""
    attacks, styles = comparison.attacks(), look(comparison.networks)
    figure, every = panels(len(attacks), 2, style.PAGE, 1.75, sharey=True)
    for axes, (metric, curve) in zip(every, attacks.items(), strict=True):
        points = rows[(rows.metric == metric) & rows["at"].notna()]
        if points["at"].min() > 0:  # the images were chosen for being right there
            start = {"at": 0.0, "mean": 1.0, "low": 1.0, "high": 1.0}
            points = pd.concat([points, pd.DataFrame({"network": [*styles]}).assign(**start)])
        for network, one in styles.items():
            banded(axes, points[points.network == network], "at", one, light=len(styles) > 2)
        _radii(axes, curve[0].norm, np.unique(points["at"]))
        axes.set_title(*style.readable([metric]), size=8, pad=3)
    for axes in every[::2]:
        axes.set_ylabel("robust accuracy")
    legend(figure, dict(zip(style.readable(styles), styles.values(), strict=True)))
    return described(
        figure, f"Robust accuracy on {style.readable([comparison.dataset])[0]}: {comparison.selection()}", ROBUST
    )


def _radii(axes: Axes, norm: str, at: np.ndarray) -> None:
    """Make the axis logarithmic from the smallest radius on, with a mark at every radius."""
    words = [radius(norm, value) for value in at]
    steps = all(word.endswith("/255") for word in words[1:])
    axes.set_xscale("symlog", linthresh=at[1], linscale=0.5)
    axes.set_xticks(at, [word.removesuffix("/255" * steps) for word in words], rotation=90)
    axes.minorticks_off()
    axes.set(xlim=(0, at.max() * 1.05), ylim=(0, 1.03))
    axes.set_xlabel("radius in 255ths of a pixel's range" if steps else "radius (pixels in [0, 1])")


def clouds(comparison: Comparison, correlations: pd.DataFrame, method: str) -> Figure:
    """Draw interpretability against robustness, a point per image: networks across, measures down."""
    measures, networks = [(x, y) for x, y in pairs(comparison) if y.method == method], comparison.networks
    known = correlations[correlations.method == method].set_index(["interpretability", "network"])
    figure = style.figure(style.PAGE, min(style.HEIGHT, 1.2 + 1.4 * len(measures)))
    every = figure.subplots(len(measures), len(networks), squeeze=False, sharey="row", sharex=True)
    for line, (x, y) in zip(every, measures, strict=True):
        for axes, network in zip(line, networks, strict=True):
            one = known.loc[(y.metric, network)]
            axes.scatter(x.values[network], y.values[network], s=6, color=style.COLOURS[0], alpha=0.6, lw=0)
            if y.what == "gap":
                axes.axhline(0, color="0.6", lw=0.5, ls=(0, style.DASHES[1]))
            correlation = interval(one.rho, one.low, one.high, "{:{}.2f}".format).replace("\n", " ")
            said = "no image" if one.n == 0 else "r: none" if one.rho != one.rho else f"r = {correlation}"
            axes.set_title(f"{said}\nn = {one.n}" if one.n else said, size=style.SMALL, pad=2)
        gain = ":\ngain over random map" if y.what == "gap" else ""
        line[0].set_ylabel(style.wrapped(*style.readable([y.metric]), 1.2, 7) + gain, size=7)
    for line, network in zip(every.T, style.readable(networks), strict=True):
        line[0].annotate(network, (0.5, 1), (0, 19), "axes fraction", textcoords="offset points", ha="center", size=8)
        line[-1].set_xlabel(style.wrapped(*style.readable([measures[0][0].label]), 1.2, 7), size=7)
    count, p = len(networks), min(1, 2 / factorial(len(networks)))
    across = ACROSS.format(count, "cannot be tested" if p > LEVEL else "says little", p) * (count > 1)
    name, dataset = style.readable([method, comparison.dataset])
    heading = f"Robustness and quality of {name} maps, image by image, on {dataset}"
    better = {m.metric: m.higher_is_better for pair in measures for m in pair}
    words = {
        way: ", ".join(style.readable(metric for metric in better if better[metric] is way)) for way in (True, False)
    }
    said = ". ".join(f"{'Higher' if way else 'Lower'} is better in {some}" for way, some in words.items() if some)
    return described(figure, heading, POINTS.format(comparison.selection(), said, FEWEST) + across)


def shown(stored: Mapping[str, Gallery], images: Sequence[str]) -> list[str]:
    """Return the images to draw: those of `images` that all networks have stored, as many as fit a page."""
    down = max(1, int((style.HEIGHT - 1.2) / (0.6 + NETWORK * len(stored))))
    return [image for image in common(stored) if image in images][: BESIDE * down]


def attacked(stored: Mapping[str, Gallery], images: Sequence[str], method: str, dataset: str) -> Figure:
    """Draw `images`, two beside each other: a row per network, each image with its map, attacked, with that map."""
    columns = []
    for number, image in enumerate(images, 1):
        at = [[*gallery["image"]].index(image) for gallery in stored.values()]
        own = {key: [gallery[key][k] for k, gallery in zip(at, stored.values(), strict=True)] for key in KEYS}
        before, after = ([str(name).split(",")[0] for name in own[key]] for key in ("target", "attacked_target"))
        changed = [name if name != other else "" for name, other in zip(after, before, strict=True)]
        ends = [top(np.stack(pair)) for pair in zip(own["maps"], own["attacked_maps"], strict=True)]
        group = f"image {number}"
        scale = {"group": group, "signed": bool(np.all(own["signed"])), "tops": ends}
        columns += [
            Column("image", own["pixels"], group, words=before),
            Column("map", own["maps"], **scale),
            Column("attacked", own["attacked_pixels"], group, words=changed),
            Column("its map", own["attacked_maps"], **scale),
        ]
    note = ATTACKED.format(*style.readable([method]))
    return grid(
        columns, style.readable(stored), f"Maps of attacked images on {style.readable([dataset])[0]}", note, together=4
    )
