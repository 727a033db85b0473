"""Views of whole networks: robustness and induced metrics, curves over radii, correlations within networks; figures."""

from argparse import Namespace
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pandas as pd

from results.networks.views import VIEWS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["VIEWS", "figures"]


def figures(scores: pd.DataFrame, options: Namespace) -> Iterator[tuple[str, "Figure"]]:
    """Yield robust accuracy, the blocks at a glance, correlations within networks and attacked maps."""
    from results.networks import pictures  # matplotlib takes a while to import

    yield from pictures.figures(scores, options)
