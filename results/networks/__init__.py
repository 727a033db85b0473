"""Tables and figures of `benchmark=networks`; `scores` are those of `collect.stored`.

Imported when called, since tables and figures of all kinds may ask this package's names.
"""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from results.collect import labelled


def summary(scores: pd.DataFrame, width: int) -> str:
    """Return robustness and the induced metrics of all networks as text, at most `width` columns wide."""
    from results.networks import text

    return text.summary(labelled(scores), width)


def tables(scores: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return every quantity of every network, and correlations within networks, by a file's ending."""
    from results.networks import table

    return table.tables(labelled(scores))


def figures(sweep: Path, scores: pd.DataFrame) -> Iterator[tuple[str, Figure]]:
    """Draw robust accuracy, the blocks, correlations within networks and attacked maps; yield each with its name."""
    from results.networks import drawing

    yield from drawing.drawn(labelled(scores))


def files(sweep: Path, scores: pd.DataFrame) -> Iterator[Path]:
    """Write nothing: tables for a paper are made by `python -m results.networks --latex`."""
    yield from ()
