"""The modules of a canonical network, and the roles by which rules are given to its nodes."""

import copy
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.fx import Node
from torch.nn.modules import padding


class Sum(nn.Module):
    """one + alpha * other: a residual connection, or a difference of two activations."""

    def __init__(self, alpha: float = 1):
        super().__init__()
        self.alpha = alpha

    def terms(self, one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        return one, other if self.alpha == 1 else self.alpha * other

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        one, other = self.terms(one, other)
        return one + other


class Concat(nn.Module):
    """Concatenation of several activations, along a dimension that is there or, by `torch.stack`, along a new one."""

    def __init__(self, dim: int, join: Callable[[Sequence[Tensor], int], Tensor] = torch.cat):
        super().__init__()
        self.dim, self.join = dim, join

    def forward(self, *parts: Tensor) -> Tensor:
        return self.join(parts, self.dim)


class Total(nn.Module):
    """Sum over some dimensions."""

    def __init__(self, dims: tuple[int, ...], keepdim: bool):
        super().__init__()
        self.dims, self.keepdim = dims, keepdim

    def forward(self, x: Tensor) -> Tensor:
        return x.sum(self.dims, self.keepdim)


class Product(nn.Module):
    """Product of two activations."""

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        return one * other


class Gate(Product):
    """Product of a signal and its gate, in this order."""


class Power(nn.Module):
    """x to a constant power."""

    def __init__(self, exponent: float):
        super().__init__()
        self.exponent = exponent

    def forward(self, x: Tensor) -> Tensor:
        return x**self.exponent


class Scale(nn.Module):
    """x * weight + bias with constants: a batch norm without a layer that it could be folded into."""

    def __init__(self, weight: Tensor, bias: Tensor):
        super().__init__()
        self.weight, self.bias = constant(weight), constant(bias)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight + self.bias


class Dense(nn.Linear):
    """A linear layer made of a convolution whose kernel covers the whole map (timm's VGG head)."""

    def __init__(self, conv: nn.Conv2d):
        nn.Module.__init__(self)
        self.in_features, self.out_features = conv.weight[0].numel(), conv.out_channels
        self.weight, self.bias = constant(conv.weight.flatten(1)), conv.bias

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.flatten(1))[:, :, None, None]


class Report(nn.Module):
    """Calls the original network's current forward hooks with its input and output."""

    original: Callable[[], nn.Module | None] = staticmethod(lambda: None)

    def forward(self, x: Tensor, logits: Tensor) -> Tensor:
        model = self.original()
        for key, hook in () if model is None else list(model._forward_hooks.items()):
            kwargs = ({},) if key in model._forward_hooks_with_kwargs else ()
            changed = hook(model, (x,), *kwargs, logits)
            logits = logits if changed is None else changed
        return logits


def constant(tensor: Tensor) -> nn.Parameter:
    """Return a frozen parameter on the same memory."""
    return nn.Parameter(tensor.detach(), requires_grad=False)


def twin(module: nn.Module) -> nn.Module:
    """Return a copy without hooks that does not work in place; its frozen parameters share the module's memory."""
    new = copy.copy(module)
    nn.Module.__init__(new)
    new._parameters.update({name: None if p is None else constant(p) for name, p in module._parameters.items()})
    new._buffers.update(module._buffers)
    if hasattr(new, "inplace"):
        new.inplace = False
    return new


PADDING = padding._ConstantPadNd, padding._ReflectionPadNd, padding._ReplicationPadNd, padding._CircularPadNd
RESHAPING = nn.Flatten, nn.Unflatten, nn.PixelShuffle, nn.PixelUnshuffle, nn.ChannelShuffle
RECTIFYING = nn.LeakyReLU, nn.PReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish, nn.Softplus, nn.Hardswish
BOUNDED = nn.Hardtanh, nn.Sigmoid, nn.Tanh, nn.Softsign, nn.Hardsigmoid  # ReLU6 is a Hardtanh
ROLES: dict[str, tuple[type, ...]] = {
    "convolution": (nn.modules.conv._ConvNd,),
    "linear": (nn.Linear,),
    "relu": (nn.ReLU,),
    "rectifier": (nn.ReLU6, *RECTIFYING),  # like a ReLU: leaky, clipped or smooth
    "activation": (*BOUNDED, Power),
    "sum": (Sum,),
    "combination": (Total, nn.Upsample),  # with weights that are no parameters
    "gate": (Gate,),
    "product": (Product,),
    "norm": (nn.LayerNorm, nn.GroupNorm),
    "softmax": (nn.Softmax,),
    "concat": (Concat,),
    "scale": (Scale,),
    "average": (nn.modules.pooling._AvgPoolNd, nn.modules.pooling._AdaptiveAvgPoolNd),
    "max": (nn.modules.pooling._MaxPoolNd, nn.modules.pooling._AdaptiveMaxPoolNd),
    "shape": RESHAPING + PADDING,
    "report": (Report,),
}
# Names of functions and of methods of tensors.
SHAPES = {"flatten", "view", "reshape", "squeeze", "unsqueeze", "permute", "transpose", "chunk", "split", "getitem"}
SHAPES |= {"narrow", "size", "getattr", "channel_shuffle", "pixel_shuffle", "expand", "expand_as", "unbind", "roll"}
SHAPES |= {"unflatten"}


def role(node: Node, modules: dict[str, nn.Module]) -> str:
    """Return a key of `ROLES`; a linear layer at every position of a map is a convolution."""
    if node.op == "call_module":
        if type(modules[node.target]) is nn.Linear and len(node.meta["size"]) > 1:
            return "convolution"
        return next((name for name, kinds in ROLES.items() if isinstance(modules[node.target], kinds)), "")
    if node.op in ("call_function", "call_method"):
        return "shape" if getattr(node.target, "__name__", node.target) in SHAPES else ""
    return node.op
