"""Tables and figures of `benchmark=paths`; `scores` are those of `collect.stored`.

Imported when called: the leaderboard asks this package's names, and the tables here use the leaderboard's draws.
"""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure


def summary(scores: pd.DataFrame, width: int) -> str:
    """Return the means of whole paths, and whether relevance beats activation beats random at every share."""
    from results.paths import table, text

    return text.summary(table.table(table.named(scores)), width)


def tables(scores: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return what is known of whole paths, of layers, of shares and of the order of selectors, by a file's ending."""
    from results.paths import orders, table

    return orders.parts(table.table(table.named(scores)))


def figures(sweep: Path, scores: pd.DataFrame) -> Iterator[tuple[str, Figure]]:
    """Draw curves, layers, heat maps, reconstructions and graphs; yield each with its name."""
    from results.paths import pictures

    yield from pictures.drawn(scores)


def files(sweep: Path, scores: pd.DataFrame) -> Iterator[Path]:
    """Write the graphs of the stored paths as GraphML, JSON and HTML; yield the paths written."""
    from results.paths import pictures

    yield from pictures.written(sweep, scores)
