"""Relevance by positive contributions alone: from the target's logit, or from a probability of one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from zennit.core import Hook
from zennit.rules import ZPlus

from methods.fields import number
from methods.relevance import boxed, positive, relevance


def z_plus(stabilizer: float) -> dict[str, Hook]:
    """The z+ rule of every operation that sums."""
    plus = ZPlus(stabilizer, "bias")
    return {"convolution": plus, "linear": plus, **positive(stabilizer)}


@dataclass(frozen=True)
class DeepTaylor:
    """z+ in every layer, z^B at pixels, from the target's logit [Montavon et al. 2017].

    `box` (2, c) has the values of black and white pixels. Biases have no place in the denominators, since the paper
    takes them to be at most zero; so the map sums to the logit, but for what meets a sum without a positive term
    (linear bottlenecks have such). Departures: the paper explains a positive output, and
    a negative logit gives a map of negative values; sums and average pools share among their positive terms, the z+
    rule with weights of one, so that all values keep the logit's sign.
    """

    stabilizer: float
    canonical: Callable[[nn.Module, Tensor], nn.Module]

    group: ClassVar[str] = "structure"
    signed: ClassVar[bool] = True
    stochastic: ClassVar[bool] = False
    class_specific: ClassVar[bool] = True
    complete: ClassVar[str] = "logit"
    passes: ClassVar[tuple[int, int]] = (1, 1)
    cites: ClassVar[str] = "Montavon et al. 2017"
    needs: ClassVar[tuple[str, ...]] = ("box",)

    def __post_init__(self) -> None:
        number(self, "stabilizer", "> 0", lambda value: value > 0)

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor, box: Tensor | None = None) -> Tensor:
        return relevance(self, model, x, target, z_plus(self.stabilizer), lambda graph: boxed(self, graph, x, box))


@dataclass(frozen=True)
class ExcitationBackprop:
    """Marginal winning probabilities of the pixels, sent down from the target [Zhang et al. 2016].

    A winner's parent passes its probability on in the ratio of the positive contributions, so a map is not negative and
    sums to one. Departures: the paper stops at a layer in the middle, here the pixels are reached, and a negative input
    counts with its negative weights (the z+ rule). Sums and average pools share among their positive terms, max pools
    give all to the winner, biases get nothing. A parent without any positive contribution has no winner, and what it
    had is lost. `stabilizer` keeps denominators from zero, in units of activation.
    """

    stabilizer: float
    canonical: Callable[[nn.Module, Tensor], nn.Module]

    group: ClassVar[str] = "linearisation"
    signed: ClassVar[bool] = False
    stochastic: ClassVar[bool] = False
    class_specific: ClassVar[bool] = True
    complete: ClassVar[str] = ""
    passes: ClassVar[tuple[int, int]] = (1, 1)
    cites: ClassVar[str] = "Zhang et al. 2016"

    def __post_init__(self) -> None:
        number(self, "stabilizer", "> 0", lambda value: value > 0)

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        return relevance(self, model, x, target, z_plus(self.stabilizer), start=torch.ones_like)
