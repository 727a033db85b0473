"""What the checks of metrics need of layers: predictions of a random network, and an order of its filters."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from benchmarks.conformance.cases import frozen, images
from benchmarks.conformance.models import MEAN, STD, Network
from benchmarks.layers.probed import Probed
from benchmarks.layers.ranked import Ranked

DTYPE = torch.float64


class Order(NamedTuple):
    """An importance of filters."""

    names: tuple[str, ...]
    signed: list[Tensor]  # (k, c) of each layer
    order: list[Tensor]  # (draws, c)
    alive: list[Tensor]  # (c,) bool


@dataclass(frozen=True, eq=False)
class Seen:
    """What metrics of probes and of importance see of the same images."""

    model: nn.Module
    x: Tensor
    probed: Probed
    ranked: Ranked
    shared: dict = field(default_factory=dict)


def seen(model: Network, x: Tensor) -> Seen:
    """Return images that the network gets wrong, with the predictions of both layers, and two orders of filters."""
    with torch.no_grad():
        layers = outputs(model, x)
        logits = model.head(layers[1].mean((2, 3)))
    labels = (logits.argmax(1) + 1) % logits.shape[1]
    told = torch.stack([a.mean((2, 3))[:, : logits.shape[1]].softmax(1) for a in layers])
    network, shared = None, {}
    probed = Probed(model, x, labels, logits, ("first", "second"), told, None, network, None, MEAN, STD, None, shared)
    sizes = [a.shape[1] for a in layers]
    order = [torch.stack([torch.arange(c), -torch.arange(c)]).double() for c in sizes]
    signed = [torch.linspace(-1, 1, c).double().repeat(logits.shape[1], 1) for c in sizes]
    alive = [torch.arange(c) > 0 for c in sizes]
    ranked = Ranked(
        model,
        x,
        logits.argmax(1),
        Order(("first", "second"), signed, order, alive),
        (0.25, 0.5),
        partial(without, model, x),
        shared,
    )
    return Seen(model, x, probed, ranked, shared)


def outputs(model: Network, x: Tensor, removed: Sequence[Tensor | None] = (None, None)) -> list[Tensor]:
    """Return the activations of both layers when `removed` (c,) filters are zero."""
    values = []
    for layer, mask in zip((lambda x: model.norm(model.first(x)), model.second), removed, strict=True):
        x = layer(x).relu()
        x = x if mask is None else x * ~mask[:, None, None]
        values.append(x)
    return values


@torch.no_grad()
def without(model: Network, x: Tensor, removed: Sequence[Tensor | None]) -> Tensor:
    """Return the logits (n, k) without some filters."""
    return model.head(outputs(model, x, removed)[1].mean((2, 3)))


def case(n: int = 6) -> Seen:
    return seen(frozen(Network()), images(n, 16))


def part(batch: Seen, index: list[int]) -> Seen:
    """Return some images of a batch, in the order given, with nothing shared."""
    x, shared = batch.x[index], {}
    own = {name: getattr(batch.probed, name)[index] for name in ("labels", "logits")}
    probed = replace(batch.probed, x=x, probabilities=batch.probed.probabilities[:, index], shared=shared, **own)
    ranked = replace(
        batch.ranked,
        x=x,
        predicted=batch.ranked.predicted[index],
        without=partial(without, batch.model, x),
        shared=shared,
    )
    return Seen(batch.model, x, probed, ranked, shared)


def suits(metric: Callable) -> bool:
    """Return whether a metric scores images; the others score a network once."""
    return getattr(metric, "of_images", False)


def score(metric: Callable, batch: object) -> Tensor:
    """Return one score of each image, the mean over its layers where it has several; or those of a network as they are.

    A batch is what `case` gives, or what the metric itself sees.
    """
    of_probes = type(metric).__module__.endswith(".probe")
    scores = metric(getattr(batch, "probed" if of_probes else "ranked", batch))
    scores = scores if scores.ndim == 1 or not suits(metric) else scores.mean(1 if of_probes else 0)
    return scores.double()
