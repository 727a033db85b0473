"""How much of the image does the map need?"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from benchmarks.explained import Explained


@dataclass(frozen=True)
class Gini:
    """Gini index of the absolute map, 0 for a constant and 1 - 1/d for one pixel [Chalasani et al. 2020].

    The index is that of Hurley and Rickard 2009, without an epsilon: the map's scale does not matter.
    """

    category: ClassVar[str] = "complexity"
    higher_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ()
    invariant: ClassVar[tuple[str, ...]] = ("scale",)
    undefined: ClassVar[str] = "the map is zero"
    passes: ClassVar[tuple[int, int, int]] = (0, 0, 0)
    cites: ClassVar[str] = "Chalasani et al. 2020"

    def __call__(self, explained: Explained) -> Tensor:
        value = explained.maps.flatten(1).abs().double().sort(1).values
        d, total = value.shape[1], value.sum(1)
        place = torch.arange(1, d + 1, device=value.device, dtype=value.dtype)
        gini = ((2 * place - d - 1) * value).sum(1) / (d * total)
        return torch.where(total > 0, gini.clamp(0, 1), torch.nan).float()
