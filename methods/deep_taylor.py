"""Deep Taylor decomposition: the positive rules of relevance."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from zennit.rules import ZPlus

from methods.fields import number
from methods.relevance import boxed, positive, relevance


@dataclass(frozen=True)
class DeepTaylor:
    """z+ in every layer, z^B at pixels, from the target's logit [Montavon et al. 2017].

    `box` (2, c) has the values of black and white pixels. Biases have no place in the denominators, since the paper
    takes them to be at most zero; so the map sums to the logit. Departures: the paper explains a positive output, and
    a negative logit gives a map of negative values; sums and average pools share among their positive
    terms, the z+ rule with weights of one, so that all values keep the logit's sign.
    """

    group: ClassVar[str] = "structure"
    signed: ClassVar[bool] = True
    stochastic: ClassVar[bool] = False
    class_specific: ClassVar[bool] = True
    complete: ClassVar[str] = "logit"
    passes: ClassVar[tuple[int, int]] = (1, 1)
    cites: ClassVar[str] = "Montavon et al. 2017"
    needs: ClassVar[tuple[str, ...]] = ("box",)

    stabilizer: float
    canonical: Callable[[nn.Module, Tensor], nn.Module]

    def __post_init__(self):
        number(self, "stabilizer", "> 0", lambda value: value > 0)

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor, *, box: Tensor) -> Tensor:
        plus = ZPlus(self.stabilizer, "bias")
        rules = {"convolution": plus, "linear": plus, **positive(self.stabilizer)}
        return relevance(self, model, x, target, rules, lambda graph: boxed(self, graph, x, box))
