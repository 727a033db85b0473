"""The canonical form of a network, in which each operation is a module and each node knows its role."""

from collections.abc import Callable, Collection, Iterable
from typing import Any

from torch import Tensor, nn
from torch.fx import GraphModule, Interpreter, Node

from entries import Inapplicable, rounded_to

Canonical = Callable[[nn.Module, Tensor], GraphModule]  # a network and images -> its canonical form


def canonical_form(method: object, model: nn.Module, x: Tensor) -> GraphModule:
    """Return the network's canonical form for images of x's size; refuse a network that has none."""
    if rounded_to(model):
        raise Inapplicable(f"{type(method).__name__} needs precision=float32, as it reads the network's canonical form")
    try:
        return method.canonical(model, x)
    except ValueError as error:
        raise Inapplicable(
            f"{type(method).__name__} needs a canonical form, as convolutional networks have it. {error}"
        ) from error


def read_by_signals(graph: GraphModule) -> list[Node]:
    """Return the nodes that the logits read by other ways than as values of gates, in the graph's order."""
    read = {next(reversed(graph.graph.nodes))}
    for node in reversed(graph.graph.nodes):
        if node in read:
            read.update(node.all_input_nodes[:1] if node.meta["role"] == "gate" else node.all_input_nodes)
    return [node for node in graph.graph.nodes if node in read]


def depending(graph: GraphModule, nodes: Iterable[Node]) -> set[Node]:
    """Return some nodes and all that depend on them."""
    reached = {*nodes}
    for node in graph.graph.nodes:
        if reached.intersection(node.all_input_nodes):
            reached.add(node)
    return reached


def refuse_without_rule(
    method: object, model: nn.Module, graph: GraphModule, nodes: Iterable[Node], known: Collection[str]
) -> None:
    """Refuse a network if one of these nodes of its graph has a role that is not `known`."""
    for node in nodes:
        if node.meta["role"] not in known:
            module = graph.get_submodule(node.target) if node.op == "call_module" else None
            name = type(module).__name__ if module is not None else getattr(node.target, "__name__", node.target)
            raise Inapplicable(f"{type(method).__name__} has no rule for {name!r} of {type(model).__name__}")


class Kept(Interpreter):
    """Runs a canonical graph and keeps the outputs of some of its nodes, in the graph's order."""

    def __init__(self, graph: GraphModule, nodes: Iterable[Node]):
        super().__init__(graph)
        self.nodes, self.outputs, self.extra_traceback = set(nodes), {}, False

    def run_node(self, node: Node) -> Any:
        output = super().run_node(node)
        if node in self.nodes:
            self.outputs[node] = output
        return output
