"""LRP, deep Taylor and excitation backprop, node by node in float64, without zennit and without autograd.

The canonical graph says which operations there are (its own tests say that it is the network). Everything else is
written again: each layer's contributions are split by sign, denominators and shares are explicit, and relevance goes
through the transposed operator.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.fx import Interpreter, Node
from torch.nn import functional as F
from torch.nn.grad import conv2d_input

from models.canonical import canonical
from tests.methods.references import Reference

BOX = (-3.0, 3.0)  # what tests.methods.entries.explain offers
Rule = Callable[[object, "Linear", Tensor, Tensor], Tensor]  # (method, layer, a, relevance of z) -> relevance of a


class Linear:
    """A layer with weights as an operator and its transpose; both take the weights as an argument."""

    def __init__(self, module: nn.Module, a: Tensor):
        self.module, self.shape, self.w = module, a.shape, module.weight
        self.b = torch.zeros(len(self.w), dtype=a.dtype) if module.bias is None else module.bias
        self.spatial = isinstance(module, nn.Conv2d)
        assert self.spatial or isinstance(module, nn.Linear)
        self.whole = a.ndim == 4 and a.shape[-1] != self.w.shape[1]  # it reads the whole map, not every position
        if self.spatial:
            assert module.padding_mode == "zeros" and not isinstance(module.padding, str)
            self.options = (module.stride, module.padding, module.dilation, module.groups)

    def forward(self, a: Tensor, w: Tensor, b: Tensor | float = 0.0) -> Tensor:
        if self.spatial:
            return F.conv2d(a, w, None, *self.options) + (b if isinstance(b, float) else b[:, None, None])
        return self.like(a.flatten(1) @ w.t() + b) if self.whole else a @ w.t() + b

    def backward(self, s: Tensor, w: Tensor) -> Tensor:
        if self.spatial:
            return conv2d_input(self.shape, w, s, *self.options)
        return ((s.flatten(1) if self.whole else s) @ w).reshape(self.shape)

    @staticmethod
    def like(z: Tensor) -> Tensor:
        return z[:, :, None, None]


def away(z: Tensor, by: float | Tensor) -> Tensor:
    return torch.where(z < 0, z - by, z + by)


def sharing(layer: Linear, parts: list[tuple[Tensor, Tensor]], ratio: Tensor) -> Tensor:
    """Sum of a * W^T ratio over (a, W)."""
    return sum(a * layer.backward(ratio, w) for a, w in parts)


def signs(layer: Linear, a: Tensor) -> tuple[list, list]:
    """The pairs (activation, weight) whose products are positive, and those whose products are negative."""
    (up, down), (more, less) = (a.clamp(min=0), a.clamp(max=0)), (layer.w.clamp(min=0), layer.w.clamp(max=0))
    return [(up, more), (down, less)], [(up, less), (down, more)]


def biased(method: object, layer: Linear) -> Tensor:
    return layer.b if getattr(method, "bias", False) else torch.zeros_like(layer.b)


def total(layer: Linear, parts: list[tuple[Tensor, Tensor]], b: Tensor) -> Tensor:
    first, *rest = parts
    return layer.forward(*first, b) + sum(layer.forward(*part) for part in rest)


def epsilon(method: object, layer: Linear, a: Tensor, r: Tensor) -> Tensor:
    z = layer.forward(a, layer.w, biased(method, layer))
    return sharing(layer, [(a, layer.w)], r / away(z, method.epsilon))


def relative_epsilon(method: object, layer: Linear, a: Tensor, r: Tensor) -> Tensor:
    z = layer.forward(a, layer.w, biased(method, layer))
    rms = (z.flatten(1) ** 2).mean(1).sqrt().reshape(-1, *(1,) * (z.ndim - 1))
    return sharing(layer, [(a, layer.w)], r / away(z, method.epsilon * rms + method.stabilizer))


def plus(method: object, layer: Linear, a: Tensor, r: Tensor) -> Tensor:
    parts, _ = signs(layer, a)
    z = total(layer, parts, biased(method, layer).clamp(min=0))
    return sharing(layer, parts, r / away(z, method.stabilizer))


def alpha_beta(method: object, layer: Linear, a: Tensor, r: Tensor) -> Tensor:
    (ups, downs), b = signs(layer, a), biased(method, layer)
    positive = sharing(layer, ups, r / away(total(layer, ups, b.clamp(min=0)), method.stabilizer))
    negative = sharing(layer, downs, r / away(total(layer, downs, b.clamp(max=0)), method.stabilizer))
    return method.alpha * positive - method.beta * negative


def gamma(method: object, layer: Linear, a: Tensor, r: Tensor) -> Tensor:
    """(z_jk + gamma z_jk^s) / (z_k + gamma z_k^s), s the sign of z_k and z^s what has this sign."""
    (ups, downs), b = signs(layer, a), biased(method, layer)
    z, everything, result = layer.forward(a, layer.w, b), [(a, layer.w)], 0.0
    for favoured, part, own in ((z > 0, ups, b.clamp(min=0)), (z < 0, downs, b.clamp(max=0))):
        ratio = favoured * r / away(z + method.gamma * total(layer, part, own), method.stabilizer)
        result = result + sharing(layer, everything, ratio) + method.gamma * sharing(layer, part, ratio)
    return result


def box(method: object, layer: Linear, a: Tensor, r: Tensor) -> Tensor:
    """z^B; the networks here read pixels without a scale before the first layer, but some pad them with zeros."""
    low, high = (layer.inside * end for end in BOX)
    terms = [(a, layer.w), (-low, layer.w.clamp(min=0)), (-high, layer.w.clamp(max=0))]
    return sharing(layer, terms, r / away(total(layer, terms, torch.zeros_like(layer.b)), method.stabilizer))


def pixels(source: Node, modules: dict[str, nn.Module], x: Tensor) -> Tensor | None:
    """One for each pixel that a layer reads and zero for its padding; None for a layer that reads no pixels."""
    if source.op == "placeholder":
        return torch.ones_like(x)
    pad = modules.get(source.target)
    padded = isinstance(pad, nn.ConstantPad2d) and source.args[0].op == "placeholder"
    return F.pad(torch.ones_like(x), pad.padding) if padded else None


def stretched(module: nn.Upsample, size: int) -> Tensor:
    """The matrix (out, in) of bilinear upsampling along one axis: a hat of the width of a pixel around each of them."""
    assert module.mode == "bilinear" and not module.align_corners
    length = int(size * module.scale_factor)
    centre = ((torch.arange(length, dtype=torch.float64) + 0.5) / module.scale_factor - 0.5).clamp(0, size - 1)
    return (1 - (centre[:, None] - torch.arange(size)).abs()).clamp(min=0)


def windows(module: nn.Module, axis: int, size: int) -> Tensor:
    """The matrix (out, in) of an average pool along one axis of the image."""
    if isinstance(module, nn.Upsample):
        return stretched(module, size)
    pick = lambda value: value if isinstance(value, int) else value[axis]  # noqa: E731
    if isinstance(module, nn.AdaptiveAvgPool2d):
        n = pick(module.output_size)
        spans = [(i * size // n, -(-(i + 1) * size // n)) for i in range(n)]
        counts = [stop - start for start, stop in spans]
    else:
        assert module.count_include_pad and not module.ceil_mode and module.divisor_override is None
        kernel, stride, pad = map(pick, (module.kernel_size, module.stride, module.padding))
        spans = [(i * stride - pad, i * stride - pad + kernel) for i in range((size + 2 * pad - kernel) // stride + 1)]
        counts = [kernel] * len(spans)
    places = torch.arange(size, dtype=torch.float64)
    return torch.stack(
        [((places >= start) & (places < stop)) / count for (start, stop), count in zip(spans, counts, strict=True)]
    ).double()


def winners(module: nn.MaxPool2d, a: Tensor, r: Tensor) -> Tensor:
    options = (module.kernel_size, module.stride, module.padding, module.dilation, module.ceil_mode)
    _, where = F.max_pool2d(a, *options, return_indices=True)
    return torch.zeros_like(a).flatten(2).scatter_add(2, where.flatten(2), r.flatten(2)).reshape(a.shape)


def walked(
    method: object,
    model: nn.Module,
    x: Tensor,
    target: Tensor,
    *,
    conv: Rule,
    linear: Rule,
    first: Rule | None = None,
    positive: bool = False,
    one: bool = False,
    pool: Callable = winners,
    each: Callable = lambda node, a, r: r,
    begin: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Walk the graph back from the target's logit (or from one); `positive` shares sums and pools by positive terms.

    `each(node, a, r)` says what a ReLU passes on of the relevance r that its output a got. `begin(a)` is what
    the maps a (n, c, h, w) before the head start with, whatever reaches them.
    """
    graph = canonical(model, x)
    run, modules = Interpreter(graph, garbage_collect_values=False), dict(graph.named_modules())
    with torch.no_grad():
        logits = run.run(x)
        chosen = F.one_hot(target, logits.shape[1]).to(x)
        held = dict.fromkeys(graph.graph.nodes, 0.0)
        part = (lambda t: t.clamp(min=0)) if positive else (lambda t: t)
        for node in reversed(graph.graph.nodes):
            r, kind = held[node], node.meta["role"]
            if kind == "placeholder":
                return r.sum(1)
            if kind == "output":
                held[node.args[0]] = chosen if one else chosen * logits
                continue
            if kind == "report":
                held[node.args[1]] = r
                continue
            if isinstance(r, float):  # only gates read it
                continue
            sources = [n for n in node.args if isinstance(n, Node)]
            terms = [run.env[n] for n in sources]
            a, module = terms[0], modules.get(node.target)
            if begin and a.ndim == 4 and node.args[0].meta["role"] != "average":
                shares, begin = [begin(a)], None
            elif kind == "concat":
                stacked = r.ndim > a.ndim
                shares = r.unbind(module.dim) if stacked else r.split([t.shape[module.dim] for t in terms], module.dim)
            elif kind == "gate":
                shares = [r, 0.0]
            elif node.target == "permute":
                shares = [r.permute(*torch.tensor(node.args[1:]).argsort())]
            elif hasattr(module, "dims"):
                z = part(a).sum(module.dims, keepdim=True)
                shares = [part(a) * (r.reshape(z.shape) / away(z, method.stabilizer))]
            elif kind == "sum":
                terms[1] = module.alpha * terms[1]
                if module.alpha < 0 and not positive:  # only terms of the difference's own sign
                    up = sum(terms) > 0
                    terms = [torch.where(up, t.clamp(min=0), t.clamp(max=0)) for t in terms]
                ratio = r / away(sum(map(part, terms)), method.stabilizer)
                shares = [part(t) * ratio for t in terms]
            elif kind in ("convolution", "linear"):
                rule, layer = conv if kind == "convolution" else linear, Linear(module, a)
                if first is not None and (inside := pixels(node.args[0], modules, x)) is not None:
                    rule, layer.inside = first, inside
                shares = [rule(method, layer, a, r)]
            elif kind in ("average", "combination"):
                rows, columns = (windows(module, axis, a.shape[2 + axis]) for axis in (0, 1))
                z = rows @ part(a) @ columns.t()
                shares = [part(a) * (rows.t() @ (r / away(z, method.stabilizer)) @ columns)]
            elif kind == "max":
                shares = [pool(module, a, r)]
            elif isinstance(module, nn.modules.padding._ConstantPadNd):
                shares = [F.pad(r, [-width for width in module.padding])]
            else:
                assert kind in ("relu", "rectifier", "activation", "scale", "norm", "shape"), kind
                r = each(node, run.env[node], r) if kind == "relu" else r
                shares = [r.reshape(a.shape)]
            for source, share in zip(sources, shares, strict=True):
                held[source] = held[source] + share
    raise AssertionError("no placeholder")


def by(**rules) -> Callable[[object, nn.Module, Tensor, Tensor], Tensor]:
    return lambda method, model, x, target: walked(method, model, x, target, **rules)


SOURCE = "float64 derivation"
REFERENCES = {
    "lrp_epsilon": Reference(SOURCE, by(conv=relative_epsilon, linear=relative_epsilon)),
    "lrp_gamma": Reference(SOURCE, by(conv=gamma, linear=gamma)),
    "lrp_alpha2_beta1": Reference(SOURCE, by(conv=alpha_beta, linear=epsilon)),
    "lrp_epsilon_plus": Reference(SOURCE, by(conv=plus, linear=epsilon)),
    "lrp_epsilon_gamma_box": Reference(SOURCE, by(conv=gamma, linear=epsilon, first=box)),
    "deep_taylor": Reference(SOURCE, by(conv=plus, linear=plus, first=box, positive=True)),
    "excitation_backprop": Reference(SOURCE, by(conv=plus, linear=plus, positive=True, one=True)),
}
