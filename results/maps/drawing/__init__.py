"""The figures of a sweep of maps: those that its scores, curves and galleries have the data for."""

from argparse import Namespace
from collections.abc import Iterator

import pandas as pd
from matplotlib.figure import Figure

from results import scores as stored
from results.maps.board import ALL_MODELS, MEAN_RANK, board
from results.maps.cost import groups
from results.maps.drawing import heat, lines
from results.maps.gallery import common, gallery
from results.maps.judging import judge, judged_place
from results.maps.likeness import by_group, contrast, similarity
from results.maps.passes import budgets
from results.maps.place import place, places
from results.maps.protocols import agreements

METRICS = ("deletion", "insertion")  # of the figure of differences, unless the command names others


def judged(rows: pd.DataFrame) -> Iterator[tuple[str, Figure]]:
    yield "judged", heat.judged(judge(rows), f"Metrics judged on {judged_place(rows)}")


def of_methods(scores: pd.DataFrame, options: Namespace) -> Iterator[tuple[str, Figure]]:
    """Yield the figures of every data set and network; `scores` are labelled."""
    scores = scores[scores.metric.isin(options.metric)] if options.metric else scores
    table, curves, points = board(scores), stored.curves(scores), budgets(scores)
    for (dataset, model), cells in places(scores):
        own = [
            some[(some.dataset == dataset) & (some.model == model)] if len(some) else some
            for some in (table, curves, points)
        ]
        for name, figure in _one_network(cells, *own, options):
            yield f"{name}_{dataset}_{model}", figure


def _one_network(
    cells: pd.DataFrame, table: pd.DataFrame, curves: pd.DataFrame, points: pd.DataFrame, options: Namespace
) -> Iterator[tuple[str, Figure]]:
    here = place(cells, int(table.images.iloc[0]))
    ranked = table[(table.metric != MEAN_RANK) & (table.model != ALL_MODELS)]
    methods = ranked[ranked["rank"].notna() & ~ranked.control].entry.nunique()
    if ranked.entry[ranked["rank"].notna()].nunique() > 1:
        parts = [*heat.pages(ranked)]
        for k, part in enumerate(parts, 1):
            yield "ranks" if len(parts) == 1 else f"ranks_{k}", heat.ranks(part, table, here.printed)
    panels = [ranked[ranked.metric == metric] for metric in (options.metric or METRICS)[:3]]
    if methods > 1 and (panels := [rows for rows in panels if rows.difference.notna().any()]):
        yield "differences", lines.differences(panels, here.printed)
    if len(curves) and methods:
        yield "curves", lines.curves(curves, table, here)
    if ranked.metric.nunique() > 1 and methods > 2:
        yield "agreement", heat.agreement(table, here.printed)
    for name, baselines in (("protocols", False), ("baselines", True)):
        if found := [one for one in agreements(cells) if one.baselines == baselines]:
            yield name, lines.protocols(found, here.printed)
    if len(points):
        yield "budget", lines.budget(points, here.printed)
    maps = stored.galleries(cells)
    if images := common(maps):
        group = by_group(groups(cells)[[*maps]])
        yield "gallery", gallery(maps, images, group, table, here.printed)
        if len(maps) > 2:
            likeness = similarity(maps)
            yield "similarity", heat.similarity(likeness, group, contrast(likeness.correlation, group), here.printed)
