"""The logits of a network when only the channels of a path are kept."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.fx import GraphModule, Interpreter, Node

from methods.graph import Kept, depending
from methods.paths.nodes import Changed, layers


@torch.no_grad()
def only(
    graph: GraphModule,
    x: Tensor,
    kept: Sequence[Tensor | None],
    means: Sequence[Tensor] | None,
    clean: Mapping[Node, Tensor] | None = None,
) -> Tensor:
    """Return the logits (n, k) when every layer keeps only some of its channels.

    `kept` has (n, c) bool for each layer of `nodes.layers`, or None for a layer that keeps all its channels. The others
    are set at every position to zero, or to their mean in the layer's `means` (c,). All layers are masked in one run,
    so that kept channels are computed from kept channels below. With `clean`, the result of `run`, only nodes that
    depend on a masked layer are run.
    """
    nodes, zero = layers(graph), torch.zeros(())
    values = [zero] * len(nodes) if means is None else means
    masks = {node: (k, v) for node, k, v in zip(nodes, kept, values, strict=True) if k is not None}

    def mask(node: Node, output: Tensor) -> Tensor:
        keeps, value = masks[node]
        positions = (1,) * (output.ndim - 2)
        return torch.where(keeps.reshape(*keeps.shape, *positions), output, value.to(output).reshape(1, -1, *positions))

    reached = depending(graph, masks)
    known = {node: value for node, value in (clean or {}).items() if node not in reached}
    return Changed(graph, mask, masks).run(x, initial_env=known)


@torch.no_grad()
def run(graph: GraphModule, x: Tensor) -> dict[Node, Tensor]:
    """Return the output of every node of the whole network."""
    interpreter = Interpreter(graph, garbage_collect_values=False)
    interpreter.run(x)
    return interpreter.env


@torch.no_grad()
def means(graph: GraphModule, images: Tensor, batch: int) -> list[Tensor]:
    """Return the mean activation (c,) in float64 of each layer's channels over images and positions."""
    interpreter, found = Kept(graph, layers(graph)), []
    for part in images.split(batch):
        interpreter.run(part)
        outputs = [interpreter.outputs[node] for node in layers(graph)]
        found.append([a.double().reshape(*a.shape[:2], -1).mean(2) for a in outputs])
    return [torch.cat(layer).mean(0) for layer in zip(*found, strict=True)]
