"""The canonical form of a network, for methods with rules: one module for each operation that has a rule."""

import weakref
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Graph, GraphModule, Interpreter, Node
from torch.fx.node import map_arg

from entries import rounded_to
from models.folding import densify, find_gates, fold, merge_parallel
from models.modules import Report, Scale, role, twin
from models.operations import FUNCTIONS, MODULES
from models.tracing import ConcreteTracer, operation

KNOWN: weakref.WeakKeyDictionary[nn.Module, tuple[Hashable, GraphModule]] = weakref.WeakKeyDictionary()


def canonical(model: nn.Module, x: Tensor) -> GraphModule:
    """Return `model` as a graph whose ReLUs, sums, concatenations and pools are modules, each used once.

    Batch norms are folded into the layer before them, or become a `Scale` where there is none. Nothing works in place.
    Parallel convolutions of one map whose sum is read are one convolution, as after re-parameterisation. Adaptive pools
    with equal windows become plain pools, and a convolution of the head over the whole map a `Dense`. `meta["role"]` of
    a node names the rule that it needs (a key of `models.modules.ROLES`; "" where none is known), and `meta["size"]` is
    the size of one image's activation. Weights that are not folded share the model's memory and are frozen. The model
    is not changed, and its own forward hooks are called with the logits. It takes any batch of x's size.

    The graph is kept until parameters, buffers, modules or the image size change; a write through `.data` is not
    noticed. A network without such a form raises ValueError with the name of the operation.
    """
    if rounded_to(model):
        raise ValueError("A canonical form needs precision=float32; the network computes in bfloat16")
    state = fingerprint(model, x)
    if model not in KNOWN or KNOWN[model][0] != state:
        KNOWN[model] = state, build(model, x)
    return KNOWN[model][1]


def fingerprint(model: nn.Module, x: Tensor) -> Hashable:
    parts: list[Any] = [x.shape[1:], x.dtype, x.device]
    for module in model.modules():
        parts += id(module), module.training
        for tensor in (*module._parameters.values(), *module._buffers.values()):
            if tensor is not None:
                parts += tensor.data_ptr(), 0 if tensor.is_inference() else tensor._version
    return tuple(parts)


@torch.no_grad()
def build(model: nn.Module, x: Tensor) -> GraphModule:
    name, image = type(model).__name__, x[:1].detach()
    tracer = ConcreteTracer(image.clone())
    try:
        # The tracer stores its constants in the root, and any signature of the network's `forward` is allowed.
        traced = tracer.trace(nn.Sequential(OrderedDict(model=model)))
        logits = tracer.values[next(reversed(traced.nodes))]
        if not isinstance(logits, Tensor) or logits.ndim != 2:
            raise ValueError(f"{type(logits).__name__!r} takes the place of logits (n, k)")
        graph, modules = rewrite(traced, tracer)
    except Exception as error:
        model.forward(image.clone())  # raises what the network itself raises
        last = operation(tracer.root, next(reversed(tracer.graph.nodes)))
        reason = error if isinstance(error, ValueError) else f"what follows {last!r} cannot be traced"
        raise ValueError(f"A canonical form needs one fixed graph of operations; in {name} {reason}") from error
    fold(graph, modules)
    while merge_parallel(graph, modules):
        fold(graph, modules)
    densify(graph, modules)
    find_gates(graph, modules)
    report = modules["original_forward_hooks"] = Report()
    start, end = next(iter(graph.nodes)), next(reversed(graph.nodes))
    with graph.inserting_before(end):
        end.args = (graph.call_module("original_forward_hooks", (start, end.args[0])),)
    for node in graph.nodes:
        node.meta["role"] = role(node, modules)
    for module in modules.values():
        if isinstance(module, Scale):
            module.to(x.device, x.dtype)
    result = GraphModule(modules, graph, f"Canonical{name}").eval()
    verify(result, name, image, logits)
    report.original = weakref.ref(model)  # the cache must not keep the network alive
    return result


def verify(graph: GraphModule, name: str, image: Tensor, logits: Tensor) -> None:
    """Check that a batch of two gives twice the logits that the network gave while it was traced."""
    run = Interpreter(graph, garbage_collect_values=False)
    try:
        pair = run.run(image.expand(2, *image.shape[1:]))
    except Exception as error:
        stuck = operation(graph, next(node for node in graph.graph.nodes if node not in run.env))
        raise ValueError(f"A canonical form needs to take every batch size; {stuck!r} of {name} does not") from error
    if pair.shape != (2, logits.shape[1]) or not (pair - logits).abs().max() <= 1e-4 * logits.abs().max() + 1e-7:
        raise ValueError(f"A canonical form needs the same logits in every batch; that of {name} has other ones")


def rewrite(traced: Graph, tracer: ConcreteTracer) -> tuple[Graph, dict[str, nn.Module | Tensor]]:
    """Copy the graph, with a module of its own for each operation that has one."""
    graph, modules, made = Graph(), {}, {}

    def value(argument: Any) -> Any:
        return tracer.values[argument] if isinstance(argument, Node) else argument

    def key(node: Node) -> Hashable:  # nodes that change a tensor in place share a key: readers get the last of them
        return id(value(node)) if isinstance(value(node), Tensor) else node

    for node in traced.nodes:
        name, args, found = operation(tracer.root, node), (*node.args, *node.kwargs.values()), None
        tensor = isinstance(value(node), Tensor)
        if name == "_assert":
            continue
        if node.op == "call_module":
            module = tracer.root.get_submodule(node.target)
            rule = next((rule for kind, rule in MODULES.items() if isinstance(module, kind)), None)
            found = rule(value, *args, module) if rule and tensor else ((twin(module),), args)
        elif tensor and node.op in ("call_function", "call_method") and name.rstrip("_") in FUNCTIONS:
            options = {"dim" if word == "axis" else word: option for word, option in node.kwargs.items()}
            found = FUNCTIONS[name.rstrip("_")](value, *node.args, **options)
        if found is not None:
            chain, new = found[0], map_arg(found[1], lambda n: made[key(n)])
            for module in chain:
                target = node.name.removeprefix("model_")
                while target in modules:
                    target += "_"
                modules[target] = module
                new = (graph.call_module(target, new),)
                if module is not chain[-1]:
                    new[0].meta["size"] = tuple(module(*map(value, found[1])).shape[1:])
            (new,) = new
        elif node.op == "get_attr":
            new = graph.get_attr(node.name)
            modules[node.name] = value(node).detach()
        else:
            new = graph.node_copy(node, lambda n: made[key(n)])
            if node.op == "call_method" and hasattr(Tensor, name.rstrip("_")):
                # A method that does not work in place; a view needs a memory layout that other operations may change.
                new.target = {"view": "reshape"}.get(name, name.rstrip("_"))
        if tensor:
            new.meta["size"] = tuple(value(node).shape[1:])
        made[key(node)] = new
    for node in reversed(graph.nodes):
        if not node.users and node.op not in ("placeholder", "output"):
            graph.erase_node(node)
    return graph, modules
