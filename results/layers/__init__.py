"""Views of layers: what each predicts, how features correlate, which filters matter, over training; figures."""

from argparse import Namespace
from collections.abc import Callable
from functools import partial

import pandas as pd

from results import parts
from results.layers.features import QUANTITIES, feature_tables, similarity_tables
from results.layers.filters import deciding_tables, filter_tables
from results.layers.predictions import depth_tables, probe_tables
from results.layers.reading import GROUPS, Network, epoch_of, finished, networks
from results.layers.training import stepped as stepped
from results.layers.training import training_view
from results.tables import Table

NEEDED = {  # by view: of each of these tuples one metric
    "probes": [("layer_accuracy",)],
    "depth": [("decision_depth",), ("layer_accuracy",)],
    "features": [(*QUANTITIES,)],
    "similarity": [("cka", "cka_residual", "cka_influence")],
    "filters": [GROUPS["importance"]],
    "deciding": [("decision_depth",), ("layer_accuracy",), ("channel_importance",)],
}


def of_networks(
    needed: list[tuple[str, ...]], tables: Callable[[Network], list[Table]], rows: pd.DataFrame, options: Namespace
) -> list[Table]:
    """Return the tables of every network, at its last epoch, that has what they need."""
    return [table for network in finished(networks(rows, options, *needed)) for table in tables(network)]


TABLES = (probe_tables, depth_tables, feature_tables, similarity_tables, filter_tables, deciding_tables)
VIEWS = {
    view: partial(of_networks, needed, tables) for (view, needed), tables in zip(NEEDED.items(), TABLES, strict=True)
} | {"training": training_view}
OPTIONS = {view: {"model"} for view in VIEWS}


def suited(rows: pd.DataFrame) -> list[str]:
    """Return the views that a sweep has the rows for."""
    metrics = {*rows.metric[rows.status == "ok"].unique()}
    views = [view for view, needed in NEEDED.items() if all(metrics.intersection(some) for some in needed)]
    return views + ["training"] * (len({*map(epoch_of, rows.model_settings.unique())}) > 1)


def default(rows: pd.DataFrame) -> str:
    """Return the view that suits a sweep best: training where epochs differ, else the first that it has."""
    return (["training"] * ("training" in suited(rows)) + suited(rows) + ["probes"])[0]


def published(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the rows that are kept: not those of single filters, of which a network has many thousands."""
    return {"": rows[~rows.metric.isin(["channel_importance", "filter_importance"])]}


__getattr__ = parts.imported_late("layers", "figures", "pictures")
