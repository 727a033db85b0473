"""Relevance on the canonical form of a network: how a rule for each operation gives a map."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Interpreter, Node
from zennit.core import Composite, Hook, stabilize
from zennit.rules import Gamma, NoMod, Norm, Pass, ZBox

from methods import Inapplicable
from methods.fields import needed
from methods.graph import canonical_form, without_rule

FREE = {"placeholder", "output", "get_attr", "report", "shape", "concat", "max"}  # their gradient is the rule
WEIGHTED = ("convolution", "linear")


class Share(Hook):
    """Each term of a sum gets the share of the relevance that it has of the sum."""

    def __init__(self, stabilizer: float):
        super().__init__()
        self.stabilizer = stabilizer

    def forward(self, module: nn.Module, input: tuple[Tensor, ...], output: Tensor) -> None:
        self.stored_tensors["terms"] = self.counted(input)

    def counted(self, terms: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return terms

    def backward(self, module: nn.Module, grad_input: tuple, grad_output: tuple) -> tuple[Tensor, ...]:
        terms = self.stored_tensors["terms"]
        ratio = grad_output[0] / stabilize(sum(terms), self.stabilizer)
        return tuple((term * ratio).sum_to_size(term.shape) for term in terms)

    def copy(self) -> "Share":
        return type(self)(self.stabilizer)


class PositiveShare(Share):
    """Each term of a sum gets the share of the relevance that its positive part has of all positive parts."""

    def counted(self, terms: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(term.clamp(min=0) for term in terms)


def positive(stabilizer: float) -> dict[str, Hook]:
    """The z+ rule for what has no weights: sums and average pools share among positive terms."""
    average = Norm(stabilizer)
    average.input_modifiers = [lambda a: a.clamp(min=0)]
    return {"sum": PositiveShare(stabilizer), "average": average}


def no_bias(bias: bool) -> str | None:
    """Return what a zennit rule sets to zero."""
    return None if bias else "bias"


def signed_gamma(gamma: float, stabilizer: float, bias: bool) -> Gamma:
    """The gamma rule for inputs and outputs of both signs.

    zennit chooses by the output with its bias which contributions it favours, also where biases are left out: then a
    denominator can be near zero, and a share of any size.
    """
    rule = Gamma(gamma, stabilizer, no_bias(bias))
    rule.param_modifiers[4] = NoMod(zero_params=no_bias(bias))
    return rule


def pixel_layers(graph: GraphModule, x: Tensor, box: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
    """Return the layers that read pixels, and the lowest and highest values that each can read.

    `box` (2, c) is of the pixels; between them and such a layer are shapes and scales only.
    """
    black, white = runs = Interpreter(graph), Interpreter(graph)
    layers = {}
    for node in graph.graph.nodes:
        if node.op == "placeholder":
            for run, bound in zip(runs, box.to(x), strict=True):
                run.env[node] = bound[None, :, None, None].expand(1, *x.shape[1:])
        elif node.args and isinstance(node.args[0], Node) and node.args[0] in black.env:
            if node.meta["role"] in WEIGHTED:
                ends = black.env[node.args[0]], white.env[node.args[0]]
                layers[node.target] = torch.minimum(*ends), torch.maximum(*ends)
            elif node.meta["role"] in ("shape", "scale"):
                for run in runs:
                    run.env[node] = run.run_node(node)
    return layers


def boxed(method: object, graph: GraphModule, x: Tensor, box: Tensor | None) -> dict[str, Hook]:
    """The z^B rule for the layers that read pixels; biases cancel in it."""
    layers = pixel_layers(graph, x, needed(method, "a range of pixel values", box))
    if not layers:
        need = f"{type(method).__name__} needs a convolution or linear layer that reads the pixels"
        raise Inapplicable(f"{need}; {type(graph).__name__.removeprefix('Canonical')} has none")
    return {name: ZBox(*ends, method.stabilizer) for name, ends in layers.items()}


def relevance(
    method: object,
    model: nn.Module,
    x: Tensor,
    target: Tensor,
    rules: Mapping[str, Hook],
    pixels: Callable[[GraphModule], Mapping[str, Hook]] = lambda graph: {},
    start: Callable[[Tensor], Tensor] = lambda logit: logit,
) -> Tensor:
    """Propagate `start` of the target's logit to the input (n, c, h, w), and sum over channels.

    `rules` has a rule for each role of a node, and `pixels` those of single nodes by name. What is left to the method
    are layers with weights; sums and average pools share in proportion, activations and scales pass relevance on.
    """
    small = method.stabilizer
    rules = {
        "relu": Pass(),
        "activation": Pass(),
        "scale": Pass(),
        "average": Norm(small),
        "sum": Share(small),
        **rules,
    }
    graph = canonical_form(method, model, x)
    if operation := without_rule(graph, FREE | rules.keys()):
        raise Inapplicable(f"{type(method).__name__} has no rule for {operation!r} of {type(model).__name__}")
    hooks = {node.target: rules[node.meta["role"]] for node in graph.graph.nodes if node.meta["role"] in rules}
    hooks |= pixels(graph)
    composite = Composite(lambda _context, name, _module: hooks.get(name))
    with composite.context(graph), torch.enable_grad():
        x = x.detach().clone().requires_grad_()
        logits = graph(x)
        begin = start(logits.detach().gather(1, target[:, None]))
        begin = torch.zeros_like(logits).scatter(1, target[:, None], begin)
        return torch.autograd.grad(logits, x, begin)[0].detach().sum(1).contiguous()
