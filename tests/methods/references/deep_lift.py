"""DeepLIFT by captum where it is sound, and by an affine network that takes the values of both images in float64."""

import warnings

import torch
from captum.attr import DeepLift, DeepLiftShap
from torch import Tensor, nn
from torch.nn.functional import pad, unfold
from torch.overrides import TorchFunctionMode

from tests.methods.entries import background
from tests.methods.networks import not_in_place
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


class Apart(nn.Module):
    """A pool behind a step of its own: directly behind a ReLU, captum 0.9 drops its rule for the pool."""

    def __init__(self, pool: nn.MaxPool2d):
        super().__init__()
        self.pool = pool

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(x * 1)


def for_captum(model: nn.Module) -> nn.Module:
    """A copy without in-place operations, whose pools stand apart."""
    model = not_in_place(model)
    for parent in list(model.modules()):
        for name, module in parent.named_children():
            if isinstance(module, nn.MaxPool2d):
                setattr(parent, name, Apart(module))
    return model


def overlapping(model: nn.Module) -> bool:
    """Whether windows of a max pool overlap: captum 0.9 keeps one of them. Inception's pools are functions."""
    pools = [m for m in model.modules() if isinstance(m, nn.MaxPool2d)]
    return not pools or any(pool.kernel_size != pool.stride for pool in pools)


def deep_lift(method, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
    reference = torch.full_like(x, method.baseline)
    if overlapping(model):
        return derived(model, x, reference, target).sum(1)
    with warnings.catch_warnings(action="ignore"):
        return DeepLift(for_captum(model)).attribute(x, reference, target=target).sum(1).detach()


def deep_lift_shap(method, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
    references = background(x)
    if overlapping(model):
        return torch.stack([derived(model, x, r.expand_as(x), target).sum(1) for r in references]).mean(0)
    with warnings.catch_warnings(action="ignore"):
        return DeepLiftShap(for_captum(model)).attribute(x, references, target=target).sum(1).detach()


REFERENCES = {
    "deep_lift": Reference("captum; float64 derivation", deep_lift),
    "deep_lift_shap": Reference("captum; float64 derivation", deep_lift_shap),
}
