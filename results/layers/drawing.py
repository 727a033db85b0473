"""Figures of layers: decisions, accuracy of probes, decision depth, features, similarity, removal, training."""

from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from results import scores as stored
from results import style, summary
from results.layers.decisions import FULL, decisions
from results.layers.features import QUANTITIES, features, similarities
from results.layers.layout import counted
from results.layers.predictions import UNDECIDED, decided, depths, probes
from results.layers.reading import Network, control, entries, finished, has, layers, networks
from results.layers.training import over_epochs, said, series
from results.panels import banded, described, legend, looks, named

ACROSS, NAMES = 3, 48  # networks beside each other, and names of layers that have room below all of them
BANDS = "Bands are 95 % intervals over images, where there are six or more."
ORDER = "Layers stand in the order from the image to the logits."
ACCURACY = f"""\
Accuracy of a probe of each layer on images that it was not fitted on; higher is better. {{more}}Dotted in black: the \
network itself. {ORDER} {BANDS}"""
SKIP = "Skip forward is no probe: it gives a layer to the network's own classifier, where the sizes fit. "
DEPTH = f"""\
Share of images in percent whose decision depth is a layer: from there on all probes agree with the network's own \
prediction; {UNDECIDED}: the last probe does not, which the median counts as one layer more. Rows sum to 100, but for \
rounding; darker is more. Left is earlier, which is neither better nor worse. {ORDER}"""
SIMILARITY = """\
Unbiased CKA, centred kernel alignment, of every two different layers: 1 where they tell images apart alike; all \
panels of similarity share one scale, on which values below 0 are as pale as 0. Untrained: weights drawn anew; \
Gaussian: independent numbers; without the input: its Gram matrix regressed out; influence: the change of CKA when \
the 1 % of images with the largest norms are left out. No value is better: a similarity that the controls have, too, \
says nothing of training. Layers are numbered as named at the left."""
FEATURES = f"""\
Lines: the network's features and, in grey, those of the controls. Correlation is the mean |rho| of two channels, \
redundancy the share of pairs with |rho| > .9; effective rank: as how many independent channels they are. Fewer dead \
channels are better; no other value is better as such. {ORDER} Bands, where there are several seeds, reach from the \
least to the largest."""
REMOVAL = f"""\
Share of images whose class the network keeps, against the share of every layer's filters that is removed. Most \
important first: lower is better; least important first: higher is better; an order that is no better than random \
(grey) says nothing. {BANDS}"""
TRAINING = f"""\
Colours: a quantity of each layer at each epoch of the fit, each on a scale of its own; 0 is before the fit, end is \
the finished network. Higher is better in accuracy only. Lines: order is the rank correlation of the channels' \
importance with that at the last epoch. {ORDER} {BANDS}"""
LINES = {  # by title: how the quantities of a panel begin
    "accuracy ↑, area most first ↓": ("accuracy of", "area"),
    "median decision depth": ("decision depth",),
    "order of channels": ("order",),
}
CURVES = ("removal_most_first", "removal_least_first")


def figures(rows: pd.DataFrame, options: Namespace) -> Iterator[tuple[str, Figure]]:
    """Yield every figure that the sweep has the data for."""
    every = networks(rows, options)
    for dataset in dict.fromkeys(network.dataset for network in every):
        own = finished([network for network in every if network.dataset == dataset])
        for name, draw, group, metric in (
            ("accuracy", accuracy, "probe", "layer_accuracy"),
            ("depth", depth, "probe", "decision_depth"),
            ("features", correlations, "representation", "feature_correlation"),
            ("removal", removal, "importance", "removal_most_first"),
        ):
            having = [network for network in own if has(getattr(network, group), metric)]
            for k in range(0, len(having), ACROSS):
                yield f"{name}_{dataset}" + f"_{k // ACROSS + 1}" * (len(having) > ACROSS), draw(having[k : k + ACROSS])
        for network in own:
            yield from _of_network(network, f"{dataset}_{network.name}")
    for epochs in series(every):
        yield f"training_{epochs[-1].dataset}_{epochs[-1].name}", training(epochs)


def pictures(gallery: Mapping[str, np.ndarray], folder: Path) -> None:
    """Write the decisions of one cell, which MLflow shows beside its scores."""
    if "probabilities" in gallery:
        style.save(decisions(gallery, "Decisions, the first {shown} images"), folder / "first_decisions", [".png"])


def _of_network(network: Network, place: str) -> Iterator[tuple[str, Figure]]:
    if found := similarities(network):
        yield f"similarity_{place}", similarity(network, found)
    galleries = stored.galleries(network.probe) if len(network.probe) else {}
    probe = next((name for name in entries(network.probe) if "probabilities" in galleries.get(name, ())), None)
    if probe:
        title, what = f"Decisions of {_named(network)}, {{shown}} images", f"probe {style.readable([probe])[0].lower()}"
        yield f"decisions_{place}", decisions(galleries[probe], title, what)


def _named(network: Network) -> str:
    return " on ".join(style.readable([network.title, network.dataset]))


def _heading(what: str, own: Sequence[Network], reference: bool = False) -> str:
    """Return what a figure shows, on which data and images; panels name the networks."""
    (dataset,) = style.readable([own[0].dataset])
    of = dict.fromkeys(counted(network, reference).partition(", accuracy")[0] for network in own)
    return f"{what} on {dataset}, {'; '.join(of)}"


def accuracy(own: Sequence[Network]) -> Figure:
    """Draw accuracy by layer: networks below one another, a line per probe."""
    figure, styles = style.figure(FULL, min(style.HEIGHT, 0.9 + 2.3 * len(own))), _styles(own, "probe")
    for network, axes in zip(own, figure.subplots(len(own), 1, squeeze=False)[:, 0], strict=True):
        data, names = probes(network), layers(network.probe, "layer_accuracy")
        data["place"] = data.layer.map(names.index)
        for entry in entries(network.probe):
            banded(axes, data[data.entry == entry], "place", styles[entry] | {"marker": "o", "ms": 1.8})
        axes.axhline(network.accuracy, color="black", lw=0.8, ls=(0, style.DASHES[1]))
        axes.set_title(style.readable([network.title])[0], size=8, loc="left")
        axes.set(ylim=(-0.02, 1.03), ylabel="accuracy")
        named(axes, names, NAMES)
    styles["the network"] = {"color": "black", "lw": 0.8, "ls": (0, style.DASHES[1])}
    legend(figure, dict(zip(style.readable(styles), styles.values(), strict=True)))
    rows = pd.concat([network.probe[["entry_stem", "group"]] for network in own])
    notes = {SKIP: rows.entry_stem == "skip_forward", "Grey: controls. ": rows.group == "control"}
    more = "".join(sentence for sentence, where in notes.items() if where.any())
    return described(figure, _heading("Accuracy of probes", own), ACCURACY.format(more=more))


def _styles(own: Sequence[Network], group: str) -> dict[str, dict]:
    """Return the line of every entry of some networks; controls are grey."""
    rows = [getattr(network, group) for network in own]
    names = dict.fromkeys(name for part in rows for name in entries(part))
    grey = {*np.concatenate([part.entry[part.group == "control"].astype(str).unique() for part in rows])}
    found = looks([name for name in names if name not in grey], grey)
    return {name: found[name] for name in names}


def depth(own: Sequence[Network]) -> Figure:
    """Draw how many images each layer decides: networks below one another, probes down, layers across."""
    tables = [
        decided(network).pivot(index="entry", columns="layer", values="mean")[
            [*layers(network.probe, "layer_accuracy"), UNDECIDED]
        ]
        for network in own
    ]
    rows, most = [len(table) for table in tables], max(table.max(axis=None) for table in tables)
    figure = style.figure(FULL, min(style.HEIGHT, 0.9 + sum(0.17 * count + 0.95 for count in rows)))
    panels = figure.subplots(len(own), 1, squeeze=False, height_ratios=rows)[:, 0]
    for network, table, axes in zip(own, tables, panels, strict=True):
        middle = depths(network).set_index("entry")["median"]
        table = table.reindex(entries(network.probe)).dropna(how="all")
        axes.imshow(table, vmin=0, vmax=most, cmap="Blues", aspect="auto")
        for (row, column), share in np.ndenumerate(table.to_numpy()):
            if share >= 0.005:
                look = {"size": style.SMALL, "ha": "center", "va": "center"}
                axes.text(column, row, f"{100 * share:.0f}", color="white" if share > 0.6 * most else "black", **look)
        said_ = [f"{style.readable([name])[0]}, median {middle[name]:g}" for name in table.index]
        axes.set_yticks(range(len(table)), said_, size=style.SMALL)
        named(axes, [*table], NAMES)
        axes.set_title(style.readable([network.title])[0], size=8, loc="left")
        style.bare(axes)
    return described(figure, _heading("Decision depth", own), DEPTH)


def correlations(own: Sequence[Network]) -> Figure:
    """Draw the quantities of features by layer: quantities down, networks across."""
    data = [features(network) for network in own]
    shown = [metric for metric in QUANTITIES if any((some.metric == metric).any() for some in data)]
    styles = _styles(own, "representation")
    figure = style.figure(FULL, min(style.HEIGHT, 1.6 + 1.15 * len(shown)))
    panels = figure.subplots(len(shown), len(own), squeeze=False, sharex="col", sharey="row")
    for network, some, column in zip(own, data, panels.T, strict=True):
        names = [*some.layer.unique()]
        some = some.assign(place=some.layer.map(names.index))
        for metric, axes in zip(shown, column, strict=True):
            for entry in entries(network.representation):
                part = some[(some.metric == metric) & (some.entry == entry)]
                banded(axes, part, "place", styles[entry] | {"marker": "o", "ms": 1.8})
        named(column[-1], names, NAMES // len(own))
        column[0].set_title(style.readable([network.title])[0], size=8)
    for metric, axes in zip(style.readable(shown), panels[:, 0], strict=True):
        axes.set_ylim(bottom=0)  # last, since a limit stops the scale from growing with the next network of the row
        axes.set_ylabel(style.wrapped(metric, 1.0, 7), size=7)
    legend(figure, dict(zip(style.readable(styles), styles.values(), strict=True)))
    return described(figure, _heading("Correlation of features", own, True), FEATURES)


def similarity(network: Network, found: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw the matrices of CKA on one scale, and the influence of far images on another."""
    down = -(-len(found) // ACROSS)
    figure = style.figure(FULL, 0.9 + 2.05 * down)
    panels = figure.subplots(down, ACROSS, squeeze=False).ravel()
    for axes in panels:
        axes.set_axis_off()
    for k, (name, table) in enumerate(found.items()):
        axes = panels[-1 if name == "cka_influence" else k]  # colour bars stand below one another
        axes.set_axis_on()
        numbers = [str(place) if place % -(-len(table) // 12) == 0 else "" for place in range(1, len(table) + 1)]
        signed = name == "cka_influence"
        end = max(0.01, table.abs().max(axis=None)) if signed else 1
        scale = {"cmap": "RdBu_r", "vmin": -end, "vmax": end} if signed else {"cmap": "YlGnBu", "vmin": 0, "vmax": 1}
        picture = axes.imshow(table, **scale)
        axes.set_title(style.wrapped(*style.readable([name]), 1.6, 7), size=7)
        axes.set_xticks(range(len(table)), numbers, size=style.SMALL)
        names = [f"{layer} {place}" for place, layer in enumerate(table, 1)] if k % ACROSS == 0 else numbers
        axes.set_yticks(range(len(table)), names, size=style.SMALL)
        style.bare(axes)
        if signed:
            figure.colorbar(picture, ax=axes, shrink=0.8, aspect=15, ticks=[-end, 0, end], format="%.2g")
        elif k % ACROSS == ACROSS - 1 or k == len(found) - 1:
            figure.colorbar(picture, ax=axes, shrink=0.8, aspect=15, ticks=[0, 0.5, 1])
    return described(figure, f"CKA of {_named(network)}, {counted(network, True)}", SIMILARITY)


def removed(network: Network) -> pd.DataFrame:
    """Return one row per order, entry and share removed: the share of images whose class is kept, with its interval."""
    lines = stored.curves(network.importance[network.importance.metric_stem.isin(CURVES)])
    lines = lines.assign(first=[str(name).partition(" (")[0] for name in lines.metric], entry=lines.entry.astype(str))
    values = lines.pivot_table(index="image", columns=["first", "fraction", "entry"], values="value", observed=True)
    return summary.summary(values, True, True).reset_index() if len(values) else pd.DataFrame()


def removal(own: Sequence[Network]) -> Figure:
    """Draw what is left of the network's answers as filters are removed: networks down, methods across."""
    methods = [*dict.fromkeys(name for network in own for name in entries(network.importance, controls=False))]
    figure = style.figure(FULL, min(style.HEIGHT, 1.1 + 1.55 * len(own)))
    panels = figure.subplots(len(own), len(methods), squeeze=False, sharex=True, sharey=True)
    lines = {"most important first": {"color": style.COLOURS[3]}, "least important first": {"color": style.COLOURS[0]}}
    lines["random"] = {"color": style.CONTROL, "ls": (0, style.DASHES[0])}
    for network, line in zip(own, panels, strict=True):
        data, random = removed(network), control(network.importance, "random")
        for method, axes in zip(methods, line, strict=True):
            chosen = [*((first, method) for first in CURVES), (CURVES[0], random)]
            for look, (first, entry) in zip(lines.values(), chosen, strict=True):
                if len(data):
                    banded(axes, data[(data["first"] == first) & (data.entry == entry)], "fraction", look)
            axes.set(xlim=(0, 1), ylim=(0, 1.03))
        line[0].set_ylabel(style.wrapped(*style.readable([network.title]), 1.3, 8))
    for method, column in zip(style.readable(methods), panels.T, strict=True):
        column[0].set_title(method, size=7)
        column[-1].set_xlabel("share removed", size=7)
    legend(figure, lines)
    return described(figure, _heading("Class kept without a share of the filters", own), REMOVAL)


def training(epochs: Sequence[Network]) -> Figure:
    """Draw every quantity over epochs: heat maps of layers, and lines of what has none."""
    data = over_epochs(epochs)
    heats, whole = data[data.layer != ""], data[data.layer == ""]
    shown, names = [*heats.quantity.unique()], [said(network.epoch) for network in epochs]
    shown.sort(key=lambda quantity: (heats.layer[heats.quantity == quantity] == heats.layer.iloc[0]).sum() == 0)
    down = -(-len(shown) // ACROSS)
    figure = style.figure(FULL, min(style.HEIGHT, 1.0 + 1.75 * (down + 1)))
    panels = figure.subplots(down + 1, ACROSS, squeeze=False)
    left: list[str] = []
    for k, (axes, quantity) in enumerate(zip(panels[:-1].ravel(), shown, strict=False)):
        part = heats[heats.quantity == quantity]
        table = part.pivot(index="layer", columns="epoch", values="mean").loc[part.layer.unique()]
        picture = axes.imshow(table, aspect="auto", cmap="viridis", interpolation="nearest")
        figure.colorbar(picture, ax=axes, aspect=15, shrink=0.9).ax.tick_params(labelsize=style.SMALL)
        axes.set_title(style.wrapped(*style.readable([quantity]), 1.7, 7), size=7)
        axes.set_xticks(range(table.shape[1]), map(said, table), size=style.SMALL)
        if k % ACROSS == 0 or [*table.index] != left:
            named(axes, [*table.index], 14, x=False)
        else:
            axes.set_yticks([])
        left = [*table.index]
        style.bare(axes)
    for axes in panels[:-1].ravel()[len(shown) :]:
        axes.set_axis_off()
    for axes, (title, start) in zip(panels[-1], LINES.items(), strict=True):
        own = [quantity for quantity in whole.quantity.unique() if quantity.startswith(start)]
        for colour, quantity in zip(style.COLOURS, own, strict=False):
            part = whole[whole.quantity == quantity]
            part = part.assign(place=[names.index(said(epoch)) for epoch in part.epoch])
            look = {"color": colour, "marker": "o", "ms": 2, "label": style.readable([quantity.split(", ")[-1]])[0]}
            banded(axes, part, "place", look)
        axes.set_xticks(range(len(names)), names, size=style.SMALL)
        axes.set_xlabel("epoch", size=7)
        axes.set_title(title, size=7)
        if own:
            axes.legend(fontsize=style.SMALL, handlelength=1, borderpad=0)
        else:
            axes.set_axis_off()
    return described(figure, f"Training of {_named(epochs[-1])}, {counted(epochs[-1])}", TRAINING)
