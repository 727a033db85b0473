"""Benchmarks of explanation maps: the views of their scores.

A view takes the rows of `scores.read` and the command's options, and returns tables; `figures` yields figures.
"""

from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from results import names, tables
from results import scores as stored
from results.maps.cost import COST, methods
from results.maps.differences import compare
from results.maps.judging import judge, judged, judged_place
from results.maps.missing import undefined
from results.maps.overview import leaderboard
from results.maps.passes import budget, varied
from results.maps.protocols import comparing, protocols

if TYPE_CHECKING:  # matplotlib takes a third of a second to import
    from matplotlib.figure import Figure

# Columns of the scores that no view shows: of four million rows it takes a second to read them.
UNREAD = ["target", "seconds", "forwards", "backwards", "peak_memory", "tied", "reused"]
UNREAD += ["input_size", "device", "code", "libraries", "key"]
COSTS = [*COST, "explain_peak_memory"]  # which few views show

View = Callable[[pd.DataFrame, Namespace], list[tables.Table]]


def of_methods(view: View) -> View:
    """Return a view that labels the scores, checks the options' names, and refuses sweeps that judge metrics."""
    return lambda rows, options: view(comparable(rows, options), options)


def comparable(rows: pd.DataFrame, options: Namespace) -> pd.DataFrame:
    """Return labelled scores of the sweep, those beside it, and only the network that the options name."""
    if (rows.condition != "").all():
        raise tables.Inapplicable("The sweep was computed under conditions that judge metrics; its view is judged")
    if options.beside:
        rows = pd.concat([rows, *options.beside], ignore_index=True)
        rows = rows[~rows.duplicated(stored.ROW)]
    labelled = stored.labelled(rows)
    tables.known("--metric", options.metric, labelled.metric.unique())
    tables.known("--model", [options.model] if options.model else [], [*labelled.model.unique(), "all models"])
    return labelled[labelled.model == options.model] if options.model in [*labelled.model.unique()] else labelled


def unread(options: Namespace) -> list[str]:
    """Return the columns of the scores that a command does not need."""
    return UNREAD + COSTS * (options.view not in ("methods", "budget") and not options.figures)


def suited(rows: pd.DataFrame) -> list[str]:
    """Return the views that a sweep has the data for, as one types them."""
    if default(rows) == "judged":
        return ["judged"]
    views = [view for view in VIEWS if view not in ("judged", "compare")]
    if not varied(rows):
        views.remove("budget")
    if not comparing(rows.metric.unique()):
        views.remove("protocols")
    return [*views, "compare --metric M"]


def default(rows: pd.DataFrame) -> str:
    """Return the view that suits the rows: metrics are judged where every row has a condition."""
    return "judged" if (rows.condition != "").all() else "leaderboard"


def figures(rows: pd.DataFrame, options: Namespace) -> Iterator[tuple[str, "Figure"]]:
    """Yield the name of a file and a figure, of everything that the sweep has the data for."""
    from results.maps import drawing  # matplotlib takes half a second to import

    if default(rows) == "judged":
        yield "judged", drawing.heat.judged(judge(rows), f"Metrics judged on {judged_place(rows, names.label)}")
    else:
        yield from drawing.of_methods(comparable(rows, options), options)


def pictures(gallery: Mapping[str, np.ndarray], folder: Path) -> None:
    """Write the first images of one cell beside their maps, which MLflow shows beside its scores."""
    from results import style
    from results.maps.gallery import IMAGES, maps_of

    maps, signed = {"map": gallery["maps"][:IMAGES]}, {"map": bool(gallery["signed"].any())}
    style.save(maps_of(gallery["pixels"][:IMAGES], maps, signed), folder / "first_maps", [".png"])


VIEWS: dict[str, View] = {
    "leaderboard": of_methods(leaderboard),
    "compare": of_methods(compare),
    "undefined": of_methods(undefined),
    "methods": of_methods(methods),
    "budget": of_methods(budget),
    "protocols": of_methods(protocols),
    "judged": judged,
}
OPTIONS = {view: {"model", "beside"} for view in VIEWS} | {
    "leaderboard": {"metric", "model", "beside"},
    "compare": {"metric", "to", "model", "beside"},
    "undefined": {"metric", "model", "beside"},
    "judged": {"metric"},
}
