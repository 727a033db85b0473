"""The effect of a factor on a network, measured: the same scenes drawn with it and without it."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from scipy.stats import t
from torch import Tensor, nn


class Effect(NamedTuple):
    """The mean change of each class's logit (k,), and the ends of its 95 % interval over scenes."""

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


@torch.no_grad()
def effect(model: nn.Module, normalised: Callable, shown: np.ndarray, swapped: np.ndarray, batch: int) -> Effect:
    """Return E[f_k(scene with the factor) - f_k(the same scene with it swapped)], with Student's interval over scenes.

    `shown` and `swapped` are paired bytes (n, 3, h, w); `normalised` turns pixels in [0, 1] into inputs of the network.
    Every change of the class that the network makes of it is in it, also one that the rule of the labels has not. The
    interval is of each class alone. Where the change is the same in all scenes, it has no width.

    Raises ValueError for images that are not paired and for fewer than two scenes.
    """
    if shown.shape != swapped.shape or len(shown) < 2:
        given = f"{shown.shape} and {swapped.shape} were given"
        raise ValueError(f"An effect needs at least two scenes, each drawn with and without the factor; {given}")

    def logits(images: np.ndarray) -> Tensor:
        parts = torch.from_numpy(images).split(batch)
        return torch.cat([model(normalised(part.float() / 255)).double().cpu() for part in parts])

    change = (logits(shown) - logits(swapped)).numpy()
    mean, half = change.mean(0), t.ppf(0.975, len(change) - 1) * change.std(0, ddof=1) / len(change) ** 0.5
    return Effect(mean, mean - half, mean + half)
