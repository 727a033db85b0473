"""Layer-wise relevance propagation: rules on the canonical form of a network."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from zennit.core import Composite, Hook, stabilize
from zennit.rules import Epsilon, Norm, Pass, ZPlus

from methods import Inapplicable

FREE = {"placeholder", "output", "get_attr", "report", "shape", "concat", "max"}  # their gradient is the rule


class Share(Hook):
    """Each term of a sum gets the share of the relevance that it has of the sum."""

    def __init__(self, stabilizer: float):
        super().__init__()
        self.stabilizer = stabilizer

    def forward(self, module: nn.Module, input: tuple[Tensor, ...], output: Tensor) -> None:
        self.stored_tensors["terms"] = input

    def backward(self, module: nn.Module, grad_input: tuple, grad_output: tuple) -> tuple[Tensor, ...]:
        terms = self.stored_tensors["terms"]
        ratio = grad_output[0] / stabilize(sum(terms), self.stabilizer)
        return tuple((term * ratio).sum_to_size(term.shape) for term in terms)

    def copy(self) -> "Share":
        return Share(self.stabilizer)


def relevance(graph: nn.Module, rules: dict[str, Hook], x: Tensor, target: Tensor) -> Tensor:
    """Propagate the target's logit to the input (n, c, h, w) by one rule for each role of a node."""
    hooks = {node.target: rules[node.meta["role"]] for node in graph.graph.nodes if node.meta["role"] in rules}
    composite = Composite(lambda _context, name, _module: hooks.get(name))
    with composite.context(graph), torch.enable_grad():
        x = x.detach().clone().requires_grad_()
        logits = graph(x)
        start = torch.zeros_like(logits).scatter(1, target[:, None], logits.detach().gather(1, target[:, None]))
        return torch.autograd.grad(logits, x, start)[0].detach()


def without_rule(graph: nn.Module, rules: dict[str, Hook]) -> str:
    """Return the name of the first operation that has no rule, or nothing."""
    for node in graph.graph.nodes:
        if node.meta["role"] not in FREE | rules.keys():
            module = graph.get_submodule(node.target) if node.op == "call_module" else None
            return type(module).__name__ if module is not None else getattr(node.target, "__name__", node.target)
    return ""


@dataclass(frozen=True)
class LrpEpsilonPlus:
    """z+ in convolutions, epsilon in linear layers [Bach et al. 2015; Montavon et al. 2019, sec. 10.3].

    The rules are zennit's. Sums and average pools share relevance in proportion to their signed terms, activations and
    leftover batch norms pass it on, max pools give it to the winner. What starts is the target's logit; channels are
    summed. Linear layers are recognised by what they compute: convolutions over the whole map, as in the head of timm's
    VGG, are linear. `epsilon` stabilises linear layers, `stabilizer` all other denominators, in units of activation.

    Departures: z+ is alpha = 1, beta = 0, so a negative input (a normalised pixel) counts with its negative weights,
    and zero padding gets nothing. Positive biases take their share of a convolution's relevance, all biases that of a
    linear layer, so the map sums to the logit only in a network without biases; a folded batch norm is a bias.
    """

    group: ClassVar[str] = "structure"
    signed: ClassVar[bool] = True
    stochastic: ClassVar[bool] = False
    class_specific: ClassVar[bool] = True
    complete: ClassVar[str] = "logit"  # its claim; what biases absorb is what the completeness metric finds
    passes: ClassVar[tuple[int, int]] = (1, 1)
    cites: ClassVar[str] = "Bach et al. 2015"

    epsilon: float
    stabilizer: float
    canonical: Callable[[nn.Module, Tensor], nn.Module]

    def __post_init__(self):
        for name, value in (("epsilon", self.epsilon), ("stabilizer", self.stabilizer)):
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
                raise ValueError(f"LrpEpsilonPlus needs {name} > 0; {name}={value!r} was given")

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        small = self.stabilizer
        rules = {"convolution": ZPlus(small), "linear": Epsilon(self.epsilon), "relu": Pass(), "activation": Pass(),
                 "scale": Pass(), "average": Norm(small), "sum": Share(small)}  # fmt: skip
        try:
            graph = self.canonical(model, x)
        except ValueError as error:
            raise Inapplicable(f"LrpEpsilonPlus needs a canonical form: {error}") from error
        if operation := without_rule(graph, rules):
            raise Inapplicable(f"LrpEpsilonPlus has no rule for {operation!r} of {type(model).__name__}")
        return relevance(graph, rules, x, target).sum(1).contiguous()
