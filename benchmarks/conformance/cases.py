"""Batches for models whose answers are known."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmarks.conformance.models import MEAN, STD, Network
from benchmarks.explained import Explained


@dataclass(frozen=True)
class InputXGradient:
    """The product of input and gradient, summed over channels and rescaled."""

    rescale: Callable[[Tensor], Tensor] = lambda maps: maps
    complete: str = "logit"
    baseline: float = 0.0

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        with torch.enable_grad():
            x = x.detach().clone().requires_grad_()
            gradient = torch.autograd.grad(model(x).gather(1, target[:, None]).sum(), x)[0]
        return self.rescale(100 * (x * gradient).sum(1).detach())


def frozen(model: nn.Module) -> nn.Module:
    return model.eval().requires_grad_(False)


def images(n: int, side: int, seed: int = 5) -> Tensor:
    """Random pixels (n, 3, side, side), normalised."""
    pixels = torch.rand(n, 3, side, side, generator=torch.Generator().manual_seed(seed))
    return (pixels - MEAN[:, None, None]) / STD[:, None, None]


def explained(model: nn.Module, x: Tensor, maps=None, method=None, target=None, mask=None) -> Explained:
    """A batch; by default the i-th image is explained for class i, and its object is the upper right quarter."""
    method = method or InputXGradient()
    target = torch.arange(len(x)) % model(x).shape[1] if target is None else target
    if mask is None:
        mask = corner(x, top=True, left=False)
    maps = method(model, x, target) if maps is None else maps
    return Explained(model, method, x, target, maps, mask, MEAN, STD, x[:0])


def corner(x: Tensor, top: bool, left: bool) -> Tensor:
    """Mark a quarter of the images (n, c, h, w): one cell of a 2 x 2 mosaic, (n, h, w) bool."""
    h, w = x.shape[2:]
    rows, columns = torch.arange(h) < h // 2, torch.arange(w) < w // 2
    rows, columns = rows if top else ~rows, columns if left else ~columns
    return (rows[:, None] & columns).expand(len(x), h, w)


def case(method=None, n: int = 6, side: int = 16, model: nn.Module | None = None) -> Explained:
    return explained(frozen(model or Network()), images(n, side), method=method)


def part(e: Explained, index: list[int]) -> Explained:
    """Some images of a batch, in the order given, with nothing shared."""
    return Explained(
        e.model, e.method, e.x[index], e.target[index], e.maps[index], e.mask[index], e.mean, e.std, e.background
    )


def levels(n: int, side: int, count: int, seed: int = 0) -> Tensor:
    """Signed maps of `count` exact values, hence with many ties."""
    draws = torch.randint(count, (n, side, side), generator=torch.Generator().manual_seed(seed))
    return (draws - count // 3).float() / 7
