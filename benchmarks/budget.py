"""The resolver by which conf/method scales what a method spends: `${scaled:${budget.masks},${budget.scale}}`."""

from omegaconf import OmegaConf


def scaled(budget: int, scale: float) -> int:
    """Return `scale` times a budget, at least 1."""
    for name, value, kinds in (("budget", budget, (int,)), ("budget.scale", scale, (int, float))):
        if type(value) not in kinds or not 0 < value < float("inf"):
            raise ValueError(f"{name} needs a number > 0; {value!r} was given")
    return max(1, round(budget * scale))


OmegaConf.register_new_resolver("scaled", scaled, replace=True)
