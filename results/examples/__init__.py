"""Views of examples: what training images explain, how well some stand for all, what other images would change."""

from functools import partial

from results import parts
from results.examples.views import NEEDED, attribution, counterfactuals, prototypes

VIEWS = {"attribution": attribution, "prototypes": prototypes, "counterfactuals": counterfactuals}
OPTIONS = {view: {"model"} for view in VIEWS}

suited, default = partial(parts.suited, NEEDED), partial(parts.default, NEEDED)

__getattr__ = parts.imported_late("examples", "figures", "pictures")
