"""Batches for models whose answers are known."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks.conformance.models import MEAN, STD, Network
from benchmarks.explained import Explained
from benchmarks.paths.pathed import Pathed

Batch = Explained | Pathed


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


@dataclass(frozen=True)
class Selection:
    """A path through the two layers of a `Network`."""

    kept: tuple[Tensor, ...]  # (draws, n, c) bool of each layer
    forward: tuple[Tensor, ...]  # (n, c) float64, activations summed over positions
    backward: tuple[Tensor, ...]  # (n, c) float64, relevance summed over positions
    layers: tuple[str, ...] = ("first", "second")


def path_case(n: int = 6) -> Pathed:
    """Return two draws of a path: half of the channels, by activation and by relevance."""
    model, x, target = frozen(Network()), images(n, 16), torch.arange(n) % 4
    with torch.enable_grad():
        first, second, logits = stages(model, x.clone().requires_grad_())
        gradients = torch.autograd.grad(logits.gather(1, target[:, None]).sum(), (first, second))
    forward = tuple(a.detach().double().sum((2, 3)) for a in (first, second))
    backward = tuple((a * g).detach().double().sum((2, 3)) for a, g in zip((first, second), gradients, strict=True))
    kept = tuple(torch.stack([larger_half(f), larger_half(b)]) for f, b in zip(forward, backward, strict=True))
    return Pathed(model, x, target, logits.detach(), Selection(kept, forward, backward), partial(only, model, x))


def larger_half(values: Tensor) -> Tensor:
    return values.argsort(1, descending=True).argsort(1) < values.shape[1] // 2


def stages(model: Network, x: Tensor, kept: Sequence[Tensor | None] = (None, None), fill=(0, 0)) -> tuple[Tensor, ...]:
    """Return the activations of both layers and the logits when channels that are not `kept` (n, c) have the `fill`."""
    values = []
    for i, layer in enumerate((lambda x: model.norm(model.first(x)).relu(), lambda x: model.second(x).relu())):
        x = layer(x)
        x = x if kept[i] is None else torch.where(kept[i][..., None, None], x, fill[i])
        values.append(x)
    return *values, model.head(x.mean((2, 3)))


@torch.no_grad()
def only(model: Network, x: Tensor, kept: Sequence[Tensor | None], fill: str) -> Tensor:
    """Return the logits (n, k) when the other channels are zero, or their mean over other images."""
    means = [a.mean((0, 2, 3))[:, None, None] for a in stages(model, images(8, 16, seed=6))[:2]]
    return stages(model, x, kept, means if fill == "mean" else (0, 0))[2]


def part(batch: Batch, index: list[int]) -> Batch:
    """Return some images of a batch, in the order given, with nothing shared."""
    if isinstance(batch, Explained):
        own = {name: getattr(batch, name)[index] for name in ("x", "target", "maps", "mask")}
        return replace(batch, **own, shared={}, store=None)
    own = {name: getattr(batch, name)[index] for name in ("x", "target", "logits")}
    layers = (batch.path.kept, batch.path.forward, batch.path.backward)
    path = Selection(*(tuple(values[..., index, :] for values in layer) for layer in layers))
    return replace(batch, **own, path=path, only=partial(only, batch.model, own["x"]), shared={})
