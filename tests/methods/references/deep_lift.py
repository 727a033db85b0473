"""DeepLIFT by an affine network that takes the values of both images in float64; a test compares it with captum."""

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, unfold
from torch.overrides import TorchFunctionMode

from tests.methods.entries import background
from tests.methods.references import Reference

ELEMENTWISE = {"square", "relu", "relu6", "hardtanh", "clamp", "gelu", "silu", "sigmoid", "hardsigmoid", "hardswish"}
OTHER = {"max_pool2d", "layer_norm", "group_norm", "softmax"}


def kind_of(function, args: tuple) -> str:
    """The name of what is not affine in the activations; "" for all else."""
    name = function.__name__.rstrip("_")
    if name == "mul" and all(isinstance(factor, Tensor) and not isinstance(factor, nn.Parameter) for factor in args):
        return "product"
    return "elementwise" if name in ELEMENTWISE else name if name in OTHER else ""


def chord(function, a: Tensor, b: Tensor, z: Tensor) -> Tensor:
    """The line through the values at a and b; where these are equal, the tangent."""
    middle = ((a + b) / 2).requires_grad_()
    (slope,) = torch.autograd.grad(function(middle).sum(), middle)
    even = (a - b).abs() < 1e-9
    slope = torch.where(even, slope, (function(a) - function(b)) / (a - b).masked_fill(even, 1))
    return function(b) + slope * (z - b)


def product(a: tuple, b: tuple, z: tuple) -> Tensor:
    """The mean of both orders: one factor steps from b to a while the other is at b, or is at a already."""
    (a1, a2), (b1, b2), (z1, z2) = a, b, z
    return b1 * b2 + (z1 - b1) * (a2 + b2) / 2 + (z2 - b2) * (a1 + b1) / 2


class Seen(TorchFunctionMode):
    """Keeps the inputs of every operation that is not affine, in their order."""

    def __init__(self):
        super().__init__()
        self.inputs = []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if kind_of(function, args):
            self.inputs.append(tuple(t.clone() for t in args if isinstance(t, Tensor) and t.ndim > 1))
        return function(*args, **(kwargs or {}))


class Affine(TorchFunctionMode):
    """Replaces what is not affine by affine functions with its values at x and at the reference."""

    def __init__(self, x: list[tuple], reference: list[tuple]):
        super().__init__()
        self.pairs = list(zip(x, reference, strict=True))

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kind, kwargs = kind_of(function, args), kwargs or {}
        if not kind:
            return function(*args, **kwargs)
        a, b = self.pairs.pop(0)
        if kind == "product":
            return product(a, b, args)
        (a, b), (z, *args) = (a[0], b[0]), args
        if kind == "elementwise":
            return chord(lambda t: function(t.clone(), *args, **kwargs), a, b, z)  # the function may work in place
        if kind == "max_pool2d":
            return self.pool(a, b, z, *args, **kwargs)
        return getattr(self, kind)(a, b, z, *args, **kwargs)

    @staticmethod
    def standardised(parts: list[Tensor], eps: float) -> Tensor:
        """The product of what is centred over the last dimension, which is affine, and of its inverse deviation."""
        a, b, z = (t - t.mean(-1, keepdim=True) for t in parts)
        variances = [t.mean(-1, keepdim=True) for t in (a * a, b * b, product((a, a), (b, b), (z, z)))]
        over_a, over_b = (1 / (v + eps).sqrt() for v in variances[:2])
        over_z = chord(lambda v: 1 / (v + eps).sqrt(), *variances)
        return product((a, over_a), (b, over_b), (z, over_z))

    def layer_norm(self, a: Tensor, b: Tensor, z: Tensor, shape, weight, bias, eps) -> Tensor:
        return self.standardised([a, b, z], eps) * weight + bias

    def group_norm(self, a: Tensor, b: Tensor, z: Tensor, groups, weight, bias, eps) -> Tensor:
        parts = [t.reshape(len(t), groups, -1) for t in (a, b, z)]
        return self.standardised(parts, eps).view_as(z) * weight[:, None, None] + bias[:, None, None]

    @staticmethod
    def softmax(a: Tensor, b: Tensor, z: Tensor, dim: int) -> Tensor:
        """The product of exponentials and of the inverse of their sum."""
        above, below, top = a.exp(), b.exp(), chord(torch.exp, a, b, z)
        sums = [t.sum(dim, keepdim=True) for t in (above, below, top)]
        return product((above, 1 / sums[0]), (below, 1 / sums[1]), (top, chord(torch.reciprocal, *sums)))

    @staticmethod
    def pool(a: Tensor, b: Tensor, z: Tensor, kernel_size, stride=None, padding=0, dilation=1, **_) -> Tensor:
        """All of a window's difference goes to one of its pixels, by a weight in front of each."""
        out = nn.functional.max_pool2d(z.detach(), kernel_size, stride, padding, dilation)
        assert dilation == 1
        (n, c), size = z.shape[:2], kernel_size if isinstance(kernel_size, int) else kernel_size[0]
        padding = padding if isinstance(padding, int) else padding[0]

        def windows(image: Tensor) -> Tensor:
            padded = pad(image, (padding,) * 4, value=-1e30)
            return unfold(padded, size, stride=stride or size).view(n, c, size * size, -1)

        a, b, z = (windows(image.clamp(min=-1e30)) for image in (a, b, z))
        top, low = a.amax(2, keepdim=True), b.amax(2, keepdim=True)
        in_a, in_b = (nn.functional.one_hot(w.argmax(2), size * size).movedim(-1, 2).to(z) for w in (a, b))
        even = (low - (in_a * b).sum(2, keepdim=True)).abs() < 1e-12 * b[b > -1e29].abs().max()
        weight = torch.where((top >= low) | even, in_a, in_b)
        step = (weight * (a - b)).sum(2, keepdim=True)
        weight = weight * torch.where(step == 0, 1, (top - low) / step)
        return (low + (weight * (z - b)).sum(2, keepdim=True)).view(n, c, *out.shape[2:])


def derived(model: nn.Module, x: Tensor, reference: Tensor, target: Tensor) -> Tensor:
    """Multiplier times difference (n, c, h, w): the multiplier is the affine network's gradient."""
    seen = Seen(), Seen()
    for mode, image in zip(seen, (x, reference), strict=True):
        with mode, torch.no_grad():
            model(image.clone())
    z = x.clone().requires_grad_()
    with Affine(*(mode.inputs for mode in seen)), torch.enable_grad():
        (multiplier,) = torch.autograd.grad(model(z.clone()).gather(1, target[:, None]).sum(), z)
    return (multiplier * (x - reference)).detach()


def deep_lift(method, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
    return derived(model, x, torch.full_like(x, method.baseline), target).sum(1)


def deep_lift_shap(method, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
    return torch.stack([derived(model, x, r.expand_as(x), target).sum(1) for r in background(x)]).mean(0)


REFERENCES = {
    "deep_lift": Reference("float64 derivation", deep_lift),
    "deep_lift_shap": Reference("float64 derivation", deep_lift_shap),
}
