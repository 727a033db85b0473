"""Layer-wise relevance propagation: rules on the canonical form of a network.

The rules are zennit's. All methods here share what `methods.relevance` does with other layers: sums and average pools
share relevance in proportion to their signed terms, activations and leftover batch norms pass it on, max pools give
it to the winner. What starts is the target's logit, and channels are summed. Linear layers are recognised by what they
compute: convolutions over the whole map, as in the head of timm's VGG, are linear. With `bias`, biases (a folded batch
norm is one) take their share of the relevance, and a map sums to the logit only in a network that has none; without
it, the other contributions get that share too. `stabilizer` keeps denominators from zero, in units of activation.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from zennit.core import Stabilizer
from zennit.rules import AlphaBeta, Epsilon, ZPlus

from methods.fields import flag, number
from methods.relevance import boxed, no_bias, relevance, signed_gamma


def check(method: object, *positive: str) -> None:
    """Refuse fields that are not `positive`, and a `bias` that is neither true nor false."""
    for name in positive:
        number(method, name, "> 0", lambda value: value > 0)
    flag(method, "bias")


@dataclass(frozen=True)
class LrpEpsilon:
    """Epsilon in every layer: shares z_jk / (z_k + eps sign z_k) [Bach et al. 2015; Montavon et al. 2019].

    `epsilon` is in units of the root mean square of a layer's z in one image, as in Montavon's tutorial, so that it
    means the same in layers of every scale. As it goes to zero, the map of a network of ReLUs goes to input x gradient,
    with as much noise; what it absorbs is lost in each layer, so the map of a deep network does not sum to the logit.
    Without biases denominators are no longer what made the network's activations, and for a small epsilon relevance
    grows without bound: 10^37 times the logit on a 34-layer ResNet at 1e-6, 3.5 times at .25 (biases kept: 43 and .7).
    """

    epsilon: float
    stabilizer: float
    bias: bool
    canonical: Callable[[nn.Module, Tensor], nn.Module]

    group: ClassVar[str] = "structure"
    signed: ClassVar[bool] = True
    stochastic: ClassVar[bool] = False
    class_specific: ClassVar[bool] = True
    complete: ClassVar[str] = "logit"
    passes: ClassVar[tuple[int, int]] = (1, 1)
    cites: ClassVar[str] = "Bach et al. 2015"

    def __post_init__(self) -> None:
        check(self, "epsilon", "stabilizer")

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        relative, nonzero = Stabilizer(self.epsilon, norm_scale=True), Stabilizer(self.stabilizer)
        rule = Epsilon(lambda z: nonzero(relative(z)), no_bias(self.bias))
        return relevance(self, model, x, target, {"convolution": rule, "linear": rule})


@dataclass(frozen=True)
class LrpGamma:
    """Gamma in every layer, favouring what has a neuron's sign [Montavon et al. 2019, sec. 10.2].

    Shares are of z + gamma z^+, of z + gamma z^- where z is negative. This is the form for all signs: z^+ and z^- are
    sums of contributions, not weights. Where activations and neurons are positive it is the paper's. A layer multiplies
    the sum of magnitudes by (2 + gamma) / gamma at most (a residual sum whose terms cancel has no bound); the paper's
    form has no bound at negative branches and scores (10^7 times the logit on a 34-layer ResNet, where this one gives
    .6). The paper uses gamma in lower layers only, and epsilon and 0 above.
    """

    gamma: float
    stabilizer: float
    bias: bool
    canonical: Callable[[nn.Module, Tensor], nn.Module]

    group: ClassVar[str] = "structure"
    signed: ClassVar[bool] = True
    stochastic: ClassVar[bool] = False
    class_specific: ClassVar[bool] = True
    complete: ClassVar[str] = "logit"
    passes: ClassVar[tuple[int, int]] = (1, 1)
    cites: ClassVar[str] = "Montavon et al. 2019"

    def __post_init__(self) -> None:
        check(self, "gamma", "stabilizer")

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        rule = signed_gamma(self.gamma, self.stabilizer, self.bias)
        return relevance(self, model, x, target, {"convolution": rule, "linear": rule})


@dataclass(frozen=True)
class LrpAlphaBeta:
    """alpha positive less beta negative shares, epsilon in linear layers [Bach et al. 2015].

    The signs are those of contributions, so negative inputs count with negative weights as positive ones. A neuron that
    has no contribution of one sign gets alpha or -beta times its relevance instead of 1; `epsilon` is absolute.
    """

    alpha: float
    beta: float
    epsilon: float
    stabilizer: float
    bias: bool
    canonical: Callable[[nn.Module, Tensor], nn.Module]

    group: ClassVar[str] = "structure"
    signed: ClassVar[bool] = True
    stochastic: ClassVar[bool] = False
    class_specific: ClassVar[bool] = True
    complete: ClassVar[str] = "logit"
    passes: ClassVar[tuple[int, int]] = (1, 1)
    cites: ClassVar[str] = "Bach et al. 2015"

    def __post_init__(self) -> None:
        number(self, "beta", ">= 0", lambda beta: beta >= 0)
        number(self, "alpha", "= 1 + beta", lambda alpha: alpha == 1 + self.beta)
        check(self, "epsilon", "stabilizer")

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        zero = no_bias(self.bias)
        convolution = AlphaBeta(self.alpha, self.beta, self.stabilizer, zero)
        rules = {"convolution": convolution, "linear": Epsilon(self.epsilon, zero)}
        return relevance(self, model, x, target, rules)


@dataclass(frozen=True)
class LrpEpsilonPlus:
    """z+ in convolutions, epsilon in linear layers [Bach et al. 2015; Montavon et al. 2019, sec. 10.3].

    Departures: z+ is alpha = 1, beta = 0, so a negative input (a normalised pixel) counts with its negative weights,
    and zero padding gets nothing. With `bias`, positive biases take their share of a convolution's relevance, all
    biases that of a linear layer. `epsilon` is absolute.
    """

    epsilon: float
    stabilizer: float
    bias: bool
    canonical: Callable[[nn.Module, Tensor], nn.Module]

    group: ClassVar[str] = "structure"
    signed: ClassVar[bool] = True
    stochastic: ClassVar[bool] = False
    class_specific: ClassVar[bool] = True
    complete: ClassVar[str] = "logit"  # its claim; what biases absorb is what the completeness metric finds
    passes: ClassVar[tuple[int, int]] = (1, 1)
    cites: ClassVar[str] = "Bach et al. 2015"

    def __post_init__(self) -> None:
        check(self, "epsilon", "stabilizer")

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        zero = no_bias(self.bias)
        rules = {"convolution": ZPlus(self.stabilizer, zero), "linear": Epsilon(self.epsilon, zero)}
        return relevance(self, model, x, target, rules)


@dataclass(frozen=True)
class LrpEpsilonGammaBox:
    """z^B at pixels, gamma in convolutions, epsilon in linear layers [Montavon et al. 2019, sec. 10.3].

    `box` (2, c) has the values of black and white pixels; a pixel outside is no error. Gamma is the form for both
    signs, as in `LrpGamma`; `epsilon` is absolute. The paper has epsilon in upper convolutions as well.
    """

    epsilon: float
    gamma: float
    stabilizer: float
    bias: bool
    canonical: Callable[[nn.Module, Tensor], nn.Module]

    group: ClassVar[str] = "structure"
    signed: ClassVar[bool] = True
    stochastic: ClassVar[bool] = False
    class_specific: ClassVar[bool] = True
    complete: ClassVar[str] = "logit"
    passes: ClassVar[tuple[int, int]] = (1, 1)
    cites: ClassVar[str] = "Montavon et al. 2019"
    needs: ClassVar[tuple[str, ...]] = ("box",)

    def __post_init__(self) -> None:
        check(self, "epsilon", "gamma", "stabilizer")

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor, box: Tensor | None = None) -> Tensor:
        gamma = signed_gamma(self.gamma, self.stabilizer, self.bias)
        rules = {"convolution": gamma, "linear": Epsilon(self.epsilon, no_bias(self.bias))}
        return relevance(self, model, x, target, rules, lambda graph: boxed(self, graph, x, box))
