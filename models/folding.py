"""Changes of a canonical graph: batch norms merged into layers, a head's convolutions made linear, gates found."""

from math import prod

import torch
from torch import nn
from torch.fx import Graph, Node

from models.modules import BOUNDED, RESHAPING, ROLES, Dense, Gate, Product, Scale, Sum, constant, role, twin
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


def merge_parallel(graph: Graph, modules: dict[str, nn.Module]) -> bool:
    """Replace a sum of convolutions of one input, with that input or a scale of it, by one convolution, in float64.

    Such branches are the training form of re-parameterised networks (RepVGG, MobileOne, RepViT); their values may all
    but cancel. Returns whether there was such a sum.
    """
    merged = False
    for node in [node for node in graph.nodes if isinstance(modules.get(node.target), Sum)]:
        branches = [branch for branch in node.args if type(modules.get(branch.target)) is nn.Conv2d]
        if not branches:
            continue
        widest = max(branches, key=lambda branch: modules[branch.target].kernel_size)
        (source,), wide, alpha = widest.args, modules[widest.target], modules[node.target].alpha
        kernels = [kernel(branch, source, wide, modules) for branch in node.args]
        if None in kernels:
            continue
        weight, bias = (one + alpha * other for one, other in zip(*kernels, strict=True))
        modules[node.target] = one = twin(wide)
        one.weight, one.bias = constant(weight.to(wide.weight)), constant(bias.to(wide.weight))
        merged, former, node.args = True, set(node.args) - {source}, (source,)
        for branch in former:
            graph.erase_node(branch)
            del modules[branch.target]
    return merged


def kernel(node: Node, source: Node, wide: nn.Conv2d, modules: dict) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Return what a branch is as weights and bias of a convolution like `wide`, in float64; None for another branch."""
    module = modules.get(node.target)
    weight = torch.zeros(wide.weight.shape, dtype=torch.float64)
    centred = [wide.kernel_size[axis] // 2 for axis in (0, 1)]
    if not centres(wide) or (node is not source and (source not in node.args[:1] or len(node.users) > 1)):
        return None
    if node is source or isinstance(module, Scale):
        constants = [torch.ones(1), torch.zeros(1)] if node is source else [module.weight, module.bias]
        one_each = all(t.numel() == 1 or t.shape[-3:] == (len(weight), 1, 1) == t.shape[-t.ndim :] for t in constants)
        if wide.stride != (1, 1) or wide.in_channels != len(weight) or not one_each:
            return None
        factor, shift = (t.detach().to("cpu", torch.float64).reshape(-1).expand(len(weight)) for t in constants)
        channel = torch.arange(len(weight))
        weight[channel, channel % weight.shape[1], *centred] = factor
        return weight, shift
    same = type(module) is nn.Conv2d and centres(module)
    if not same or (module.stride, module.groups) != (wide.stride, wide.groups):
        return None
    if any(size > widest for size, widest in zip(module.kernel_size, wide.kernel_size, strict=True)):
        return None
    rows, columns = (
        slice(centre - size // 2, centre + size // 2 + 1)
        for centre, size in zip(centred, module.kernel_size, strict=True)
    )
    weight[:, :, rows, columns] = module.weight.detach().to("cpu", torch.float64)
    bias = torch.zeros(len(weight)) if module.bias is None else module.bias.detach()
    return weight, bias.to("cpu", torch.float64)


def centres(conv: nn.Conv2d) -> bool:
    """Whether a convolution's kernels are centred at what its strides give, with zeros around the map."""
    half = tuple(size // 2 for size in conv.kernel_size)
    plain = conv.dilation == (1, 1) and conv.padding_mode == "zeros" and all(size % 2 for size in conv.kernel_size)
    return plain and conv.padding == half


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


def ancestors(node: Node) -> set[Node]:
    """Return a node and all that it is computed from."""
    found, rest = {node}, [node]
    while rest:
        more = {*rest.pop().all_input_nodes} - found
        found |= more
        rest += more
    return found


def find_gates(graph: Graph, modules: dict[str, nn.Module]) -> None:
    """Make each product whose gate is known a `Gate` of the signal and the gate, in this order.

    The gate is the factor that is broadcast, such as one number for each channel in squeeze-and-excitation. Of two
    factors of one size it is the one that a bounded function gives, such as a sigmoid, else the one that any activation
    gives, as in gated linear units. What the other factor is computed from is no gate, such as the maps before a
    convolution that weighs them. Two factors of one kind are a product without a gate.
    """

    def gating(factor: Node, of: Node) -> tuple[bool, bool, bool]:
        source, others = factor, [other for other in of.args if other is not factor]
        while role(source, modules) in ("shape", "scale", "average", "combination"):
            (source, *_) = source.all_input_nodes
        made_by = None if any(source in ancestors(other) for other in others) else modules.get(source.target)
        bounded = isinstance(made_by, (*BOUNDED, nn.Softmax))
        return prod(factor.meta["size"]) < prod(of.meta["size"]), bounded, isinstance(made_by, POINTWISE)

    for node in graph.nodes:
        if isinstance(modules.get(node.target), Product):
            signal, gate = sorted(node.args, key=lambda factor: gating(factor, node))
            if gating(signal, node) < gating(gate, node):
                node.args, modules[node.target] = (signal, gate), Gate()
