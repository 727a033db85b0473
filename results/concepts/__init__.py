"""Views of concepts: whether claims of given ones are right, what discovered ones recover; sheets of concepts."""

from functools import partial

from results import parts
from results.concepts.claims import PAIRS, WHOLE
from results.concepts.views import DISCOVERY, discovery, significance

VIEWS = {"significance": significance, "discovery": discovery}
OPTIONS = {view: {"model"} for view in VIEWS}
NEEDED = {"significance": PAIRS + WHOLE, "discovery": DISCOVERY}

suited, default = partial(parts.suited, NEEDED), partial(parts.default, NEEDED)

__getattr__ = parts.imported_late("concepts", "figures", "pictures")
