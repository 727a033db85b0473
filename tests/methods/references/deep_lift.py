"""DeepLIFT by an affine network that takes the values of both images in float64; a test compares it with captum."""

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, unfold
from torch.overrides import TorchFunctionMode

from tests.methods.entries import background
from tests.methods.references import Reference


class Seen(TorchFunctionMode):
    """Keeps the input of every ReLU and max pool, in their order."""

    def __init__(self):
        super().__init__()
        self.inputs = []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function.__name__ in ("relu", "relu_", "max_pool2d"):
            self.inputs.append(args[0].clone())
        return function(*args, **(kwargs or {}))


class Affine(TorchFunctionMode):
    """Replaces ReLUs and max pools by affine functions with their values at x and at the reference."""

    def __init__(self, x: list[Tensor], reference: list[Tensor]):
        super().__init__()
        self.pairs = list(zip(x, reference, strict=True))

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function.__name__ in ("relu", "relu_"):
            a, b = self.pairs.pop(0)
            ratio = (a.clamp(min=0) - b.clamp(min=0)) / (a - b)
            return b.clamp(min=0) + torch.where(a == b, (a > 0).to(a), ratio) * (args[0] - b)
        if function.__name__ == "max_pool2d":
            return self.pool(*self.pairs.pop(0), *args, **kwargs)
        return function(*args, **kwargs)

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

        a, b, z = windows(a), windows(b), windows(z)
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
