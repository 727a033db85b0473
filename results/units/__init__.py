"""Views of units: how well images show them, how well words name them; sheets of units."""

import pandas as pd

from results.units.views import OF_LAYERS, OF_UNITS, VISUALISATION, labels, visualisations

VIEWS = {"visualisations": visualisations, "labels": labels}
OPTIONS = {view: {"model"} for view in VIEWS}
NEEDED = {"visualisations": VISUALISATION, "labels": OF_LAYERS + OF_UNITS}


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
        from results.units import drawing

        return getattr(drawing, name)
    raise AttributeError(name)
