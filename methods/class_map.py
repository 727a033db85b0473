"""Methods for networks that end in a global average pool and one linear layer: they read the class map."""

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node
from torch.nn.functional import max_pool2d
from zennit.core import BasicHook, Hook, stabilize
from zennit.rules import ClampMod

from entries import Inapplicable, explains, positive, refuse, whole
from methods.cam import upsampled
from methods.graph import Canonical, Kept, canonical_form
from methods.relevance import PASSING, positive_terms, relevance

REDUCED = ("linear", "average", "max")  # operations that reduce a map to one pixel, other than strides


def head(method: object, model: nn.Module, x: Tensor, target: Tensor) -> tuple[GraphModule, Node, Tensor]:
    """Return the canonical form, the node that reads the last layer, and the class weights (n, k, 1, 1).

    That node is the global average pool before the linear layer that gives the logits. Where the last layer has one
    pixel, the canonical form has no pool, and the linear layer reads that layer.
    """
    graph = canonical_form(method, model, x)
    (report,) = (node for node in graph.graph.nodes if node.meta["role"] == "report")
    linear = before(report.args[1], "shape")
    is_linear = linear.meta["role"] == "linear"
    last = before(linear.args[0], "shape") if is_linear else linear
    pooled = last.meta["role"] == "average" and last.args[0].meta["size"][1:] == window(graph, last)
    pixel = last.meta["size"][1:] == (1, 1) and before(last, *PASSING).meta["role"] not in REDUCED
    if not is_linear or not (pooled or pixel):
        given = f"{type(model).__name__} has {last.meta['role'] or last.name!r} there"
        need = f"{type(method).__name__} needs a global average pool before one linear layer"
        raise Inapplicable(f"{need}; {given}")
    weight = graph.get_submodule(linear.target).weight[target]
    return graph, last if pooled else linear, weight[:, :, None, None]


def before(node: Node, *roles: str) -> Node:
    """Return the first node, from here towards the image, that has none of these roles."""
    while node.meta["role"] in roles:
        node = node.args[0]
    return node


def window(graph: nn.Module, pool: Node) -> tuple[int, ...]:
    """Return the height and width of what a pool averages."""
    size = getattr(graph.get_submodule(pool.target), "kernel_size", 0)
    return tuple(size) if isinstance(size, tuple) else (size, size)


def as_map(a: Tensor) -> Tensor:
    """Return the input of a linear layer as a map of one pixel; leave maps as they are."""
    return a if a.ndim == 4 else a[:, :, None, None]


@explains("structure", cites="Zhou et al. 2016", signed=True, passes=(1, 0))
class Cam:
    """Channels before the global average pool, weighed by the class's weights [Zhou et al. 2016].

    The map is signed, since the paper takes no ReLU. The mean over the layer's pixels plus the bias is the logit; the
    mean of the upsampled map differs. Where the layer has one pixel, the map is constant.
    """

    canonical: Canonical

    @torch.no_grad()
    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        graph, reader, weight = head(self, model, x, target)
        kept = Kept(graph, [reader.args[0]])
        kept.run(x.detach().clone())
        return upsampled((weight * as_map(kept.outputs[reader.args[0]])).sum(1), x)


@explains("structure", cites="Zhou et al. 2018", passes=(1, 1))
class PeakResponse:
    """Excitation of the peaks of the class map, propagated down to the pixels [Zhou et al. 2018].

    Peaks are pixels of the class map of `Cam` that are no smaller than their neighbours (a square `across` pixels wide)
    and than the map's (lower) median, as in the authors' code; its further threshold of 30 suits the logits of one
    network and is left out. Each peak starts with probability 1. A layer passes it down in proportion to the excitation
    by its inputs: positive weights only, no biases, and inputs less the smallest of the image. Sums and average pools
    share among their positive terms, where the code passes gradients on; max pools give all to the winner. The map is
    the sum over the peaks, computed in one pass since propagation is linear in its start. It sums to their number, less
    the probability of neurons without excitation. `stabilizer` keeps denominators from zero, in units of activation.
    """

    across: int
    stabilizer: float
    canonical: Canonical

    def __post_init__(self) -> None:
        whole(self, across=1)
        if self.across % 2 == 0:
            refuse(self, "across", "an odd number across")
        positive(self, "stabilizer")

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        _, reader, weight = head(self, model, x, target)
        start = Peaks(weight, self.across, self.stabilizer)
        layer = BasicHook(
            input_modifiers=[above],
            param_modifiers=[ClampMod(min=0, zero_params="bias")],
            gradient_mapper=lambda probability, outputs: [probability / stabilize(outputs[0], self.stabilizer)],
        )
        rules = {"convolution": layer, "linear": layer, **positive_terms(self.stabilizer)}
        return relevance(self, model, x, target, rules, lambda _graph: {reader.target: start})


def peaks(response: Tensor, across: int) -> Tensor:
    """Return which pixels of the maps (n, h, w) are the largest around them and not below the median."""
    largest = max_pool2d(response[:, None], across, stride=1, padding=across // 2)[:, 0]
    return (response == largest) & (response >= response.flatten(1).median(1).values[:, None, None])


def above(a: Tensor) -> Tensor:
    """Return activations less the smallest of their image."""
    return a - a.flatten(1).amin(1).view(-1, *[1] * (a.ndim - 1))


class Peaks(Hook):
    """After the last layer: each peak of the class map starts with probability 1, whatever relevance arrives."""

    def __init__(self, weight: Tensor, across: int, stabilizer: float):
        super().__init__()
        self.weight, self.across, self.stabilizer = weight, across, stabilizer

    def forward(self, module: nn.Module, input: tuple[Tensor, ...], output: Tensor) -> None:
        self.stored_tensors["input"] = input[0]

    def backward(self, module: nn.Module, grad_input: tuple, grad_output: tuple) -> tuple[Tensor]:
        a = as_map(self.stored_tensors["input"])
        excited = above(a) * self.weight.clamp(min=0)
        start = peaks((self.weight * a).sum(1), self.across)[:, None]
        started = excited * start / stabilize(excited.sum(1, keepdim=True), self.stabilizer)
        return (started.view_as(self.stored_tensors["input"]),)

    def copy(self) -> "Peaks":
        return Peaks(self.weight, self.across, self.stabilizer)
