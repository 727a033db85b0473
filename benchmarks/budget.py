"""The resolver by which conf/method scales what a method spends: `${scaled:${budget.masks},${budget.scale}}`."""

from omegaconf import OmegaConf


def scaled(budget: int, scale: float) -> int:
    """Return `scale` times a budget, at least 1."""
    if type(budget) is not int or budget < 1:
        raise ValueError(f"budget.* needs whole numbers >= 1; {budget!r} was given")
    if type(scale) not in (int, float) or not 0 < scale < float("inf"):
        raise ValueError(f"budget.scale needs a number > 0; {scale!r} was given")
    return max(1, round(budget * scale))


OmegaConf.register_new_resolver("scaled", scaled, replace=True)
