"""Batches for models whose answers are known."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.conformance.models import MEAN, STD, Network
from benchmarks.explained import Explained

Batch = Any  # of any kind: a dataclass with the fields model, x (n, c, h, w) and shared


@dataclass(frozen=True)
class InputXGradient:
    """The product of input and gradient, summed over channels and rescaled."""

    rescale: Callable[[Tensor], Tensor] = lambda maps: maps
    complete: str = "logit"
    baseline: float = 0.0

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        return self.rescale(100 * (x.detach() * input_gradient(model, x, target)).sum(1))


def input_gradient(model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
    """Return the gradient of the target's logit (n, c, h, w)."""
    with torch.enable_grad():
        x = x.detach().clone().requires_grad_()
        return torch.autograd.grad(model(x).gather(1, target[:, None]).sum(), x)[0]


def frozen(model: nn.Module) -> nn.Module:
    return model.eval().requires_grad_(False)


def images(n: int, side: int, seed: int = 5) -> Tensor:
    """Return random pixels (n, 3, side, side), normalised."""
    pixels = torch.rand(n, 3, side, side, generator=torch.Generator().manual_seed(seed))
    return (pixels - MEAN[:, None, None]) / STD[:, None, None]


def explained(model: nn.Module, x: Tensor, maps=None, method=None, target=None, mask=None) -> Explained:
    """Return a batch; by default the i-th image is explained for class i, and its object is the upper right quarter."""
    method = method or InputXGradient()
    target = torch.arange(len(x)) % model(x).shape[1] if target is None else target
    mask = corner(x, top=True, left=False) if mask is None else mask
    maps = method(model, x, target) if maps is None else maps
    return Explained(model, method, x, target, maps, mask, MEAN, STD, x[:0])


def corner(x: Tensor, top: bool, left: bool) -> Tensor:
    """Mark a quarter of the images (n, c, h, w): one cell of a 2 x 2 mosaic, (n, h, w) bool."""
    h, w = x.shape[2:]
    rows, columns = torch.arange(h) < h // 2, torch.arange(w) < w // 2
    rows, columns = rows if top else ~rows, columns if left else ~columns
    return (rows[:, None] & columns).expand(len(x), h, w)


def case(method=None, n: int = 6) -> Explained:
    """Return random images explained on a random network."""
    return explained(frozen(Network()), images(n, 16), method=method)


def levels(n: int, side: int, count: int, seed: int = 0) -> Tensor:
    """Return signed maps (n, side, side) of `count` exact values, which have many ties."""
    draws = torch.randint(count, (n, side, side), generator=torch.Generator().manual_seed(seed))
    return (draws - count // 3).float() / 7


def part(batch: Explained, index: list[int]) -> Explained:
    """Return some images of a batch, in the order given, with nothing shared."""
    x, target, maps, mask = (values[index] for values in (batch.x, batch.target, batch.maps, batch.mask))
    return replace(batch, x=x, target=target, maps=maps, mask=mask, shared={}, store=None)
