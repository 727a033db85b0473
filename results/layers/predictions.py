"""Tables of what each layer predicts, and of the layer at which an image is decided."""

import numpy as np
import pandas as pd

from results import summary
from results.layers.layout import BRACKETS, table_of, texts
from results.layers.reading import Network, control, entries, layers, of_images, of_layers
from results.tables import NONE, Table, numerals, writer

UNDECIDED = "none"  # where the layer of an image that no layer decides would stand
PROBES = [
    "A probe is a small classifier of one layer's features, the means of its channels over positions. It is fitted on "
    "the training images and scored on others; layers stand in the order from the image to the logits.",
    "The control untrained reads the same architecture with weights drawn anew, shuffled_labels is fitted on labels "
    "that were shuffled. A gain is paired over images, and positive is better.",
    "A layer is left out if no probe predicts from it: skip_forward suits only layers like the last one.",
    "Selectivity is how much more accurate a probe is than one fitted on labels drawn at random, from -1 to 1.",
    BRACKETS,
]
DEPTH = [
    "The decision depth [Baldock et al. 2021] is the first layer from which all later probes agree with the network's "
    "own prediction. It is no layer, and counts as one more than there are, if the last probe does not agree.",
    "rho is Spearman's correlation over images of the depth with the probability of the true class in the last layer: "
    "where it is negative, images that are decided late are less certain.",
    "The divergence of an image that the network gets wrong is the first layer from which no later probe says its "
    "true class.",
    BRACKETS,
]


def probe_tables(network: Network) -> list[Table]:
    """Return a table of layers: the accuracy of each probe, its gain over the untrained one, and its selectivity."""
    data, cells = probes(network), {}
    for head, column, sign in (("accuracy ↑", "mean", ""), ("over untrained ↑", "gain", "+")):
        for entry in entries(network.probe):
            cells[head, entry] = texts(data, column, writer(data), sign, entry=entry)
    for entry, own in data.groupby("entry", sort=False):
        cells["selectivity ↑", entry] = pd.Series(numerals(own.selectivity, "+.2f"), own.layer.to_list())
    frame = pd.DataFrame({head: own for head, own in cells.items() if (own != NONE).any()})
    frame = frame.reindex(layers(network.probe, "layer_accuracy")).fillna(NONE)
    frame = frame[(frame != NONE).any(axis=1)]
    return [table_of(network, "accuracy of probes", frame, data, PROBES)]


def probes(network: Network) -> pd.DataFrame:
    """Return one row per layer and probe: accuracy, its gain over the untrained network's, and selectivity.

    Controls have no gain.
    """
    values, untrained = of_images(network.probe, "layer_accuracy"), control(network.probe, "untrained")
    own = values.columns[values.columns.get_level_values("entry").isin(entries(network.probe, controls=False))]
    gains = summary.gains(values, True, {column: (column[0], untrained) for column in own if untrained})
    table = summary.summary(values, True, True).drop(columns="rank").join(gains).reset_index()
    selectivity = of_layers(network.probe, "selectivity").set_index(["part", "entry"])["mean"].rename("selectivity")
    return table.join(selectivity, on=["layer", "entry"])


def depth_tables(network: Network) -> list[Table]:
    """Return a table of decision depths by probe, and one of the share of images that each layer decides."""
    data, parts, names = depths(network), decided(network), layers(network.probe, "layer_accuracy")
    heads = {"median": f"median, 1 to {len(names) + 1}", "mean": "mean", "rho": "rho with probability"}
    heads["divergence"] = "median divergence"
    forms = {"mean": writer(data), "rho": "{:{}.2f}".format}
    cells = {head: texts(data, name, forms.get(name, "{:{}.3g}".format), by="entry") for name, head in heads.items()}
    frame = pd.DataFrame(cells | {"wrong images": data.set_index("entry").wrong.map(str)})
    shares = pd.DataFrame({entry: texts(parts, "mean", writer(parts), entry=entry) for entry in data.entry})
    return [
        table_of(network, "decision depth", frame, data, DEPTH),
        table_of(network, "share of images that a layer decides", shares.reindex([*names, UNDECIDED]), parts, DEPTH),
    ]


def depths(network: Network) -> pd.DataFrame:
    """Return one row per probe: median and mean depth, its correlation with certainty, median divergence."""
    rows, values = network.probe, of_images(network.probe, "decision_depth")
    sure, wrong = of_images(rows, "layer_probability"), of_images(rows, "divergence", [*values.index])
    table, found = summary.summary(values, False).rename_axis("entry").reset_index().drop(columns="rank"), []
    for entry in table.entry:
        apart = wrong[entry].dropna().to_numpy() if entry in wrong else np.empty(0)
        certain = sure[sure.columns[-1][0], entry].reindex(values.index) if len(sure) else values[entry] * np.nan
        middle, rho = summary.median(values[entry].to_numpy()), summary.spearman(values[entry], certain)[:3]
        found.append((*middle, *rho, *summary.median(apart), len(apart)))
    columns = [name + end for name in ("median", "rho", "divergence") for end in ("", "_low", "_high")]
    return table.join(pd.DataFrame(found, columns=[*columns, "wrong"]))


def decided(network: Network) -> pd.DataFrame:
    """Return the share of images that each layer decides, by probe; the last rows are of undecided images."""
    own = network.probe[network.probe.metric_stem == "decision_depth"]
    names = [*layers(network.probe, "layer_accuracy"), UNDECIDED]
    hits = [own.assign(part=name, score=(own.score == k) * 1.0) for k, name in enumerate(names, 1)]
    values = of_images(pd.concat(hits), "decision_depth")
    return summary.summary(values, True, True).reset_index().drop(columns="rank")
