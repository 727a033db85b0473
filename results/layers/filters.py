"""Tables of which filters matter, and of those that stand in the layers at which images are decided."""

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd

from results import inference, summary
from results import scores as stored
from results.layers.layout import BRACKETS, table_of, texts
from results.layers.reading import Network, channels, control, entries, layers, of_images, of_layers, orders
from results.tables import NONE, Table, numerals, writer

STRONGEST = 3  # channels that a cell names
FILTERS = [
    "The same share of every layer's filters is removed, the most or the least important ones first. Scores are areas "
    "under the share of images whose class the network keeps, over the share removed.",
    "An order of importance is good if its most important filters hurt more than random ones, and its least important "
    "ones less. Differences are paired over images, and positive is better.",
    "Verdicts compare each method's area most first with the best one's in a paired test over images (5 %).",
    BRACKETS,
]
ORDERS = [
    "Agreement is Spearman's correlation of two methods' sizes over the filters of a layer, averaged over layers. The "
    "sizes are those by which each method orders the filters; random orders have none.",
    "Ablation reads the first of the reference images only, as many as its setting images says.",
]
SIGNED = [
    "The signed importance of a channel for a class is the mean fall of the class's logit, over its images, when the "
    "channel is removed: with + it supports the class, with - it speaks against it.",
]
DECIDING = [
    "An image is decided at its decision depth by the probe that the title names. Its class is the one that the "
    "network predicts.",
    "importance here is the share of all positive signed importance for the classes of these images that stands in the "
    "filters of this layer; elsewhere is the same layer's share for the classes of all other images. If the layer that "
    "decides is where the class is made, here is larger than elsewhere and than the layer's share of all channels.",
    "A filter belongs to the first layer from the image on whose name has most in common with its own.",
]


def filter_tables(network: Network) -> list[Table]:
    """Return the tables of methods, of the agreement of their orders, of layers, and of the channels of each class."""
    tables, signed = [], channels(network.importance)
    if len(methods := removals(network)):
        tables.append(_methods(network, methods))
    if len(sizes := orders(network.importance)) > 1:
        data = agreements(sizes)
        frame = data.apply(numerals, spec="z.2f")
        tables.append(table_of(network, "agreement of orders", frame, data.rename_axis("of").reset_index(), ORDERS))
    if len(by_layer := removed_layers(network)):
        tables.append(_layers(network, by_layer))
    if signed:
        best = best_method(network, signed)
        tables.append(_classes(network, signed[best], best))
    return tables


def removals(network: Network) -> pd.DataFrame:
    """Return one row per method: both areas, their gains over random orders, and the verdict on most first."""
    rows, random = network.importance, control(network.importance, "random")
    most = of_images(rows, "removal_most_first")
    if most.empty:
        return pd.DataFrame(columns=["first", "entry", "mean"])
    least = of_images(rows, "removal_least_first", [*most.index])
    values = pd.concat({"most": most, "least": least} if len(least) else {"most": most}, axis=1)
    higher = values.columns.get_level_values(0) == "least"
    table = summary.summary(values, higher, True)
    table = table.join(summary.gains(values, higher, {c: (c[0], random) for c in values if random}))
    verdict = inference.verdicts(most, False, [random] if random else []).verdict
    table = table.rename_axis(["first", "entry"]).reset_index().drop(columns="rank")
    table["verdict"] = np.where(table["first"] == "most", table.entry.map(verdict), "")
    return table.assign(control=table.entry == random)


def best_method(network: Network, among: Collection[str] | None = None) -> str:
    """Return the method whose most important filters hurt most when removed; the first one without scores."""
    methods, names = removals(network), entries(network.importance, controls=False)
    names = [name for name in names if among is None or name in among]
    known = methods[(methods["first"] == "most") & methods.entry.isin(names)]
    return known.set_index("entry")["mean"].idxmin() if len(known) else names[0]


def _methods(network: Network, methods: pd.DataFrame) -> Table:
    """Return a table of methods: the areas under both removal curves, and their gains over random orders."""
    cells, write = {}, writer(methods)
    for first, area, gain in (
        ("most", "most first ↓", "random - most first ↑"),
        ("least", "least first ↑", "least first - random ↑"),
    ):
        own = methods[methods["first"] == first]
        cells |= {area: texts(own, "mean", write, by="entry"), gain: texts(own, "gain", write, "+", by="entry")}
    frame = pd.DataFrame({head: own for head, own in cells.items() if (own != NONE).any()})
    frame = frame.reindex(entries(network.importance)).fillna(NONE)
    verdicts = pd.DataFrame("", frame.index, frame.columns)
    verdicts["most first ↓"] = methods[methods["first"] == "most"].set_index("entry").verdict.reindex(frame.index)
    about = {"verdicts": verdicts, "controls": int(methods.control.any())}
    return table_of(network, "order of filters", frame, methods, FILTERS, **about)


def agreement(one: pd.Series, other: pd.Series) -> float:
    """Return Spearman's correlation over the channels of a layer, averaged over layers in which it is defined."""
    ranks = pd.concat([one, other], axis=1, join="inner").dropna().groupby(level="layer").rank()
    a, b = (ranks - ranks.groupby(level="layer").transform("mean")).to_numpy().T
    sums = pd.DataFrame({"ab": a * b, "aa": a * a, "bb": b * b}, ranks.index).groupby(level="layer").sum()
    return float((sums.ab / np.sqrt(sums.aa * sums.bb).replace(0, np.nan)).mean())


def agreements(sizes: Mapping[str, pd.Series]) -> pd.DataFrame:
    """Return the agreement of every two methods."""
    return pd.DataFrame({a: {b: agreement(sizes[a], sizes[b]) for b in sizes} for a in sizes})


def removed_layers(network: Network) -> pd.DataFrame:
    """Return one row per layer and method: images that keep their class without half of it; dead filters."""
    values = of_images(network.importance, "layer_removal")
    dead = of_layers(network.importance, "dead_filters").rename(columns={"part": "layer", "mean": "dead"})
    dead = dead.drop(columns=["low", "high"])
    if values.empty:
        return dead
    table = summary.summary(values, True, True).drop(columns="rank").reset_index()
    return table.merge(dead, "left", ["layer", "entry"])


def _layers(network: Network, data: pd.DataFrame) -> Table:
    """Return a table of layers: dead filters, and the images that keep their class without half of a layer."""
    dead = data.groupby("layer", sort=False).dead.max()
    cells = {("filters", "dead"): pd.Series(numerals(dead, ".2f"), dead.index)}
    for entry in entries(network.importance) if "mean" in data else ():
        cells["class kept without the more important half ↓", entry] = texts(data, "mean", writer(data), entry=entry)
    frame = pd.DataFrame(cells).reindex(dead.index).fillna(NONE)
    return table_of(network, "filters by layer", frame, data, [BRACKETS])


def class_names(network: Network) -> dict[int, str]:
    """Return the names of classes that a gallery of the sweep holds, by their index."""
    every = stored.galleries(network.probe) if len(network.probe) else {}
    names = next((gallery["classes"][0] for gallery in every.values() if "classes" in gallery), ())
    return {k: str(name) for k, name in enumerate(names)}


def strongest(signed: pd.Series, sign: int = 1) -> str:
    """Return the channels that support a class most, or with the sign -1 oppose it most, with their importance."""
    sizes = (sign * signed[sign * signed > 0]).sort_values(ascending=False, kind="stable")[:STRONGEST]
    return ", ".join(f"{layer} {channel} ({sign * size:+.2g})" for (layer, channel), size in sizes.items()) or NONE


def _classes(network: Network, signed: pd.DataFrame, method: str) -> Table:
    """Return a table of classes: the channels that support each class most, and those that oppose it most."""
    names = class_names(network)
    lines = {
        names.get(target, str(target)): {"supported by": strongest(own), "opposed by": strongest(own, -1)}
        for target, own in signed.items()
    }
    data = signed.rename_axis(columns="class").stack().rename("importance").reset_index()
    place = data.importance.abs().groupby(data["class"]).rank(ascending=False, method="first")
    data = data[place <= 2 * STRONGEST]
    frame, what = pd.DataFrame.from_dict(lines, "index"), f"channels of classes by {method}"
    return table_of(network, what, frame, data.assign(entry=method), SIGNED)


def deciding_tables(network: Network) -> list[Table]:
    """Return the layers that decide images, and the filters there that carry the images' classes."""
    signed, probe = channels(network.importance), entries(network.probe)[0]
    method = best_method(network, signed)
    data = deciding(network, signed[method], probe)
    cells = {
        "images": [*map(str, data.images)],
        "share": texts(data, "mean", writer(data)).to_list(),
        "importance here": numerals(data.here, ".2f"),
        "elsewhere": numerals(data.elsewhere, ".2f"),
        "channels": numerals(data.channels, ".2f"),
        "strongest filters": data.strongest.to_list(),
    }
    what = f"filters of the layer that decides, by {probe} and {method}"
    frame = pd.DataFrame(cells, data.layer.to_list())
    return [table_of(network, what, frame, data, [*DECIDING, *SIGNED, BRACKETS])]


def deciding(network: Network, signed: pd.DataFrame, probe: str) -> pd.DataFrame:
    """Return one row per layer at which images are decided, with the importance of its filters for their classes."""
    names = layers(network.probe, "layer_accuracy")
    depth = of_images(network.probe, "decision_depth")[probe].dropna().round().astype(int)
    target = network.probe.drop_duplicates("image").set_index("image").predicted.reindex(depth.index)
    of = layers_of(names, [*dict.fromkeys(signed.index.get_level_values("layer"))])
    layer = signed.index.get_level_values("layer").map(of)
    positive, found = signed.clip(lower=0).fillna(0), []
    shares = (positive / positive.sum()).groupby(np.asarray(layer), sort=False).sum()
    for k, name in enumerate(names, 1):
        here = (depth == k).to_numpy()
        if here.any():
            low, high = summary.wilson(np.array([here.mean()]), len(here))[:, 0]
            share = [_mean(shares, name, target[some]) for some in (here, ~here)]
            own = signed[layer == name]
            known = [t for t in target[here] if t in own]
            some = strongest(own[known].mean(axis=1)) if known and len(own) else NONE
            about = (int(here.sum()), here.mean(), low, high, *share, float((layer == name).mean()), some)
            found.append((name, len(depth), *about))
    columns = ["layer", "n", "images", "mean", "low", "high", "here", "elsewhere", "channels", "strongest"]
    return pd.DataFrame(found, columns=columns).assign(probe=probe)


def _mean(shares: pd.DataFrame, layer: str, targets: pd.Series) -> float:
    """Return how much of a class's importance lies in a layer: the mean over the classes of some images."""
    known = [target for target in targets if target in shares]
    return float(shares.loc[layer, known].mean()) if known and layer in shares.index else np.nan


def layers_of(names: list[str], filters: list[str]) -> dict[str, str]:
    """Return for each module with filters the layer that it works in: names are matched in order, by their first parts.

    Of layers with equally much in common it is the first with a number that is no smaller; a layer that has more in
    common with an earlier filter is left to that one.
    """
    found, at, owned = {}, 0, dict.fromkeys(names, 0)
    for filter in filters:
        own = filter.split(".")
        common = {name: _common(own, name.split(".")) for name in names[at:]}
        fitting = {name: size for name, size in common.items() if owned[name] <= size and _not_before(own, name, size)}
        chosen = max(fitting or common, key=common.get)  # the first of the largest
        found[filter], at, owned[chosen] = chosen, names.index(chosen), max(owned[chosen], common[chosen])
    return found


def _common(one: list[str], other: list[str]) -> int:
    """Return how many parts at the start of two names are equal."""
    return next((k for k, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _not_before(own: list[str], name: str, common: int) -> bool:
    """Return whether the first part that differs is not a smaller number in the layer's name than in the filter's."""
    parts = [*own[common : common + 1], *name.split(".")[common : common + 1]]
    return len(parts) < 2 or not all(part.isdecimal() for part in parts) or int(parts[0]) <= int(parts[1])
