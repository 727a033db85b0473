"""Tables of how features correlate within a layer, with classes, and between layers."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from results.layers.layout import table_of, texts
from results.layers.reading import Network, entries, matrix, of_layers
from results.tables import NONE, Table, numerals, writer

QUANTITIES = {
    "feature_correlation": "correlation",
    "feature_redundancy": "redundancy",
    "effective_rank": "effective rank",
    "class_correlation": "classes",
    "dead_channels": "dead",
}
FEATURES = [
    "correlation is the mean |rho| of two channels over images; redundancy is the share of pairs with |rho| > .9; the "
    "effective rank is the exponential of the entropy of the eigenvalues; classes says how much of a channel is told "
    "by the class; dead is the share of channels that are constant.",
    "untrained has weights drawn anew, gaussian are independent numbers in place of features.",
    "These scores are of all reference images at once. Brackets hold the least and the largest over seeds.",
]
CKA = [
    "CKA is the unbiased one: 1 for layers that are alike but for rotation and scale, about 0 for independent ones; it "
    "can be below 0.",
    "cka_residual has the Gram matrix of the input regressed out [Cui et al. 2022]. cka_influence is the change of CKA "
    "when the 1 % of images with the largest norms are left out [Davari et al. 2023].",
    "neighbours are pairs of layers that follow one another, all are pairs of different layers.",
]


def feature_tables(network: Network) -> list[Table]:
    """Return a table of layers: each quantity of the network's features, beside that of the controls'."""
    data = features(network)
    cells = {
        (QUANTITIES[metric], entry): texts(own, "mean", writer(own), entry=entry)
        for metric, own in data.groupby("metric", sort=False)
        for entry in entries(network.representation)
    }
    frame = pd.DataFrame(cells).reindex(data.layer.unique()).fillna(NONE)
    return [table_of(network, "features", frame, data, FEATURES)]


def features(network: Network, metrics: Iterable[str] = QUANTITIES) -> pd.DataFrame:
    """Return one row per layer, quantity and entry."""
    found = [of_layers(network.representation, metric).assign(metric=metric) for metric in metrics]
    return pd.concat(found, ignore_index=True).rename(columns={"part": "layer"})


def similarity_tables(network: Network) -> list[Table]:
    """Return a table that sums up each similarity, then the similarity of every two layers as a matrix."""
    found, lines, tables = similarities(network), {}, []
    for name, table in found.items():
        values, numbers = table.to_numpy(), [*map(str, range(1, len(table) + 1))]
        lines[name] = [np.diag(values, 1).mean(), values[~np.eye(len(values), dtype=bool)].mean(), values[0, -1]]
        places = [f"{k} {layer}" for k, layer in zip(numbers, table.index, strict=True)]
        frame = pd.DataFrame([numerals(row, "z.2f") for row in values], places, numbers)
        pairs = table.rename_axis("layer").reset_index().melt("layer", var_name="other", value_name="cka")
        what = name if name.startswith("cka") else f"CKA of {name}"
        tables.append(table_of(network, what, frame, pairs.assign(of=name), CKA))
    data = pd.DataFrame.from_dict(lines, "index", columns=["neighbours", "all", "first and last"])
    frame = data.apply(numerals, spec="z.2f")
    return [table_of(network, "CKA at a glance", frame, data.rename_axis("of").reset_index(), CKA), *tables]


def similarities(network: Network) -> dict[str, pd.DataFrame]:
    """Return layers x layers by name: the CKA of each entry, and cka_residual and cka_influence of the first."""
    rows = network.representation
    if rows.empty:
        return {}
    own, *others = entries(rows)
    pairs = [("cka", own), ("cka_residual", own), *(("cka", name) for name in others), ("cka_influence", own)]
    found = {entry if metric == "cka" else metric: matrix(rows, metric, entry) for metric, entry in pairs}
    return {name: table for name, table in found.items() if table.notna().any(axis=None)}
