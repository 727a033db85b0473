"""Views of concepts: whether claims of given ones are right, what discovered ones recover; sheets of concepts."""

from functools import partial

from results import parts
from results.concepts.claims import PAIRS, WHOLE
from results.concepts.views import DISCOVERY, discovery, significance

VIEWS = {"significance": significance, "discovery": discovery}
OPTIONS = {view: {"model"} for view in VIEWS}
NEEDED = {"significance": PAIRS + WHOLE, "discovery": DISCOVERY}

suited, default = partial(parts.suited, NEEDED), partial(parts.default, NEEDED)


def __getattr__(name: str):
    """Import the figures where they are asked for, since matplotlib takes a third of a second."""
    if name in ("figures", "pictures"):
        from results.concepts import drawing

        return getattr(drawing, name)
    raise AttributeError(name)
