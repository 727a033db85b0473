"""Draw a sweep's figures for a paper: `python -m results.figures outputs/NAME` writes outputs/NAME/figures/."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from results import bumps, collect, meta, taxonomy
from results.budgets import budgets, varied
from results.critical import critical, mean_ranks
from results.gallery import gallery, save
from results.heatmaps import agreement, pages, ranks, similarity
from results.kinds import KINDS, kind
from results.leaderboard import leaderboard
from results.lines import budget, curves
from results.methods import methods
from results.tables import ALL_MODELS, MEAN_RANK
from results.verdicts import verdicts


def figures(sweep: Path) -> Iterator[Path]:
    """Draw every figure that the sweep has the data for; yield the paths written."""
    scores = collect.stored(sweep)
    (sweep / "figures").mkdir(exist_ok=True)
    if meta.conditions(scores).notna().all():  # metrics are judged, methods are not ranked
        yield from _saved(verdicts(meta.judged(meta.stored(sweep))), sweep / "figures" / "meta")
        return
    if other := KINDS.get(kind(scores)):
        for name, figure in other.figures(sweep, scores):
            yield from _saved(figure, sweep / "figures" / name)
        yield from other.files(sweep, scores)
        return
    scores = collect.labelled(scores)
    table, lines = leaderboard(scores), collect.curves(scores)
    points = budgets(table, methods(scores)) if varied(scores) else table.iloc[:0]
    for (dataset, model), rows in table[table.model != ALL_MODELS].groupby(["dataset", "model"], sort=False):
        cells, ours, spent = (
            some[(some.dataset == dataset) & (some.model == model)] if len(some) else some
            for some in (scores, lines, points)
        )
        for name, figure in drawn(cells, rows, ours, spent):
            yield from _saved(figure, sweep / "figures" / f"{name}_{dataset}_{model}")


def _saved(figure: Figure, stem: Path) -> Iterator[Path]:
    for suffix in (".png", ".pdf"):
        yield save(figure, stem.with_name(stem.name + suffix))


def drawn(
    cells: pd.DataFrame, rows: pd.DataFrame, lines: pd.DataFrame, points: pd.DataFrame
) -> Iterator[tuple[str, Figure]]:
    """Draw what one model has the data for: `rows` of the leaderboard, curves, and `points` of varied budgets."""
    ranked = rows[(rows.metric != MEAN_RANK) & rows["rank"].notna()]
    if ranked.method.nunique() > 1:
        parts = pages(rows)
        for k, part in enumerate(parts, 1):
            yield "ranks" if len(parts) == 1 else f"ranks_{k}", ranks(part)
    if test := mean_ranks(cells):
        yield "critical", critical(test, rows)
    if len(lines):
        yield "curves", curves(lines, rows)
    if ranked.metric.nunique() > 1 and ranked.method[ranked.group != "control"].nunique() > 2:
        yield "agreement", agreement(rows)
    yield from bumps.drawn(cells)
    if len(points):
        yield "budget", budget(points)
    stored = collect.galleries(cells)
    if images := collect.common(stored):
        yield "gallery", gallery(stored, rows)
    if images and len(stored) > 2:
        found = taxonomy.similarity(stored)
        group = rows.drop_duplicates("method").set_index("method").group
        yield "similarity", similarity(found, rows, taxonomy.contrast(found.correlation, group))


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw a sweep's heat maps, curves and galleries as PNG and PDF."""
    parser = argparse.ArgumentParser("python -m results.figures", description=main.__doc__)
    parser.add_argument("sweep", type=Path, help="the sweep's folder: outputs/NAME")
    try:
        for path in figures(parser.parse_args(arguments).sweep):
            print(path)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
