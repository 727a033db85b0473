"""What the checks of metrics need of paths: random selections of a random network's channels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from benchmarks.conformance.cases import frozen, images
from benchmarks.conformance.models import Network
from benchmarks.paths.pathed import Pathed

DTYPE = torch.float64


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


case = path_case


def part(batch: Pathed, index: list[int]) -> Pathed:
    """Return some images of a batch, in the order given, with nothing shared."""
    own = {name: getattr(batch, name)[index] for name in ("x", "target", "logits")}
    layers = (batch.path.kept, batch.path.forward, batch.path.backward)
    path = Selection(*(tuple(values[..., index, :] for values in layer) for layer in layers))
    return replace(batch, **own, path=path, only=partial(only, batch.model, own["x"]), shared={})


def parts(metric: Callable[[Pathed], Tensor], batch: Pathed) -> tuple[Tensor, tuple[int, int]]:
    """Return the scores of each layer, and the shape that they need."""
    return metric.layers(batch), (len(batch.path.layers), len(batch.x))
