"""Which module of the canonical form replaces which operation of a traced network."""

from collections.abc import Callable
from functools import partial
from math import inf, prod

import torch
from torch import Tensor, nn
from torch.fx import Node

from models.modules import Concat, Power, Product, Scale, Sum, Total, constant

PADS = {"constant": "ConstantPad", "reflect": "ReflectionPad", "replicate": "ReplicationPad", "circular": "CircularPad"}
LAYERS = {2: nn.Linear, 3: nn.Conv1d, 4: nn.Conv2d, 5: nn.Conv3d}  # by the dimensions of the weight

# A rewrite takes `value`, which gives the value of a node, and the arguments of an operation that gives a tensor, with
# nodes for tensors. It returns the modules that replace the operation, in their order, and the inputs of the first, or
# None, which keeps the operation.
Rewrite = Callable[..., tuple[tuple[nn.Module, ...], tuple] | None]


def is_constant(argument: object) -> bool:
    return isinstance(argument, int | float | Tensor) or (isinstance(argument, Node) and argument.op == "get_attr")


def exact(value: Callable, argument: object) -> Tensor:
    """Return a constant in float64, on the CPU since not every accelerator has float64."""
    return torch.as_tensor(value(argument)).detach().to("cpu", torch.float64)


def add(value, input, other, *, alpha=1):
    if is_constant(input):
        input, other = other, input
    if is_constant(other):
        shift = alpha * exact(value, other)
        return ((Scale(torch.ones_like(shift), shift),) if shift.any() else ()), (input,)
    tensors = all(isinstance(value(term), Tensor) for term in (input, other))
    return ((Sum(alpha),), (input, other)) if tensors else None


def sub(value, input, other, *, alpha=1):
    if not is_constant(input):
        return add(value, input, other, alpha=-alpha)
    shift = exact(value, input)
    return (Scale(torch.full_like(shift, -alpha), shift),), (other,)


def mul(value, input, other):
    if is_constant(input):
        input, other = other, input
    if not is_constant(other):
        if not all(isinstance(value(factor), Tensor) for factor in (input, other)):
            return None
        return ((Power(2),), (input,)) if input is other else ((Product(),), (input, other))
    factor = exact(value, other)
    return (Scale(factor, torch.zeros_like(factor)),), (input,)


def addcmul(value, input, one, other):
    """A shift and a scale, as in the response normalisation of ConvNeXt V2, if only one factor is an activation."""
    if is_constant(other):
        one, other = other, one
    if not (is_constant(input) and is_constant(one)) or is_constant(other):
        return None
    return (Scale(exact(value, one), exact(value, input)),), (other,)


def truediv(value, input, other, *, rounding_mode=None):
    return mul(value, input, 1 / exact(value, other)) if is_constant(other) and rounding_mode is None else None


def batch_norm(value, input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    if training or running_mean is None:
        raise ValueError("'batch_norm' uses statistics of the batch")
    scale = (exact(value, running_var) + eps).rsqrt() * (1 if weight is None else exact(value, weight))
    shift = (0 if bias is None else exact(value, bias)) - exact(value, running_mean) * scale
    shape = (-1,) + (1,) * (value(input).ndim - 2)
    return (Scale(scale.reshape(shape), shift.reshape(shape)),), (input,)


def layer(value, input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    if not (is_constant(weight) and is_constant(0 if bias is None else bias)):
        return None
    weight = value(weight)
    geometry = (weight.shape[2:], stride, padding, dilation, groups) if weight.ndim > 2 else ()
    module = LAYERS[weight.ndim](weight.shape[1] * groups, weight.shape[0], *geometry, device="meta")
    module.weight, module.bias = constant(weight), None if bias is None else constant(value(bias))
    return (module,), (input,)


def layer_norm(value, input, normalized_shape, weight=None, bias=None, eps=1e-5):
    return (nn.LayerNorm(normalized_shape, eps, False), *affine(value, weight, bias, ())), (input,)


def group_norm(value, input, num_groups, weight=None, bias=None, eps=1e-5):
    shape = (-1,) + (1,) * (value(input).ndim - 2)
    norm = nn.GroupNorm(num_groups, value(input).shape[1], eps, False)
    return (norm, *affine(value, weight, bias, shape)), (input,)


def affine(value, weight, bias, shape):
    """Return what scales and shifts a norm, if anything does."""
    if weight is None and bias is None:
        return ()
    weight = torch.ones_like(exact(value, bias)) if weight is None else exact(value, weight)
    bias = torch.zeros_like(weight) if bias is None else exact(value, bias)
    return (Scale(*(constants.reshape(shape) if shape else constants for constants in (weight, bias))),)


def concat(value, tensors, dim=0):
    return (Concat(dim),), tuple(tensors)


def stack(value, tensors, dim=0):
    return (Concat(dim, torch.stack),), tuple(tensors)


def total(value, input, dim=None, keepdim=False, *, dtype=None):
    dims = tuple(d % value(input).ndim for d in ((dim,) if isinstance(dim, int) else dim or ()))
    return ((Total(dims, keepdim),), (input,)) if dtype is None and dims and 0 not in dims else None


def mean(value, input, dim=None, keepdim=False, *, dtype=None):
    """A mean over the whole map is an average pool."""
    x, found = value(input), total(value, input, dim, keepdim, dtype=dtype)
    if found is None:
        return None
    ((module,), inputs), dims = found, found[0][0].dims
    if x.ndim == 4 and set(dims) == {2, 3}:
        return (nn.AvgPool2d(tuple(x.shape[2:])), *(() if keepdim else (nn.Flatten(1),))), inputs
    scale = torch.tensor(1 / prod(x.shape[d] for d in dims), dtype=torch.float64)
    return (module, Scale(scale, torch.zeros_like(scale))), inputs


def power(value, input, exponent):
    return ((Power(exponent),), (input,)) if isinstance(exponent, int | float) else None


def softmax(value, input, dim, _stacklevel=3, dtype=None):
    return ((nn.Softmax(dim),), (input,)) if dtype is None else None


def interpolate(value, input, *args, antialias=False, **options):
    return None if antialias else ((nn.Upsample(*args, **options),), (input,))


def adaptive(explicit: type, implicit: type, value, input, output_size):
    """An adaptive pool whose windows are all alike is a plain pool."""
    sizes = tuple(value(input).shape[-2:])
    goal = (output_size,) * 2 if isinstance(output_size, int | None) else tuple(output_size)
    goal = tuple(wanted or size for size, wanted in zip(sizes, goal, strict=True))
    if any(size % wanted for size, wanted in zip(sizes, goal, strict=True)):
        return (implicit(goal),), (input,)
    window = tuple(size // wanted for size, wanted in zip(sizes, goal, strict=True))
    return ((explicit(window),) if goal != sizes else ()), (input,)


def max_pool2d(value, input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    return (nn.MaxPool2d(kernel_size, stride, padding, dilation, False, ceil_mode),), (input,)


def becomes(kind: type) -> Rewrite:
    """The function and the module take the same further arguments in the same order."""
    return lambda value, input, *args, **options: ((kind(*args, **options),), (input,))


def clamp(value, input, min=None, max=None):
    if isinstance(min, Tensor | Node) or isinstance(max, Tensor | Node):
        return None
    low, high = -inf if min is None else min, inf if max is None else max
    module = nn.ReLU() if (low, high) == (0, inf) else nn.ReLU6() if (low, high) == (0, 6) else nn.Hardtanh(low, high)
    return (module,), (input,)


def pad(_, input, pad, mode="constant", *fill, **named):
    fill = [number or 0 for number in (*fill, *named.values())] or [0]
    kind = getattr(nn, f"{PADS[mode]}{len(pad) // 2}d")
    return (kind(tuple(pad), *(fill if mode == "constant" else ())),), (input,)


def dropout(value, input, p=0.5, training=True, inplace=False):
    if training and p:
        raise ValueError("'dropout' is random")
    return (), (input,)


def identity(value, input, *args, **options):
    return (), (input,)


pool_average = partial(adaptive, nn.AvgPool2d, nn.AdaptiveAvgPool2d)
pool_max = partial(adaptive, nn.MaxPool2d, nn.AdaptiveMaxPool2d)

# Activations whose function has the name of its module, in lower case.
POINTWISE = nn.ReLU, nn.ReLU6, nn.ELU, nn.GELU, nn.SiLU, nn.Sigmoid, nn.Tanh, nn.Softplus, nn.Hardswish, nn.Hardsigmoid

OWN = addcmul, batch_norm, layer_norm, group_norm, stack, mean, max_pool2d, pad, softmax, interpolate
FUNCTIONS: dict[str, Rewrite] = {
    **dict.fromkeys(("add", "iadd"), add),
    "sub": sub,
    **dict.fromkeys(("mul", "multiply"), mul),
    **dict.fromkeys(("truediv", "div"), truediv),
    **dict.fromkeys(("conv1d", "conv2d", "linear"), layer),
    **dict.fromkeys(("cat", "concat", "concatenate"), concat),
    **dict.fromkeys(("dropout", "dropout2d"), dropout),
    **dict.fromkeys(("clamp", "clip", "clamp_min"), clamp),
    **{rewrite.__name__: rewrite for rewrite in OWN},
    "avg_pool2d": becomes(nn.AvgPool2d),
    "adaptive_avg_pool2d": pool_average,
    "adaptive_max_pool2d": pool_max,
    "leaky_relu": becomes(nn.LeakyReLU),
    "hardtanh": becomes(nn.Hardtanh),
    "sum": total,
    "pow": power,
    "square": lambda value, input: power(value, input, 2),
    "sqrt": lambda value, input: power(value, input, 0.5),
    "rsqrt": lambda value, input: power(value, input, -0.5),
    **dict.fromkeys(("contiguous", "clone"), identity),
}
FUNCTIONS |= {kind.__name__.lower(): becomes(kind) for kind in POINTWISE}

MODULES: dict[type, Rewrite] = {
    nn.modules.batchnorm._BatchNorm: lambda value, input, m: batch_norm(
        value, input, m.running_mean, m.running_var, m.weight, m.bias, m.training, m.momentum, m.eps
    ),
    nn.LayerNorm: lambda value, input, m: layer_norm(value, input, m.normalized_shape, m.weight, m.bias, m.eps),
    nn.GroupNorm: lambda value, input, m: group_norm(value, input, m.num_groups, m.weight, m.bias, m.eps),
    nn.modules.dropout._DropoutNd: lambda value, input, m: dropout(value, input, m.p, m.training),
    nn.AdaptiveAvgPool2d: lambda value, input, m: pool_average(value, input, m.output_size),
    nn.AdaptiveMaxPool2d: lambda value, input, m: pool_max(value, input, m.output_size),
    nn.Identity: identity,
}
