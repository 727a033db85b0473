"""Views of concepts: whether claims of given ones are right, what discovered ones recover; sheets of concepts."""

import pandas as pd

from results.concepts.claims import PAIRS, WHOLE
from results.concepts.views import DISCOVERY, discovery, significance

VIEWS = {"significance": significance, "discovery": discovery}
OPTIONS = {view: {"model"} for view in VIEWS}
NEEDED = {"significance": PAIRS + WHOLE, "discovery": DISCOVERY}


def suited(rows: pd.DataFrame) -> list[str]:
    """Return the views that a sweep has the rows for."""
    metrics = {*rows.metric[rows.status == "ok"].unique()}
    return [view for view, needed in NEEDED.items() if metrics.intersection(needed)]


def default(rows: pd.DataFrame) -> str:
    """Return the first view that a sweep has the rows for."""
    return [*suited(rows), *VIEWS][0]


def __getattr__(name: str):
    """Import the figures where they are asked for, since matplotlib takes a third of a second."""
    if name in ("figures", "pictures"):
        from results.concepts import drawing

        return getattr(drawing, name)
    raise AttributeError(name)
