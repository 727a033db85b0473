"""Views of units: how well images show them, how well words name them; sheets of units."""

from functools import partial

from results import parts
from results.units.views import OF_LAYERS, OF_UNITS, VISUALISATION, labels, stepped, visualisations

__all__ = ["stepped"]
VIEWS = {"visualisations": visualisations, "labels": labels}
OPTIONS = {view: {"model"} for view in VIEWS}
NEEDED = {"visualisations": VISUALISATION, "labels": OF_LAYERS + OF_UNITS}

suited, default = partial(parts.suited, NEEDED), partial(parts.default, NEEDED)

__getattr__ = parts.imported_late("units", "figures", "pictures")
