"""Relevance by positive contributions alone: from the target's logit, or from a probability of one."""

from dataclasses import dataclass
from functools import partialmethod

import torch
from torch import Tensor, nn
from zennit.core import Hook
from zennit.rules import ZPlus

from entries import explains, positive
from methods.graph import Canonical
from methods.relevance import boxed, positive_terms, relevance


def z_plus(stabilizer: float) -> dict[str, Hook]:
    """Return the z+ rule of every operation that sums."""
    plus = ZPlus(stabilizer, "bias")
    return {"convolution": plus, "linear": plus, **positive_terms(stabilizer)}


@explains("structure", cites="Montavon et al. 2017", signed=True, complete="logit", passes=(1, 1), needs=("box",))
@dataclass(frozen=True)
class DeepTaylor:
    """z+ in every layer, z^B at pixels, from the target's logit [Montavon et al. 2017].

    `box` (2, c) has the values of black and white pixels. Biases are left out of the denominators, since the paper
    takes them to be at most zero. So the map sums to the logit, except for relevance that reaches a sum without a
    positive term, as in linear bottlenecks. Departures: the paper explains positive outputs only; here a negative logit
    gives a negative map. Sums and average pools share among their positive terms, the z+ rule with weights of one, so
    that all values have the logit's sign.
    """

    stabilizer: float
    canonical: Canonical
    __post_init__ = partialmethod(positive, "stabilizer")

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor, box: Tensor | None = None) -> Tensor:
        return relevance(self, model, x, target, z_plus(self.stabilizer), lambda graph: boxed(self, graph, x, box))


@explains("linearisation", cites="Zhang et al. 2016", passes=(1, 1))
@dataclass(frozen=True)
class ExcitationBackprop:
    """Marginal winning probabilities of the pixels, propagated down from the target [Zhang et al. 2016].

    A neuron passes its probability on in proportion to the positive contributions to it, so a map has no negative
    values and sums to one. Departures: the paper stops at a layer in the middle, and here the pixels are reached; so a
    negative input counts with its negative weights (the z+ rule). Sums and average pools share among their positive
    terms, max pools give all to the winner, biases get nothing. The probability of a neuron without any positive
    contribution is lost. `stabilizer` keeps denominators from zero, in units of activation.
    """

    stabilizer: float
    canonical: Canonical
    __post_init__ = partialmethod(positive, "stabilizer")

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        return relevance(self, model, x, target, z_plus(self.stabilizer), start=torch.ones_like)
