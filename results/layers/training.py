"""Tables of every quantity over the epochs of a fit."""

import json
from argparse import Namespace
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from results import summary
from results.layers.features import QUANTITIES, features
from results.layers.filters import agreement, best_method, removals, removed_layers
from results.layers.layout import BRACKETS, table_of, texts
from results.layers.predictions import depths, probes
from results.layers.reading import END, Network, entries, has, networks, orders
from results.tables import NONE, Inapplicable, Table, writer

TRAINING = [
    "Columns are epochs of the fit; 0 is before it, and end is the finished network. Probes are fitted anew at every "
    "epoch.",
    "order is Spearman's correlation of the channels' importance with that at the last epoch, within a layer and "
    "averaged over layers.",
    BRACKETS,
]


def training_view(rows: pd.DataFrame, options: Namespace) -> list[Table]:
    """Return for each network that has several epochs its quantities down, then those of layers; epochs across."""
    tables = []
    for epochs in series(networks(rows, options)):
        data = over_epochs(epochs)
        whole = data.layer == ""
        for what, own in data.groupby(data.quantity.mask(whole, "quantities"), sort=False):
            lines = own.groupby("quantity" if what == "quantities" else "layer", sort=False)
            cells = {
                name: texts(part, "mean", writer(part if what == "quantities" else own), by="epoch")
                for name, part in lines
            }
            frame = pd.DataFrame(cells).T.rename(columns=said).fillna(NONE)
            tables.append(table_of(epochs[-1], f"{what} over epochs", frame, own, TRAINING))
    if not tables:
        raise Inapplicable("The view training needs one network at several epochs, as experiment=training gives them")
    return tables


def stepped(rows: pd.DataFrame) -> Iterator[tuple[str, str, int, float]]:
    """Yield what MLflow shows as lines: section, quantity, hundredths of an epoch, value; that of layers as their mean.

    A finished network stands at the epoch at which its fit ends.
    """
    for epochs in series(networks(rows, Namespace(model=None))):
        lasts = (json.loads(text).get("fit.epochs", []) for text in rows.model_settings[rows.model == epochs[-1].name])
        last = sum(next(lasts))
        means = over_epochs(epochs).groupby(["quantity", "epoch"], sort=False)["mean"].mean().dropna()
        for (quantity, epoch), value in means.items():
            section = f"{epochs[-1].dataset} {epochs[-1].name} at hundredths of an epoch"
            yield section, quantity, round(100 * (last if epoch == END else epoch)), value


def series(found: list[Network]) -> list[list[Network]]:
    """Return the epochs of each network that has several."""
    places = dict.fromkeys((one.dataset, one.name) for one in found)
    every = [[one for one in found if (one.dataset, one.name) == place] for place in places]
    return [epochs for epochs in every if len(epochs) > 1]


def said(epoch: float) -> str:
    """Return how an epoch is written."""
    return "end" if epoch == END else f"{epoch:g}"


def over_epochs(epochs: list[Network]) -> pd.DataFrame:
    """Return one row per epoch, quantity and, where it has some, layer: of the first probe and representation.

    Filters are those of the method that is best at the last epoch; every method has the order of its channels.
    """
    last = epochs[-1].importance
    method = best_method(epochs[-1]) if len(last) else ""
    ends = orders(last) if len(last) else {}
    found = [part.assign(epoch=one.epoch) for one in epochs for part in _quantities(one, method, ends)]
    columns = ["quantity", "layer", "epoch", "mean", "low", "high", "n"]
    return pd.concat(found, ignore_index=True).reindex(columns=columns).fillna({"layer": ""})


def _quantities(network: Network, method: str, ends: Mapping[str, pd.Series]) -> Iterator[pd.DataFrame]:
    """Yield the rows of one epoch."""
    right, n = network.accuracy, network.images
    if right == right:
        low, high = summary.wilson(np.array([right]), n)[:, 0] if n >= summary.FEWEST else (np.nan, np.nan)
        yield pd.DataFrame({"quantity": ["accuracy of the network"], "mean": right, "low": low, "high": high, "n": n})
    probe = next(iter(entries(network.probe)), None)
    if has(network.probe, "decision_depth"):
        table = depths(network).drop(columns=["mean", "low", "high"]).query("entry == @probe")
        names = {"median": "mean", "median_low": "low", "median_high": "high"}
        yield table.rename(columns=names).assign(quantity=f"decision depth, {probe}")
    if has(network.probe, "layer_accuracy"):
        yield probes(network).query("entry == @probe").assign(quantity=f"accuracy, {probe}")
    if len(network.importance):
        if has(network.importance, "removal_most_first"):
            table = removals(network).query("first == 'most' and entry == @method")
            yield table.assign(quantity=f"area most first, {method}")
        for entry, sizes in orders(network.importance).items():
            alike = agreement(sizes, ends[entry]) if entry in ends else np.nan
            yield pd.DataFrame({"quantity": [f"order, {entry}"], "mean": alike})
        table = removed_layers(network).query("entry == @method")
        if "mean" in table:
            yield table.assign(quantity=f"class kept without half of the layer, {method}")
        yield table[["layer", "dead"]].set_axis(["layer", "mean"], axis=1).assign(quantity="dead_filters")
    if len(network.representation):
        table = features(network, [*QUANTITIES, "cka_to_last"]).rename(columns={"metric": "quantity"})
        yield table[table.entry == entries(network.representation)[0]]
