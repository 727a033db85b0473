"""Methods that read what the network's structure computes, without a gradient."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from methods import Inapplicable
from methods.cam import activations


@dataclass(frozen=True)
class Fem:
    """Channel means, summed where a channel exceeds its mean by `k` deviations [Fuad et al. 2020].

    M = sum_c mu_c [A^c > mu_c + k sd_c] with mean and population deviation of each channel over its pixels, resized
    bicubically; the dips below 0 that this makes beside a peak are cut off. It ignores the class, and expects a layer
    behind its ReLU. The authors then divide by the map's maximum; that step is left out, since no map is rescaled.
    Of N values none exceeds the mean by more than sqrt(N - 1) deviations, so a layer of k^2 + 1 pixels or fewer
    could give nothing but zeros, and is refused.
    """

    layer: str
    k: float

    group: ClassVar[str] = "structure"
    signed: ClassVar[bool] = False
    stochastic: ClassVar[bool] = False
    class_specific: ClassVar[bool] = False
    complete: ClassVar[str] = ""
    passes: ClassVar[tuple[int, int]] = (1, 0)
    cites: ClassVar[str] = "Fuad et al. 2020"

    def __post_init__(self) -> None:
        if not isinstance(self.layer, str) or not self.layer:
            raise ValueError(f"Fem needs the name of a layer; layer={self.layer!r} was given")
        if type(self.k) not in (int, float) or not 0 <= self.k < float("inf"):
            raise ValueError(f"Fem needs a number k >= 0; k={self.k!r} was given")

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        with torch.no_grad():
            a, _ = activations(model, self.layer, x.detach(), "Fem")
        h, w = a.shape[2:]
        if h * w <= self.k**2 + 1:
            raise Inapplicable(
                f"Fem with k={self.k} needs more than {self.k**2 + 1:g} pixels; {self.layer!r} of "
                f"{type(model).__name__} gives {h} x {w}"
            )
        deviation, mean = torch.std_mean(a, (2, 3), correction=0, keepdim=True)
        fem = (mean * (a > mean + self.k * deviation)).sum(1, keepdim=True)
        return interpolate(fem, x.shape[2:], mode="bicubic", align_corners=False)[:, 0].relu()
