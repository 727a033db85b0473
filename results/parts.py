"""Scores of no single image: what a sweep holds of each network, means over parts such as units, and their tables."""

import json
from argparse import Namespace
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd

from results import scores as stored
from results import summary
from results.names import label
from results.tables import NONE, Inapplicable, Table, interval, known, writer

LEGEND = {"↑": "Higher is better.", "↓": "Lower is better."}


def imported_late(kind: str, *hooks: str) -> Callable[[str], object]:
    """Return the `__getattr__` of a kind whose hooks stand in its drawing.py, imported where one is asked for.

    It comes late since matplotlib takes a third of a second.
    """

    def hook(name: str) -> object:
        if name not in hooks:
            raise AttributeError(name)
        return getattr(import_module(f"results.{kind}.drawing"), name)

    return hook


@dataclass(frozen=True)
class Network:
    """The rows of one data set and network, entries before controls."""

    dataset: str
    model: str
    rows: pd.DataFrame

    @property
    def seeds(self) -> int:
        return self.rows.seed.nunique()

    @property
    def images(self) -> int:
        return self.rows.image[self.rows.image != ""].nunique()

    @property
    def stem(self) -> str:
        return f"{self.dataset}_{self.model}"

    @property
    def printed(self) -> str:
        """The network and the data set with the names that papers print."""
        return f"{label(self.model)} on {label(self.dataset)}"

    @property
    def parts(self) -> list[str]:
        return [*self.rows.part[self.rows.part != ""].astype(str).unique()]

    def setting(self, name: str) -> object:
        """Return a setting of the benchmark."""
        return json.loads(self.rows.benchmark.iloc[0])[name]


def networks(rows: pd.DataFrame, options: Namespace, metrics: Sequence[str]) -> list[Network]:
    """Return each network that has some of the metrics, with the rows of these only; refuse to return none."""
    own = stored.labelled(rows)
    known("--model", filter(None, [options.model]), own.model.astype(str).unique())
    own = own[own.metric_stem.isin(metrics) & own.status.isin(["ok", "undefined"])]
    own = own[own.model == options.model] if options.model else own
    if not (own.status == "ok").any():
        why = f"all are undefined: {own.reason.iloc[0]}" if len(own) else "this sweep has none of one network"
        raise Inapplicable(f"This view needs scores such as {metrics[0]}; {why}")
    own = own.astype(dict.fromkeys(("dataset", "model", "metric", "metric_stem", "entry", "part", "folder"), str))
    own = own.sort_values("group", key=lambda group: group == "control", kind="stable")
    return [Network(*place, part) for place, part in own.groupby(["dataset", "model"], sort=False)]


def controls(rows: pd.DataFrame) -> list[str]:
    return [*rows.entry[rows.group == "control"].unique()]


def labels_of(rows: pd.DataFrame, stems: Iterable[str]) -> dict[str, str]:
    """Return the metrics with these stems that have a score, and how they stand over a column."""
    known = rows[rows.status == "ok"].drop_duplicates("metric").set_index("metric")
    order = [metric for stem in stems for metric in known.index[known.metric_stem == stem]]
    marks = known.higher_is_better.map({True: " ↑", False: " ↓"}).fillna("")
    return {metric: f"{metric}{marks[metric]}" for metric in order}


def of_parts(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return parts x entries: one metric's scores, seeds averaged; nan where all seeds are undefined."""
    own = rows[rows.metric == metric]
    table = own.groupby(["part", "entry"], sort=False).score.mean().unstack()
    return table.reindex(index=own.part.unique(), columns=own.entry.unique())


def means(rows: pd.DataFrame, stems: Iterable[str]) -> pd.DataFrame:
    """Return one row per metric and entry: the mean over parts with its 95 % interval, and the number of parts.

    A metric without parts has the mean over seeds, the least and the largest.
    """
    found = []
    for metric in labels_of(rows, stems):
        values = of_parts(rows, metric)
        if [*values.index] == [""]:
            own = rows[rows.metric == metric].groupby("entry", sort=False).score
            table = own.agg(["mean", "min", "max", "count"]).set_axis(["mean", "low", "high", "n"], axis=1)
            table.loc[table.n < 2, ["low", "high"]] = np.nan
        else:
            table = summary.summary(values, True)[["mean", "low", "high", "n"]]
        found.append(table.rename_axis("entry").reset_index().assign(metric=metric))
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=["metric", "entry", "mean"])


def texts(data: pd.DataFrame, by: str, column: str = "mean", ends: Sequence[str] = ("low", "high")) -> pd.Series:
    """Return a column's numbers with their intervals by what stands in `by`."""
    own = data[[column, *ends]].astype(float).set_axis(["mean", "low", "high"], axis=1)
    write = writer(own)
    cells = [interval(*each, write) if each[0] == each[0] else NONE for each in own.to_numpy()]
    return pd.Series(cells, data[by].to_list(), dtype=object)


def methods(network: Network, what: str, stems: Sequence[str], said: Sequence[str]) -> Table:
    """Return entries down, controls last, and the means of metrics across."""
    data, heads = means(network.rows, stems), labels_of(network.rows, stems)
    cells = {head: texts(data[data.metric == metric], "entry") for metric, head in heads.items()}
    return of_entries(network, what, cells, data, said)


def of_entries(
    network: Network, what: str, cells: Mapping[str, pd.Series], data: pd.DataFrame, said: Sequence[str]
) -> Table:
    """Return entries down, controls last, and these columns across."""
    names, last = network.rows.entry.unique(), controls(network.rows)
    frame = pd.DataFrame(cells).reindex([*names]).fillna(NONE)
    return table_of(network, what, frame, data, said, controls=len(last) if len(last) < len(names) else 0)


def table_of(
    network: Network, what: str, frame: pd.DataFrame, data: pd.DataFrame, said: Sequence[str], **about: object
) -> Table:
    """Return a table of one network, whose title and caption say of what."""
    of = f", {network.seeds} seeds" * (network.seeds > 1)
    title = f"{network.dataset} / {network.model}: {what}{of}"
    caption = f"{what[0].upper()}{what[1:]}, {network.printed}{of}"
    data = data.assign(dataset=network.dataset, model=network.model)
    name, frame = f"{what} {network.dataset} {network.model}", frame.rename_axis(None)
    return Table(name, title, frame, caption=caption, data=data, legend=LEGEND, explanations=said, **about)


def pictured(rows: pd.DataFrame, needed: str) -> dict[str, Mapping[str, np.ndarray]]:
    """Return the gallery of each entry that has the array `needed`; the lowest seed's."""
    found: dict[str, Mapping[str, np.ndarray]] = {}
    for cell in rows.drop_duplicates("folder").sort_values("seed", kind="stable").itertuples():
        file = Path(cell.folder) / "gallery.npz"
        if cell.entry not in found and file.exists():
            with np.load(file) as arrays:
                found |= {cell.entry: dict(arrays)} if needed in arrays else {}
    return {entry: found[entry] for entry in rows.entry.unique() if entry in found}


def suited(needed: Mapping[str, Sequence[str]], rows: pd.DataFrame) -> list[str]:
    """Return the views that a sweep has the rows for, by the metrics of which each needs one."""
    metrics = {*rows.metric[rows.status == "ok"].unique()}
    return [view for view, some in needed.items() if metrics.intersection(some)]


def default(needed: Mapping[str, Sequence[str]], rows: pd.DataFrame) -> str:
    """Return the first view that a sweep has the rows for."""
    return [*suited(needed, rows), *needed][0]
