"""How much of the image does the map need?"""

from functools import partial, partialmethod
from math import inf, log

import torch
from torch import Tensor

from benchmarks.explained import Explained
from benchmarks.maps.metrics.ranking import TIE
from entries import choice, number, scores

complexity = partial(scores, "complexity", undefined="the map is zero")


@complexity(higher_is_better=True, cites="Chalasani et al. 2020", bounds=(0.0, 1.0), invariant=("scale", "size"))
class Gini:
    """Gini index of the absolute map, 0 for a constant and 1 - 1/d for one pixel [Chalasani et al. 2020].

    The index is that of Hurley and Rickard 2009 without an epsilon.
    """

    def __call__(self, explained: Explained) -> Tensor:
        value = explained.maps.flatten(1).abs().double().sort(1).values
        d, total = value.shape[1], value.sum(1)
        place = torch.arange(1, d + 1, device=value.device, dtype=value.dtype)
        gini = ((2 * place - d - 1) * value).sum(1) / (d * total)
        return torch.where(total > 0, gini.clamp(0, 1), torch.nan).float()


@complexity(higher_is_better=False, cites="Bhatt et al. 2020", invariant=("scale",))
class Entropy:
    """Entropy of the absolute map as a distribution over the pixels: complexity [Bhatt et al. 2020].

    `unit` is "nats" or "share", the share of the largest entropy, log d of d pixels. With "share" a constant map scores
    1 at every image size, though the same picture drawn larger still comes closer to 1. There is no epsilon.
    """

    unit: str
    __post_init__ = partialmethod(choice, "unit", ("share", "nats"))

    @property
    def bounds(self) -> tuple[float, float]:
        return (0.0, 1.0 if self.unit == "share" else inf)

    def __call__(self, explained: Explained) -> Tensor:
        value = explained.maps.flatten(1).abs().double()
        share = value / value.sum(1, keepdim=True)  # 0 / 0 where the map is zero
        largest = log(value.shape[1])
        entropy = torch.special.entr(share).sum(1).clamp(0, largest)
        return (entropy / largest if self.unit == "share" else entropy).float()


@complexity(higher_is_better=False, cites="Nguyen & Martinez 2020", bounds=(0.0, 1.0), invariant=("scale", "size"))
class EffectiveComplexity:
    """Share of pixels above `threshold` times the map's largest absolute value [Nguyen & Martinez 2020].

    As in Quantus, the score is a number of pixels of the map. The paper instead asks the model how many features it
    needs for its prediction.
    """

    threshold: float
    __post_init__ = partialmethod(number, "threshold", "in [0, 1)", lambda share: 0 <= share < 1)

    def __call__(self, explained: Explained) -> Tensor:
        value = explained.maps.flatten(1).abs().double()
        largest = value.amax(1, keepdim=True)
        share = (value > (self.threshold + TIE) * largest).double().mean(1)
        return torch.where(largest[:, 0] > 0, share, torch.nan).float()
