"""The figures of a sweep of maps: those that its scores, curves and galleries have the data for."""

from argparse import Namespace
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from results import scores as stored
from results.maps.board import MEAN_RANK, leaders
from results.maps.drawing import heat, lines
from results.maps.gallery import gallery
from results.maps.likeness import by_group, contrast, similarity
from results.maps.passes import budgets
from results.maps.place import groups, place, places
from results.maps.protocols import agreements
from results.scores import common

METRICS = ("deletion", "insertion")  # of the figure of differences, unless the command names others
ACROSS = 30  # metrics of a figure of ranks, so that two digits can be read


def of_methods(scores: pd.DataFrame, options: Namespace) -> Iterator[tuple[str, Figure]]:
    """Yield the figures of every data set and network; `scores` are labelled."""
    table = leaders(scores, options)
    if options.metric:
        scores, table = (
            scores[scores.metric.isin(options.metric)],
            table[table.metric.isin([*options.metric, MEAN_RANK])],
        )
    curves, points = stored.curves(scores), budgets(scores, table)
    for (dataset, model), cells in places(scores):
        own = (some[(some.dataset == dataset) & (some.model == model)] for some in (table, curves, points))
        for name, figure in _one_network(cells, *own, options):
            yield f"{name}_{dataset}_{model}", figure


def _one_network(
    cells: pd.DataFrame, table: pd.DataFrame, curves: pd.DataFrame, points: pd.DataFrame, options: Namespace
) -> Iterator[tuple[str, Figure]]:
    here = place(cells, int(table.images.iloc[0]))
    ranked = table[table.metric != MEAN_RANK]
    scored, metrics = ranked[ranked["rank"].notna()], ranked.metric.unique()
    methods = scored[~scored.control].entry.nunique()
    if scored.entry.nunique() > 1:
        count = -(-len(metrics) // ACROSS)
        for k, part in enumerate(np.array_split(metrics, count), 1):
            shown = ranked[ranked.metric.isin(part)]
            yield "ranks" if count == 1 else f"ranks_{k}", heat.ranks(shown, table, here.printed)
    panels = [ranked[ranked.metric == metric] for metric in (options.metric or METRICS)[:3]]
    if methods > 1 and (panels := [rows for rows in panels if rows.difference.notna().any()]):
        yield "differences", lines.differences(panels, here.printed)
    if len(curves) and methods:
        yield "curves", lines.curves(curves, table, here)
    if len(metrics) > 1 and methods > 2:
        yield "agreement", heat.agreement(ranked, here.printed)
    compared = [*agreements(cells)]
    for name in dict.fromkeys(one.what for one in compared):
        yield name, lines.protocols([one for one in compared if one.what == name], here.printed)
    if len(points):
        yield "budget", lines.budget(points, here.printed)
    maps = stored.galleries(cells)
    if images := common(maps):
        group = by_group(groups(cells)[[*maps]])
        yield "gallery", gallery(maps, images, group, table, f"{here.where}, {{shown}} of {here.counted}")
        if len(maps) > 2:
            likeness = similarity(maps)
            own = replace(here, images=likeness.images, seeds=1).printed
            yield "similarity", heat.similarity(likeness, group, contrast(likeness.correlation, group), own)
