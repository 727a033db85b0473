"""Relevance propagation on the canonical form of a network, by one rule for each operation."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Interpreter, Node
from zennit.core import Composite, Hook, stabilize
from zennit.rules import Gamma, NoMod, Norm, Pass, ZBox

from entries import Inapplicable, needed
from methods.graph import Kept, canonical_form, read_by_signals, refuse_without_rule

FREE = {"placeholder", "output", "get_attr", "report", "shape", "concat", "max"}  # the gradient serves as rule
WEIGHTED = ("convolution", "linear")
PASSING = "relu", "rectifier", "activation", "scale"
RULED = {*PASSING, "norm", "average", "combination", "sum", "gate", *WEIGHTED}

Start = Callable[[Tensor], Tensor]  # the target's logit (n, 1) -> what is propagated
Select = Callable[[int, Tensor], Tensor]  # (watched node, its relevance) -> the channels (n, c) that pass it on


def refuse_unknown(method: object, model: nn.Module, graph: GraphModule) -> None:
    """Refuse a network with an operation that relevance reaches and that has no rule; gates get no relevance."""
    refuse_without_rule(method, model, graph, read_by_signals(graph), FREE | RULED)


class PassOn(Pass):
    """The input gets the relevance of the first output, summed where a constant made this larger.

    Torch's norms give their mean and deviation as well.
    """

    def backward(self, module: nn.Module, grad_input: tuple, grad_output: tuple) -> tuple[Tensor]:
        return (grad_output[0].sum_to_size(grad_input[0].shape),)


class SignalTakesAll(Hook):
    """The signal gets all relevance of its product with a gate, which counts as a constant [Arras et al. 2019]."""

    def forward(self, module: nn.Module, input: tuple[Tensor, ...], output: Tensor) -> None:
        self.stored_tensors["factors"] = input

    def backward(self, module: nn.Module, grad_input: tuple, grad_output: tuple) -> tuple[Tensor, Tensor]:
        signal, gate = self.stored_tensors["factors"]
        return grad_output[0].sum_to_size(signal.shape), torch.zeros_like(gate)


class Share(Hook):
    """Each term of a sum gets the share of the relevance that it, or its `positive` part, has of all of these.

    A difference may be far smaller than its terms, so that such shares grow without bound. Without `positive` it shares
    among the terms of its own sign, as the gamma rule does for a large gamma.
    """

    def __init__(self, stabilizer: float, positive: bool = False):
        super().__init__()
        self.stabilizer, self.positive = stabilizer, positive

    def forward(self, module: nn.Module, input: tuple[Tensor, ...], output: Tensor) -> None:
        terms = module.terms(*input)
        if self.positive:
            terms = tuple(term.clamp(min=0) for term in terms)
        elif module.alpha < 0:
            terms = tuple(term.where(term * output > 0, 0) for term in terms)
        self.stored_tensors["terms"] = terms

    def backward(self, module: nn.Module, grad_input: tuple, grad_output: tuple) -> tuple[Tensor, ...]:
        terms = self.stored_tensors["terms"]
        ratio = grad_output[0] / stabilize(sum(terms), self.stabilizer)
        return tuple((term * ratio).sum_to_size(term.shape) for term in terms)

    def copy(self) -> "Share":
        return Share(self.stabilizer, self.positive)


def positive_terms(stabilizer: float) -> dict[str, Hook]:
    """Return the z+ rule of operations without weights: sums and average pools share among positive terms."""
    average = Norm(stabilizer)
    average.input_modifiers = [lambda a: a.clamp(min=0)]
    return {"sum": Share(stabilizer, positive=True), "average": average, "combination": average}


def signed_gamma(gamma: float, stabilizer: float, bias: bool) -> Gamma:
    """The gamma rule for inputs and outputs of both signs.

    zennit chooses by the output, bias included, which contributions it favours. Where biases are left out of the
    denominator, it can then come near zero; so here the choice leaves them out too.
    """
    zero = None if bias else "bias"
    rule = Gamma(gamma, stabilizer, zero)
    rule.param_modifiers[4] = NoMod(zero_params=zero)
    return rule


def pixel_layers(graph: GraphModule, x: Tensor, box: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
    """Return the layers that read pixels, with the lowest and highest values that each can read.

    `box` (2, c) has the values of black and white pixels. Between pixels and such a layer are only shapes and scales.
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
    """Return the z^B rule for the layers that read pixels; biases cancel in it."""
    layers = pixel_layers(graph, x, needed(method, "a range of pixel values", box))
    if not layers:
        need = f"{type(method).__name__} needs a convolution or linear layer that reads the pixels"
        raise Inapplicable(f"{need}; {type(graph).__name__.removeprefix('Canonical')} has none")
    return {name: ZBox(*ends, method.stabilizer) for name, ends in layers.items()}


class Backward:
    """Backward passes over one forward pass of a graph whose rules are hooks.

    `outputs` are those of the `watched` nodes, in the graph's order. A backward pass gives the relevance that reached
    each of them, and the input's. `select(i, relevance)` chooses the channels (n, c) of the i-th node that pass it on.
    """

    def __init__(self, graph: GraphModule, x: Tensor, target: Tensor, start: Start, watched: Iterable[Node]):
        self.x = x.detach().clone().requires_grad_()
        run = Kept(graph, watched)
        self.logits = run.run(self.x)
        self.held = list(run.outputs.values())
        self.outputs = [output.detach() for output in self.held]
        begin = start(self.logits.detach().gather(1, target[:, None]))
        self.begin = torch.zeros_like(self.logits).scatter(1, target[:, None], begin)

    def __call__(self, select: Select | None = None, last: bool = False) -> tuple[list[Tensor], Tensor]:
        """Propagate once; the `last` pass frees the memory of the forward pass."""
        reached: list[Tensor] = [torch.zeros_like(output) for output in self.outputs]

        def arrive(i: int, relevance: Tensor) -> Tensor | None:
            reached[i] = relevance
            if select is None:
                return None
            kept = select(i, relevance)
            return relevance * kept.reshape(*kept.shape, *(1,) * (relevance.ndim - 2))

        with ExitStack() as hooks:
            for i, output in enumerate(self.held):
                hooks.enter_context(output.register_hook(partial(arrive, i)))
            (pixels,) = torch.autograd.grad(self.logits, self.x, self.begin, retain_graph=not last)
        return reached, pixels


@contextmanager
def backward(
    graph: GraphModule,
    hooks: Mapping[str, Hook],
    x: Tensor,
    target: Tensor,
    start: Start = lambda logit: logit,
    watched: Iterable[Node] = (),
) -> Iterator[Backward]:
    """Run a graph with these hooks, by names of nodes, and give its backward passes."""
    composite = Composite(lambda _context, name, _module: hooks.get(name))
    with composite.context(graph), torch.enable_grad():
        yield Backward(graph, x, target, start, watched)


def by_role(graph: GraphModule, rules: Mapping[str, Hook], stabilizer: float) -> dict[str, Hook]:
    """Return the rule of each node, chosen by its role.

    `rules` has those of layers with weights. Sums, average pools and other fixed combinations share in proportion to
    their terms, activations, scales and norms pass relevance on, and products give it to the signal.
    """
    shares = {"average": Norm(stabilizer), "combination": Norm(stabilizer), "sum": Share(stabilizer)}
    fixed = {**dict.fromkeys((*PASSING, "norm"), PassOn()), "gate": SignalTakesAll()}
    rules = fixed | shares | dict(rules)
    return {node.target: rules[node.meta["role"]] for node in graph.graph.nodes if node.meta["role"] in rules}


def relevance(
    method: object,
    model: nn.Module,
    x: Tensor,
    target: Tensor,
    rules: Mapping[str, Hook],
    pixels: Callable[[GraphModule], Mapping[str, Hook]] = lambda graph: {},
    start: Start = lambda logit: logit,
) -> Tensor:
    """Propagate `start` of the target's logit to the input and sum over channels, (n, h, w).

    `rules` are given by role, and `pixels` gives further rules by names of nodes.
    """
    graph = canonical_form(method, model, x)
    refuse_unknown(method, model, graph)
    hooks = by_role(graph, rules, method.stabilizer) | pixels(graph)
    with backward(graph, hooks, x, target, start) as propagate:
        return propagate(last=True)[1].detach().sum(1).contiguous()
