"""Views of surrogates: how well simple models imitate a network, by size, and the rules by which they do."""

from functools import partial

from results import parts
from results.surrogates.views import METRICS, fidelity, rules

VIEWS = {"fidelity": fidelity, "rules": rules}
OPTIONS = {view: {"model"} for view in VIEWS}

suited = partial(parts.suited, dict.fromkeys(VIEWS, METRICS))


def __getattr__(name: str):
    """Import the figures where they are asked for, since matplotlib takes a third of a second."""
    if name in ("figures", "pictures"):
        from results.surrogates import drawing

        return getattr(drawing, name)
    raise AttributeError(name)
