"""The layers of a canonical graph that paths run through, and which layers each of them reads directly."""

from collections.abc import Callable, Collection

from torch import Tensor
from torch.fx import GraphModule, Interpreter, Node

from methods.graph import read_by_signals


class Changed(Interpreter):
    """Runs a canonical graph in which later nodes read `change(node, output)` in place of the output of some nodes."""

    def __init__(self, graph: GraphModule, change: Callable[[Node, Tensor], Tensor], nodes: Collection[Node]):
        super().__init__(graph)
        self.change, self.nodes, self.extra_traceback = change, nodes, False

    def run_node(self, node: Node) -> Tensor:
        output = super().run_node(node)
        return self.change(node, output) if node in self.nodes else output


def layers(graph: GraphModule, role: str = "relu") -> list[Node]:
    """Return the nodes of a role, by default the plain ReLUs, from the image to the logits.

    What only gates read is left out, since no relevance reaches it.
    """
    return [node for node in read_by_signals(graph) if node.meta["role"] == role]


def below(graph: GraphModule) -> list[list[int]]:
    """Return for each layer, and last for the logits, the layers that it reads without another layer between."""
    index = {node: i for i, node in enumerate(layers(graph))}
    seen: dict[Node, set[int]] = {}
    under = []
    for node in graph.graph.nodes:
        direct = set().union(*(seen[source] for source in node.all_input_nodes))
        seen[node] = {index[node]} if node in index else direct
        if node in index or node.op == "output":
            under.append(sorted(direct))
    return under


def depths(graph: GraphModule, role: str = "relu") -> list[int]:
    """Return the depth of each node of a role, the length of the longest chain of such nodes below it."""
    through: dict[Node, int] = {}
    for node in graph.graph.nodes:
        through[node] = max((through[source] for source in node.all_input_nodes), default=0)
        through[node] += node.meta["role"] == role
    return [through[node] - 1 for node in layers(graph, role)]
