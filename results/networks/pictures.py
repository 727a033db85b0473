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

ROBUST = "Robust accuracy is the share of images that stay right under an attack of a radius; higher is better."
BANDS = " Bands are 95 % intervals over images (Wilson)."
POINTS = """\
Every point is one of {}. r is Spearman's correlation over images with its 95 % bootstrap interval, where {} images or \
more have both. Panels without points have fewer images, or one of both is the same on all of them."""
ACROSS = """\
 Across {} networks a correlation {} (the smallest two-sided exact p is {:.2g}), so that it is shown within networks."""
INCHES = 2.5  # of a panel's axis, about


def figures(rows: pd.DataFrame, options: Namespace) -> Iterator[tuple[str, Figure]]:
    """Yield the file stem and the figure of everything that the sweep has the data for."""
    maps = maps_of(options.beside, scores.labelled(rows))
    for comparison in comparisons(rows, options.beside):
        table, correlations, name = quantities(comparison), within(comparison), comparison.dataset
        if comparison.attacks():
            yield f"robust_accuracy_{name}", robust_accuracy(table, comparison)
        for method in comparison.methods() or [""]:
            ending = f"{method}_{name}" if method else name
            if len(comparison.networks) > 1:  # one has nothing to be placed by
                yield f"blocks_{ending}", dots(with_medians(table), comparison, method)
            known = correlations[(correlations.method == method) & correlations.low.notna()]
            if len(known):
                yield f"within_{ending}", clouds(comparison, known, method)
        here = maps[(maps.dataset == name) & (maps.image != "")]
        galleries = {str(network): scores.galleries(part) for network, part in here.groupby("model", observed=True)}
        for method in comparison.methods():
            stored = {network: kept.get(method, {}) for network, kept in galleries.items()}
            stored = {network: gallery for network, gallery in stored.items() if "attacked_maps" in gallery}
            if images := shown(stored, comparison.images):
                yield f"attacked_{method}_{name}", attacked(stored, images, method, name)


def robust_accuracy(rows: pd.DataFrame, comparison: Comparison) -> Figure:
    """Draw robust accuracy against radius: a panel per attack and norm, a line per network with its 95 % band."""
    attacks, styles = comparison.attacks(), look(comparison.networks)
    across = min(2, len(attacks))
    down = -(-len(attacks) // across)
    figure = style.figure(style.PAGE, min(style.HEIGHT, 0.85 + 1.75 * down))
    panels = figure.subplots(down, across, squeeze=False).ravel()
    for axes in panels[len(attacks) :]:
        axes.set_axis_off()
    for axes, (metric, curve) in zip(panels, attacks.items(), strict=False):
        points = rows[(rows.metric == metric) & rows["at"].notna()].sort_values("at")
        for network, one in styles.items():
            line = points[points.network == network][["at", "mean", "low", "high"]].astype(float)
            if points["at"].min() > 0:  # the images were chosen for being right there
                line = pd.concat([pd.DataFrame([{"at": 0.0, "mean": 1.0, "low": 1.0, "high": 1.0}]), line])
            axes.plot(line["at"], line["mean"], **one)
            axes.fill_between(line["at"], line.low, line.high, color=one["color"], alpha=0.13, lw=0)
        _radii(axes, curve[0].norm, np.union1d(0, points["at"]))
        axes.set_title(*style.readable([metric]), size=8, pad=3)
    for axes in panels[::across]:
        axes.set_ylabel("robust accuracy")
    handles = [Line2D([], [], **one) for one in styles.values()]
    figure.legend(handles, style.readable(comparison.networks), loc="outside right center", handlelength=2.6)
    style.heading(figure, f"Robust accuracy on {comparison.dataset}: {comparison.selection()}")
    bands = BANDS * bool(rows.low[rows.metric.isin(attacks)].notna().any())
    style.note(figure, ROBUST + bands)
    return figure


def _radii(axes: Axes, norm: str, at: np.ndarray) -> None:
    """Make the axis logarithmic from the smallest radius on, with a mark at every radius that has room."""
    least = at[at > 0].min() if (at > 0).any() else 1
    axes.set_xscale("symlog", linthresh=least, linscale=0.5)
    words = [radius(norm, value) for value in at]
    steps = all(word.endswith("/255") for word in words[1:])
    words = [word.removesuffix("/255" * steps) for word in words]
    places = np.where(at < least, at / least / 2, 0.5 + np.log10(np.maximum(at, least) / least))
    kept, end = [], -np.inf
    for k, place in enumerate(places * INCHES / places[-1]):
        half = 0.028 * len(words[k])
        if place - half > end:
            kept, end = [*kept, k], place + half + 0.04
    axes.set_xticks(at[kept], [words[k] for k in kept])
    axes.minorticks_off()
    axes.set(xlim=(0, at.max() * 1.05), ylim=(0, 1.03))
    axes.set_xlabel("radius / (1/255)" if steps else "radius (pixels in [0, 1])")


def clouds(comparison: Comparison, known: pd.DataFrame, method: str) -> Figure:
    """Draw interpretability against robustness, a point per image: networks across, measures down."""
    every = [(x, y) for x, y in pairs(comparison) if y.method == method and y.metric in set(known.interpretability)]
    networks = [network for network in comparison.networks if network in set(known.network)]
    figure = style.figure(style.PAGE, min(style.HEIGHT, 1.2 + 1.4 * len(every)))
    panels = figure.subplots(len(every), len(networks), squeeze=False, sharey="row", sharex=True)
    by_panel = known.set_index(["interpretability", "network"])
    for line, (x, y) in zip(panels, every, strict=True):
        for axes, network in zip(line, networks, strict=True):
            if (y.metric, network) not in by_panel.index:
                continue
            one = by_panel.loc[(y.metric, network)]
            axes.scatter(x.values[network], y.values[network], s=6, color=style.COLOURS[0], alpha=0.6, lw=0)
            if y.what == "gap":
                axes.axhline(0, color="0.6", lw=0.5, ls=(0, style.DASHES[1]))
            axes.set_title(f"r = {one.rho:.2f} [{one.low:.2f}, {one.high:.2f}], n = {one.n}", size=5.5, pad=2)
        gain = ":\ngain over random map" if y.what == "gap" else ""
        line[0].set_ylabel(style.wrapped(*style.readable([y.metric]), 1.2, 7) + gain, size=7)
    for axes, network in zip(panels[0], style.readable(networks), strict=True):
        axes.annotate(network, (0.5, 1), (0, 12), "axes fraction", textcoords="offset points", ha="center", size=8)
    for axes in panels[-1]:
        axes.set_xlabel(style.wrapped(*style.readable([every[0][0].label]), 1.2, 7), size=7)
    style.heading(figure, f"Robustness and maps of {style.readable([method])[0]} on {comparison.dataset}")
    count, p = len(comparison.networks), min(1, 2 / factorial(len(comparison.networks)))
    across = ACROSS.format(count, "cannot be tested" if p > LEVEL else "says little", p) * (count > 1)
    style.note(figure, POINTS.format(comparison.selection(), FEWEST) + across)
    return figure
