"""Views of whole networks: robustness and induced metrics, curves over radii, correlations within networks; figures."""

from argparse import Namespace
from collections.abc import Iterator

import pandas as pd
from matplotlib.figure import Figure

from results.networks.views import VIEWS

__all__ = ["VIEWS", "figures"]


def figures(scores: pd.DataFrame, options: Namespace) -> Iterator[tuple[str, Figure]]:
    from results.networks import pictures  # matplotlib takes a while to import

    return pictures.figures(scores, options)
