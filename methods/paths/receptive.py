"""Receptive fields: the pixels that can change one position of a layer, computed from the layers' geometry alone."""

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node
from torch.nn.modules.utils import _pair

WINDOWS = ("convolution", "average", "max")
OPAQUE = ("linear", "norm", "softmax", "report", "")  # each of their outputs may read every input


def receptive_fields(graph: GraphModule, layer: Node) -> tuple[Tensor, Tensor]:
    """Return the pixel rows that each row of a layer can read (h, 2), and the same for columns (w, 2).

    Ranges are the first pixel and the one after the last. The product of both is the smallest box of the image outside
    which no pixel can matter, without padding. Positions are followed exactly, with the holes of strides and dilations.
    Operations without positions, those that move dimensions or roll, norms and unknown ones read everything. If a
    concatenation is split again, a channel that reads some channels only may have a smaller field. One that reads only
    padding has 0, 0.
    """
    return tuple(_ends(_seen(graph, layer, axis)) for axis in (0, 1))


def _seen(graph: GraphModule, layer: Node, axis: int) -> Tensor:
    """Return which pixels of one axis each position of the layer reads, (out, in)."""
    seen = {layer: torch.eye(_length(layer, axis))}
    for node in reversed(graph.graph.nodes):
        for source in node.all_input_nodes if node in seen else ():
            read = seen[node] @ _reads(graph, node, source, seen[node].shape[1], axis).float()
            seen[source] = (seen.get(source, 0) + read).sign()
    return seen[next(iter(graph.graph.nodes))] > 0


def _reads(graph: GraphModule, node: Node, source: Node, length: int, axis: int) -> Tensor:
    """Return which positions of its source each position of a node reads, (out, in)."""
    size, role = _length(source, axis, length), node.meta["role"]
    module = graph.get_submodule(node.target) if node.op == "call_module" else None
    first, place = torch.arange(length)[:, None], torch.arange(size)
    if isinstance(module, nn.modules.pooling._AdaptiveAvgPoolNd | nn.modules.pooling._AdaptiveMaxPoolNd):
        return (place >= first * size // length) & (place < -(-(first + 1) * size // length))
    if role in WINDOWS and hasattr(module, "kernel_size") and getattr(module, "padding_mode", "zeros") == "zeros":
        named = isinstance(module.padding, str)  # "same" and "valid" are resolved by the convolution itself
        before = module._reversed_padding_repeated_twice[2 - 2 * axis] if named else _pair(module.padding)[axis]
        offset = place - first * _pair(module.stride)[axis] + before
        step = _pair(getattr(module, "dilation", 1))[axis]
        return (offset >= 0) & (offset % step == 0) & (offset < step * _pair(module.kernel_size)[axis])
    if isinstance(module, nn.ConstantPad2d):
        return place == first - module.padding[2 - 2 * axis]
    moved = getattr(node.target, "__name__", node.target) in ("permute", "transpose", "roll")
    if length == size and not moved and role not in (*OPAQUE, *WINDOWS):
        return place == first
    return torch.ones(length, size, dtype=torch.bool)


def _length(node: Node, axis: int, unknown: int = 1) -> int:
    """Return a node's number of positions along an axis: 1 for a vector, `unknown` where it is no single tensor."""
    if "size" not in node.meta:
        return unknown
    return node.meta["size"][1 + axis] if len(node.meta["size"]) == 3 else 1


def _ends(seen: Tensor) -> Tensor:
    """Return the first true place of each row and the one after the last; 0, 0 where none is true."""
    count, any_seen = seen.shape[1], seen.any(1)
    first, last = seen.int().argmax(1), count - seen.flip(1).int().argmax(1)
    return torch.stack([first, last], 1) * any_seen[:, None]
