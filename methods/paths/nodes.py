"""The layers of a canonical graph that paths run through, and which layers each of them reads directly."""

from torch.fx import GraphModule, Node


def layers(graph: GraphModule) -> list[Node]:
    """Return the plain ReLUs, from the image to the logits."""
    return [node for node in graph.graph.nodes if node.meta["role"] == "relu"]


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


def depths(graph: GraphModule) -> list[int]:
    """Return each layer's depth, the length of the longest chain of layers below it."""
    depth: list[int] = []
    for under in below(graph)[:-1]:
        depth.append(1 + max((depth[i] for i in under), default=-1))
    return depth
