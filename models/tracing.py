"""Tracing of a network with real values, so that control flow that depends on shapes needs no special case."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Node, Proxy, Tracer
from torch.fx.node import map_arg
from torch.fx.proxy import TraceError


class Root(nn.Module):
    """Holds the network, so that the tracer stores its constants here and any signature of `forward` is allowed."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class Concrete(Proxy):
    """A proxy that knows its value: all sizes but the batch's are plain integers."""

    @property
    def value(self) -> Any:
        return self.tracer.values[self.node]

    def __getattr__(self, name: str) -> Any:
        if callable(getattr(self.value, name)):
            return super().__getattr__(name)
        return self.tracer.create_proxy("call_function", getattr, (self, name), {})

    def __getitem__(self, index: Any) -> Any:
        if isinstance(self.value, torch.Size) and not spans_batch(index, len(self.value)):
            return self.value[index]
        return super().__getitem__(index)

    def __len__(self) -> int:
        return len(self.value)

    def __index__(self) -> int:
        return self.tracer.shape_only(self, "an index").__index__()

    __int__ = __index__


def spans_batch(index: Any, length: int) -> bool:
    """Whether an index into a shape reads dimension 0."""
    picked = range(length)[index]
    return 0 in picked if isinstance(index, slice) else picked == 0


class ConcreteTracer(Tracer):
    """Records every operation and computes it at once; `values` has the result of each node.

    Forward hooks inside the network are not called. Parameters are constants, so what is computed from
    them alone (weight standardisation, weight norm) is one constant of the graph.
    """

    def __init__(self, x: Tensor):
        super().__init__()
        self.x, self.values = x, {}

    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        return super().is_leaf_module(module, name) and not any(module.children())

    def call_module(self, module, forward, args, kwargs):
        if any(isinstance(a, Proxy) for a in (*args, *kwargs.values())) or not self.is_leaf_module(module, ""):
            return super().call_module(module, module.forward, args, kwargs)
        return module.forward(*args, **kwargs)

    def getattr(self, name, value, cache):
        return value

    def proxy(self, node: Node) -> Concrete:
        return Concrete(node, self)

    def create_proxy(self, kind, target, args, kwargs, *rest, **options):
        if kind == "call_method" and target == "size" and len(args) + len(kwargs) == 2:
            dim = kwargs.get("dim", args[-1])
            if dim % self.values[args[0].node].ndim:
                return self.values[args[0].node].shape[dim]
        if kind == "call_method" and target in ("item", "tolist", "numpy"):
            raise TraceError(f"{target!r} reads values of the image")
        return super().create_proxy(kind, target, args, kwargs, *rest, **options)

    def create_node(self, kind, target, args, kwargs, name=None, type_expr=None):
        node = super().create_node(kind, target, args, kwargs, name, type_expr)
        args, kwargs = map_arg((args, kwargs), self.values.__getitem__)
        match kind:
            case "placeholder":
                value = self.x
            case "get_attr":
                path, _, attribute = target.rpartition(".")
                value = getattr(self.root.get_submodule(path), attribute)
            case "call_module":
                value = self.root.get_submodule(target).forward(*args, **kwargs)
            case "call_method":
                value = getattr(args[0], target)(*args[1:], **kwargs)
            case "call_function":
                value = target(*args, **kwargs)
            case "output":
                value = args[0]
        self.values[node] = value
        return node

    def shape_only(self, proxy: Proxy, purpose: str) -> Any:
        value = self.values[proxy.node]
        if isinstance(value, Tensor):
            raise TraceError(f"{operation(self.root, proxy.node)!r} is used as {purpose}")
        return value

    def to_bool(self, proxy: Proxy) -> bool:
        return bool(self.shape_only(proxy, "a condition"))

    def iter(self, proxy: Proxy):
        return iter([proxy[i] for i in range(len(proxy))])


def operation(root: nn.Module, node: Node) -> str:
    """Return the name of a node's operation, such as `Conv2d`, `add` or `flatten`."""
    if node.op == "call_module":
        return type(root.get_submodule(node.target)).__name__
    return node.target if isinstance(node.target, str) else node.target.__name__
