"""Layer-wise relevance propagation: rules on the canonical form of a network.

The rules of layers with weights are zennit's. Propagation starts from the target's logit, and channels are summed. In
the methods of LRP, sums and average pools share relevance in proportion to their signed terms; in deep Taylor and
excitation backprop they share among their positive terms. Activations and batch norms that were not folded pass
relevance on, and max pools give it to the winner (`methods.relevance`). Interpolation shares like an average pool,
constant padding gets nothing, and in LRP a difference shares among the terms of its own sign, as `LrpGamma` does for a
large gamma.

A product of a signal and its gate, as in squeeze-and-excitation, gives all relevance to the signal; the gate counts as
a constant [Arras et al. 2019]. The gate is the factor that is broadcast, or else bounded, or else the output of an
activation, unless the other factor is computed from that; a product without a gate is refused. Norms over channels or
groups pass relevance on: their deviation is a constant [Ali et al. 2022], and so is their mean, which makes the rule
the identity [Achtibat et al. 2024].

A convolution over the whole map, as in the head of timm's VGG, counts as a linear layer. With `bias`, biases (a folded
batch norm is one) take their share of the relevance, and a map sums to the logit only in a network without biases;
otherwise the other contributions get that share too. `stabilizer` keeps denominators from zero, in units of activation.
Relevance of a neuron that nothing contributes to is lost, such as that of a convolution of single channels where its
inputs are all zero.
"""

from functools import partialmethod

import torch
from torch import Tensor, nn
from zennit.core import Hook, Stabilizer
from zennit.rules import AlphaBeta, Epsilon, ZPlus

from entries import explains, flag, number, positive
from methods.graph import Canonical
from methods.relevance import boxed, positive_terms, relevance, signed_gamma


def check(method: object, *names: str) -> None:
    """Refuse fields that are not positive, and a `bias` that is neither true nor false."""
    positive(method, *names)
    flag(method, "bias")


@explains("structure", cites="Bach et al. 2015", signed=True, complete="logit", passes=(1, 1))
class LrpEpsilon:
    """Epsilon in every layer: shares z_jk / (z_k + eps sign z_k) [Bach et al. 2015; Montavon et al. 2019].

    `epsilon` is in units of the root mean square of a layer's z in one image, as in Montavon's tutorial, so that it has
    the same meaning in layers of every scale. As it goes to zero, the map of a network of ReLUs goes to input x
    gradient, with as much noise. What epsilon absorbs is lost in each layer, so the map of a deep network does not sum
    to the logit. Without biases the denominators are not the network's own activations, and for a small epsilon
    relevance grows without bound: on a 34-layer ResNet to 10^37 times the logit at 1e-6 (with biases 43 times).
    """

    epsilon: float
    stabilizer: float
    bias: bool
    canonical: Canonical
    __post_init__ = partialmethod(check, "epsilon", "stabilizer")

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        relative, nonzero = Stabilizer(self.epsilon, norm_scale=True), Stabilizer(self.stabilizer)
        rule = Epsilon(lambda z: nonzero(relative(z)), None if self.bias else "bias")
        return relevance(self, model, x, target, {"convolution": rule, "linear": rule})


@explains("structure", cites="Montavon et al. 2019", signed=True, complete="logit", passes=(1, 1))
class LrpGamma:
    """Gamma in every layer: contributions of a neuron's own sign are favoured [Montavon et al. 2019, sec. 10.2].

    Relevance is shared in proportion to z + gamma z^+, or to z + gamma z^- where z is negative; z^+ and z^- are sums of
    contributions, not of weights. Where activations and neurons are positive, this is the paper's form. A layer
    multiplies the sum of magnitudes by at most (2 + gamma) / gamma, except for residual sums whose terms cancel. The
    paper's form has no bound at negative branches and logits: 10^7 times the logit on a 34-layer ResNet, where this
    form gives .6. The paper uses gamma in lower layers only, and epsilon and 0 above.
    """

    gamma: float
    stabilizer: float
    bias: bool
    canonical: Canonical
    __post_init__ = partialmethod(check, "gamma", "stabilizer")

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        rule = signed_gamma(self.gamma, self.stabilizer, self.bias)
        return relevance(self, model, x, target, {"convolution": rule, "linear": rule})


@explains("structure", cites="Bach et al. 2015", signed=True, complete="logit", passes=(1, 1))
class LrpAlphaBeta:
    """alpha times positive less beta times negative shares, epsilon in linear layers [Bach et al. 2015].

    The signs are those of contributions, so a negative input with a negative weight counts as positive. A neuron
    without contributions of one sign passes on alpha or -beta times its relevance. `epsilon` is absolute.
    """

    alpha: float
    beta: float
    epsilon: float
    stabilizer: float
    bias: bool
    canonical: Canonical

    def __post_init__(self) -> None:
        number(self, "beta", ">= 0", lambda beta: beta >= 0)
        number(self, "alpha", "= 1 + beta", lambda alpha: alpha == 1 + self.beta)
        check(self, "epsilon", "stabilizer")

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        zero = None if self.bias else "bias"
        convolution = AlphaBeta(self.alpha, self.beta, self.stabilizer, zero)
        rules = {"convolution": convolution, "linear": Epsilon(self.epsilon, zero)}
        return relevance(self, model, x, target, rules)


@explains("structure", cites="Bach et al. 2015", signed=True, complete="logit", passes=(1, 1))
class LrpEpsilonPlus:
    """z+ in convolutions, epsilon in linear layers [Bach et al. 2015; Montavon et al. 2019, sec. 10.3].

    z+ is alpha = 1, beta = 0. So, other than in the paper, a negative input (a normalised pixel) counts with its
    negative weights, and zero padding gets nothing. With `bias`, positive biases take their share of a convolution's
    relevance, and all biases that of a linear layer. `epsilon` is absolute. The map claims to sum to the logit; the
    metric of completeness shows what biases absorb.
    """

    epsilon: float
    stabilizer: float
    bias: bool
    canonical: Canonical
    __post_init__ = partialmethod(check, "epsilon", "stabilizer")

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        zero = None if self.bias else "bias"
        rules = {"convolution": ZPlus(self.stabilizer, zero), "linear": Epsilon(self.epsilon, zero)}
        return relevance(self, model, x, target, rules)


@explains("structure", cites="Montavon et al. 2019", signed=True, complete="logit", passes=(1, 1), needs=("box",))
class LrpEpsilonGammaBox:
    """z^B at pixels, gamma in convolutions, epsilon in linear layers [Montavon et al. 2019, sec. 10.3].

    `box` (2, c) has the values of black and white pixels; a pixel outside is no error. Gamma is the form for both
    signs, as in `LrpGamma`; `epsilon` is absolute. The paper has epsilon in upper convolutions as well.
    """

    epsilon: float
    gamma: float
    stabilizer: float
    bias: bool
    canonical: Canonical
    __post_init__ = partialmethod(check, "epsilon", "gamma", "stabilizer")

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor, box: Tensor | None = None) -> Tensor:
        gamma = signed_gamma(self.gamma, self.stabilizer, self.bias)
        rules = {"convolution": gamma, "linear": Epsilon(self.epsilon, None if self.bias else "bias")}
        return relevance(self, model, x, target, rules, lambda graph: boxed(self, graph, x, box))


def z_plus(stabilizer: float) -> dict[str, Hook]:
    """Return the z+ rule of every operation that sums."""
    plus = ZPlus(stabilizer, "bias")
    return {"convolution": plus, "linear": plus, **positive_terms(stabilizer)}


@explains("structure", cites="Montavon et al. 2017", signed=True, complete="logit", passes=(1, 1), needs=("box",))
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
class ExcitationBackprop:
    """Marginal winning probabilities of the pixels, propagated down from the target [Zhang et al. 2016].

    A neuron passes its probability on in proportion to the positive contributions to it, so a map has no negative
    values and sums to one at most. Departures: the paper stops at a layer in the middle, and here the pixels are
    reached; so a negative input counts with its negative weights (the z+ rule). Sums and average pools share among
    their positive terms, max pools give all to the winner, biases get nothing. The probability of a neuron without any
    positive contribution is lost. `stabilizer` keeps denominators from zero, in units of activation.
    """

    stabilizer: float
    canonical: Canonical
    __post_init__ = partialmethod(positive, "stabilizer")

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        return relevance(self, model, x, target, z_plus(self.stabilizer), start=torch.ones_like)
