"""Tracing of a network with real values, so that control flow that depends on shapes needs no special case."""

from operator import attrgetter
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Node, Proxy, Tracer
from torch.fx.node import map_arg
from torch.fx.proxy import TraceError


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
        if isinstance(self.value, torch.Size):
            read = range(len(self.value))[index]
            if 0 not in (read if isinstance(index, slice) else [read]):  # dimension 0 is the batch
                return self.value[index]
        return super().__getitem__(index)

    def size(self, dim: int | None = None) -> Any:
        return self.shape if dim is None else self.shape[dim]

    def __len__(self) -> int:
        return len(self.value)

    def __index__(self) -> int:
        return self.tracer.shape_only(self, "an index").__index__()

    __int__ = __index__


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
        return super().call_module(module, module.forward, args, kwargs)

    def getattr(self, name, value, cache):
        return value

    def proxy(self, node: Node) -> Concrete:
        return Concrete(node, self)

    def create_node(self, kind, target, args, kwargs, name=None, type_expr=None):
        node = super().create_node(kind, target, args, kwargs, name, type_expr)
        args, kwargs = map_arg((args, kwargs), self.values.__getitem__)
        match kind:
            case "placeholder":
                value = self.x
            case "get_attr":
                value = attrgetter(target)(self.root)
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
