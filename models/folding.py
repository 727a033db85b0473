"""Changes of a canonical graph: batch norms merged into layers, a head's convolutions made linear, gates found."""

from math import prod

import torch
from torch import nn
from torch.fx import Graph, Node

from models.modules import BOUNDED, RESHAPING, ROLES, Dense, Gate, Product, Scale, constant, role
from models.operations import LAYERS

POINTWISE = ROLES["relu"] + ROLES["rectifier"] + ROLES["activation"]
HEAD = POINTWISE + RESHAPING + ROLES["linear"]


def fold(graph: Graph, modules: dict[str, nn.Module]) -> None:
    """Multiply every `Scale` into the convolution or linear layer before it, in float64."""
    calls = [node for node in graph.nodes if node.op == "call_module"]
    for node in [node for node in calls if isinstance(modules[node.target], Scale)]:
        (source,), constants = node.args, [*modules[node.target].parameters()]
        layer = modules.get(source.target)
        if type(layer) not in LAYERS.values() or len(source.users) > 1:
            continue
        channels = len(layer.weight)
        one_each = (channels,) + (1,) * (layer.weight.ndim - 2)
        if any(t.numel() > 1 and (t.numel() > channels or t.shape[-len(one_each) :] != one_each) for t in constants):
            continue
        factor, shift = (t.reshape(-1).expand(channels) for t in constants)
        exact = layer.weight.detach().to("cpu", torch.float64)
        bias = shift if layer.bias is None else layer.bias.detach().to("cpu", torch.float64) * factor + shift
        weight = exact * factor.reshape(-1, *(1,) * (exact.ndim - 1))
        layer.weight, layer.bias = constant(weight.to(layer.weight)), constant(bias.to(layer.weight))
        node.replace_all_uses_with(source)
        graph.erase_node(node)
        del modules[node.target]


def densify(graph: Graph, modules: dict[str, nn.Module]) -> None:
    """Replace the convolutions of the head by linear layers.

    Their kernels cover the whole map, and only linear layers, activations and shapes follow. A 1x1 kernel counts only
    after such a layer or a global average, so that small images do not change which layers are linear.
    """
    head = set()
    for node in reversed(graph.nodes):
        module = modules.get(node.target)
        plain = type(module) is nn.Conv2d and module.groups == 1 and module.padding in ((0, 0), "valid")
        whole = plain and module.dilation == (1, 1) and module.kernel_size == node.args[0].meta["size"][1:]
        flatten = getattr(node.target, "__name__", node.target) == "flatten"
        of_head = whole or flatten or node.op == "output" or isinstance(module, HEAD)
        if of_head and all(user in head for user in node.users):
            head.add(node)
    flat = set()
    for node in graph.nodes:
        module, source = modules.get(node.target), node.args[0] if node.args else None
        if isinstance(module, nn.Conv2d) and node in head and (module.kernel_size != (1, 1) or source in flat):
            modules[node.target] = module = Dense(module)
        pooled = isinstance(module, nn.AvgPool2d) and node.meta["size"][1:] == (1, 1)
        onward = source in flat and isinstance(module, POINTWISE)
        if pooled or onward or isinstance(module, Dense):
            flat.add(node)


def find_gates(graph: Graph, modules: dict[str, nn.Module]) -> None:
    """Make each product whose gate is known a `Gate` of the signal and the gate, in this order.

    The gate is the factor that is broadcast, such as one number for each channel in squeeze-and-excitation. Of two
    factors of one size it is the one that a bounded function gives, such as a sigmoid, else the one that any activation
    gives, as in gated linear units. Two factors of one kind are a product without a gate.
    """

    def gating(factor: Node, of: Node) -> tuple[bool, bool, bool]:
        source = factor
        while role(source, modules) in ("shape", "scale", "average", "combination"):
            (source, *_) = source.all_input_nodes
        made_by = modules.get(source.target)
        bounded = isinstance(made_by, (*BOUNDED, nn.Softmax))
        return prod(factor.meta["size"]) < prod(of.meta["size"]), bounded, isinstance(made_by, POINTWISE)

    for node in graph.nodes:
        if isinstance(modules.get(node.target), Product):
            signal, gate = sorted(node.args, key=lambda factor: gating(factor, node))
            if gating(signal, node) < gating(gate, node):
                node.args, modules[node.target] = (signal, gate), Gate()
