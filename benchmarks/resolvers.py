"""The resolvers of conf/: `${scaled:${budget.masks},${budget.scale}}` and `${first:${baseline},mean}`."""

from omegaconf import OmegaConf


def scaled(budget: int, scale: float) -> int:
    """Return `scale` times a budget, at least 1."""
    if type(budget) is not int or budget < 1:
        raise ValueError(f"budget.* needs whole numbers >= 1; {budget!r} was given")
    if type(scale) not in (int, float) or not 0 < scale < float("inf"):
        raise ValueError(f"budget.scale needs a number > 0; {scale!r} was given")
    return max(1, round(budget * scale))


def first(asked: object, own: object) -> object:
    """Return what is asked for everywhere, or an entry's own where nothing is."""
    return own if asked is None else asked


OmegaConf.register_new_resolver("scaled", scaled, replace=True)
OmegaConf.register_new_resolver("first", first, replace=True)
