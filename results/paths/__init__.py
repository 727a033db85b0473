"""Views of critical paths: whole paths, single layers, shares of channels; figures; graphs as files."""

from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from results.paths.views import VIEWS

__all__ = ["VIEWS", "figures", "files"]


def figures(scores: pd.DataFrame, options: Namespace) -> Iterator[tuple[str, Figure]]:
    from results.paths import pictures  # matplotlib takes a while to import

    return pictures.figures(scores, options)


def files(scores: pd.DataFrame, folder: Path) -> Iterator[Path]:
    from results.paths import pictures

    return pictures.files(scores, folder)
