"""Figures of networks: robust accuracy, all blocks, correlations within networks, maps of attacked images."""

from argparse import Namespace
from collections.abc import Iterator
from math import factorial

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from results import scores, style
from results.networks.attacked import attacked, shown
from results.networks.comparison import Comparison, comparisons, maps_of
from results.networks.dots import dots, look
from results.networks.measures import radius
from results.networks.quantities import quantities, with_medians
from results.networks.within import pairs, within
from results.summary import FEWEST, LEVEL
from results.tables import interval, writer

ROBUST = """\
Robust accuracy is the share of images that stay right under an attack of a radius; higher is better. Bands are 95 % \
intervals over images (Wilson), where there are six or more."""
POINTS = """\
Every point is one of {}. r is Spearman's correlation over images with its 95 % bootstrap interval, where {} images or \
more have both, unless one of both is the same on all of them."""
ACROSS = """\
 Across {} networks a correlation {} (the smallest two-sided exact p is {:.2g}), so that it is shown within networks."""


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
    down = -(-len(attacks) // 2)
    figure = style.figure(style.PAGE, min(style.HEIGHT, 0.85 + 1.75 * down))
    panels = figure.subplots(down, 2, squeeze=False, sharey=True).ravel()
    for axes in panels[len(attacks) :]:
        axes.set_axis_off()
    for axes, (metric, curve) in zip(panels, attacks.items(), strict=False):
        points = rows[(rows.metric == metric) & rows["at"].notna()]
        if points["at"].min() > 0:  # the images were chosen for being right there
            start = {"at": 0.0, "mean": 1.0, "low": 1.0, "high": 1.0}
            points = pd.concat([points, pd.DataFrame({"network": [*styles]}).assign(**start)])
        for network, one in styles.items():
            line = points[points.network == network].sort_values("at")
            axes.plot(line["at"], line["mean"], **one)
            axes.fill_between(line["at"], line.low, line.high, color=one["color"], alpha=0.13, lw=0)
        _radii(axes, curve[0].norm, np.unique(points["at"]))
        axes.set_title(*style.readable([metric]), size=8, pad=3)
    for axes in panels[::2]:
        axes.set_ylabel("robust accuracy")
    handles = [Line2D([], [], **one) for one in styles.values()]
    figure.legend(handles, style.readable(styles), loc="outside right center", handlelength=2.6)
    style.heading(figure, f"Robust accuracy on {comparison.dataset}: {comparison.selection()}")
    style.note(figure, ROBUST)
    return figure


def _radii(axes: Axes, norm: str, at: np.ndarray) -> None:
    """Make the axis logarithmic from the smallest radius on, with a mark at every radius."""
    words = [radius(norm, value) for value in at]
    steps = all(word.endswith("/255") for word in words[1:])
    axes.set_xscale("symlog", linthresh=at[1], linscale=0.5)
    axes.set_xticks(at, [word.removesuffix("/255" * steps) for word in words], rotation=90)
    axes.minorticks_off()
    axes.set(xlim=(0, at.max() * 1.05), ylim=(0, 1.03))
    axes.set_xlabel("radius / (1/255)" if steps else "radius (pixels in [0, 1])")


def clouds(comparison: Comparison, correlations: pd.DataFrame, method: str) -> Figure:
    """Draw interpretability against robustness, a point per image: networks across, measures down."""
    measures, networks = [(x, y) for x, y in pairs(comparison) if y.method == method], comparison.networks
    known = correlations[correlations.method == method].set_index(["interpretability", "network"])
    write = writer(correlations.assign(mean=correlations.rho))
    figure = style.figure(style.PAGE, min(style.HEIGHT, 1.2 + 1.4 * len(measures)))
    panels = figure.subplots(len(measures), len(networks), squeeze=False, sharey="row", sharex=True)
    for line, (x, y) in zip(panels, measures, strict=True):
        for axes, network in zip(line, networks, strict=True):
            one = known.loc[(y.metric, network)]
            axes.scatter(x.values[network], y.values[network], s=6, color=style.COLOURS[0], alpha=0.6, lw=0)
            if y.what == "gap":
                axes.axhline(0, color="0.6", lw=0.5, ls=(0, style.DASHES[1]))
            correlation = interval(one.rho, one.low, one.high, write).replace("\n", " ")
            axes.set_title(f"r = {correlation}, n = {one.n}", size=5.5, pad=2)
        gain = ":\ngain over random map" if y.what == "gap" else ""
        line[0].set_ylabel(style.wrapped(*style.readable([y.metric]), 1.2, 7) + gain, size=7)
    for line, network in zip(panels.T, style.readable(networks), strict=True):
        line[0].annotate(network, (0.5, 1), (0, 12), "axes fraction", textcoords="offset points", ha="center", size=8)
        line[-1].set_xlabel(style.wrapped(*style.readable([measures[0][0].label]), 1.2, 7), size=7)
    style.heading(figure, f"Robustness and maps of {style.readable([method])[0]} on {comparison.dataset}")
    count, p = len(networks), min(1, 2 / factorial(len(networks)))
    across = ACROSS.format(count, "cannot be tested" if p > LEVEL else "says little", p) * (count > 1)
    style.note(figure, POINTS.format(comparison.selection(), FEWEST) + across)
    return figure
