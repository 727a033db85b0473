"""What a sweep of layers holds, network by network: rows by the group of their entries, layers, epochs, channels."""

import json
import re
from argparse import Namespace
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd

from results import scores as stored
from results import summary
from results.tables import Inapplicable, known

GROUPS = {
    "probe": ("layer_accuracy", "layer_probability", "decision_depth", "divergence", "selectivity"),
    "importance": (
        *("removal_most_first", "removal_least_first", "layer_removal"),
        *("channel_importance", "filter_importance", "dead_filters"),
    ),
    "representation": (
        *("feature_correlation", "feature_redundancy", "effective_rank", "class_correlation", "dead_channels"),
        *("cka", "cka_residual", "cka_influence", "cka_to_last"),
    ),
}
FIRST = ("linear", "network", "untrained")  # entries that stand for their group, or come first in it
END = np.inf  # the epoch of a finished network


@dataclass(frozen=True)
class Network:
    """A network on a data set, at one epoch of its fit, with its rows of probes, importance and representations."""

    dataset: str
    model: str  # with the epoch, where epochs differ
    name: str  # without it
    epoch: float
    probe: pd.DataFrame
    importance: pd.DataFrame
    representation: pd.DataFrame

    @property
    def parts(self) -> list[pd.DataFrame]:
        """The groups that have rows."""
        return [rows for rows in (self.probe, self.importance, self.representation) if len(rows)]

    @property
    def images(self) -> int:
        return len({image for rows in self.parts for image in rows.image.unique()} - {""})

    @property
    def accuracy(self) -> float:
        """The share of images of a known class that the network classifies correctly; nan if no row says."""
        known = (value for value in map(stored.accuracy, self.parts) if value == value)
        return next(known, float("nan"))

    @property
    def title(self) -> str:
        return self.name if self.epoch == END else f"{self.name}, epoch {self.epoch:g}"


def networks(rows: pd.DataFrame, options: Namespace, *needed: Collection[str]) -> list[Network]:
    """Return the networks that have one of each of the `needed` metrics, epochs in order; refuse to return none."""
    number, places = stored.numbered(stored.labelled(rows), [*stored.TABLE, "model_settings"])
    places = places.astype(str)
    epochs = [epoch_of(settings) for settings in places.model_settings]
    places = places.assign(name=places.model.map(_without_epoch), epoch=epochs)
    known("--model", filter(None, [options.model]), [*places.model, *places.name])
    places["first"] = places.groupby(["dataset", "name"], sort=False).ngroup()
    parts = {}
    for group, metrics in GROUPS.items():  # entries of two groups may have one name: each group is labelled alone
        own = rows.metric.isin(metrics).to_numpy()
        some = stored.labelled(rows[own]) if own.any() else rows[own].assign(metric_stem="", entry_stem="")
        parts[group] = some, number[own]
    metrics = rows.metric.astype("category").where(rows.status == "ok")
    found = []
    for k, dataset, model, name, epoch in places.sort_values(["first", "epoch"])[
        ["dataset", "model", "name", "epoch"]
    ].itertuples():
        has = {*metrics[number == k].dropna().unique()}
        if options.model in (None, model, name) and all(has.intersection(some) for some in needed):
            here = {group: some[numbers == k] for group, (some, numbers) in parts.items()}
            found.append(Network(dataset, model, name, epoch, **here))
    if not found:
        what = " and ".join(next(iter(some)) for some in needed)
        raise Inapplicable(f"This view needs the scores {what} of one network; this sweep has no network with them")
    return found


def epoch_of(settings: str) -> float:
    """Return the epoch that a network's settings name, `END` where they name none."""
    epoch = json.loads(settings).get("epoch")
    return END if epoch is None else float(epoch)


def _without_epoch(model: str) -> str:
    return re.sub(r" \(\)$", "", re.sub(r"epoch=[^,)]*(, )?", "", model).replace(", )", ")"))


def finished(found: list[Network]) -> list[Network]:
    """Return each network at its last epoch."""
    return [*{(one.dataset, one.name): one for one in found}.values()]


def entries(rows: pd.DataFrame, controls: bool = True) -> list[str]:
    """Return the entries of one group, which `FIRST` names first and controls last."""
    own = rows[["entry", "entry_stem", "group"]].drop_duplicates("entry")
    own = own.assign(control=own.group == "control", late=~own.entry_stem.isin(FIRST))
    own = own if controls or own.control.all() else own[~own.control]
    return [*own.sort_values(["control", "late"], kind="stable").entry.astype(str)]


def control(rows: pd.DataFrame, stem: str) -> str | None:
    """Return the control with this stem, if there is one."""
    return next(iter(rows.entry[rows.entry_stem == stem].astype(str).unique()), None)


def has(rows: pd.DataFrame, metric: str) -> bool:
    return bool((rows.metric_stem == metric).any())


def layers(rows: pd.DataFrame, metric: str) -> list[str]:
    """Return the layers that a metric has scores of, from the image to the logits."""
    return [*filter(None, rows.part[rows.metric_stem == metric].astype(str).unique())]


def of_images(rows: pd.DataFrame, metric: str, images: list[str] | None = None) -> pd.DataFrame:
    """Return scores averaged over seeds: a row per image, and a column per entry, or per layer and entry."""
    own = rows[(rows.metric_stem == metric) & (rows.image != "")]
    own = own[own.metric == own.metric.iloc[0]] if len(own) else own
    if own.empty:
        return pd.DataFrame()
    places = pd.DataFrame({name: own[name].astype(str) for name in ("image", "part", "entry")})
    places = places.assign(metric=places.part, part="", score=own.score, status=own.status)  # each layer is a block
    values = summary.cubes(places, summary.common_images(own)[0] if images is None else images)
    values = values.rename_axis(["layer", "entry"], axis=1)
    order = [name for name in entries(own) if name in values.columns.unique("entry")]
    values = values.reindex(columns=order, level="entry")
    return values[""] if [*values.columns.unique("layer")] == [""] else values


def of_layers(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return scores of no single image, a row per part and entry: the mean, the least and the largest of the seeds."""
    own = rows[(rows.metric_stem == metric) & (rows.image == "")].astype({"part": str, "entry": str})
    found = own.groupby(["part", "entry"], sort=False).score.agg(["mean", "min", "max", "count"]).reset_index()
    return found.assign(low=found["min"].where(found["count"] > 1), high=found["max"].where(found["count"] > 1))[
        ["part", "entry", "mean", "low", "high"]
    ]


def matrix(rows: pd.DataFrame, metric: str, entry: str) -> pd.DataFrame:
    """Return the scores of pairs of layers as a symmetric table, layers x layers."""
    own = of_layers(rows, metric)
    own = own[(own.entry == entry) & (own.part != "")].set_index("part")["mean"]
    pairs = [*map(json.loads, own.index)]
    names = [*dict.fromkeys(name for pair in pairs for name in pair)]
    table = pd.DataFrame(np.nan, names, names)
    for (a, b), value in zip(pairs, own, strict=True):
        table.loc[a, b] = table.loc[b, a] = value
    return table


def channels(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return for each method the signed importance of channels: (layer, channel) x class, nan where undefined."""
    tables = placed(rows, "channel_importance", ["layer", "channel", "target"])
    return {entry: own.unstack("target") for entry, own in tables.items()}


def orders(rows: pd.DataFrame) -> dict[str, pd.Series]:
    """Return for each method the size (layer, channel) by which it orders the filters."""
    return placed(rows, "filter_importance", ["layer", "channel"])


def placed(rows: pd.DataFrame, metric: str, place: list[str]) -> dict[str, pd.Series]:
    """Return the scores of a metric by method; their index is what the parts name, such as layer and channel."""
    own, found = rows[(rows.metric_stem == metric) & (rows.status == "ok")], {}
    for entry in entries(rows):
        if len(part := own[own.entry == entry]):
            index = pd.MultiIndex.from_tuples([*map(tuple, map(json.loads, part.part))], names=place)
            found[entry] = part.set_axis(index).score.groupby(level=place, sort=False).mean()
    return found
