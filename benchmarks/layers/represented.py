"""What a metric of representations sees: reference images with the features of each layer."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field

from torch import Tensor, nn

from entries import once


@dataclass(frozen=True, eq=False)
class Represented:
    """Images with the features of every layer; `once` keeps what several metrics share."""

    model: nn.Module
    x: Tensor  # (n, 3, h, w) float32, normalised for the model
    labels: Tensor  # (n,) int64
    names: tuple[str, ...]  # of the layers
    features: Sequence[Tensor]  # (n, c) of each layer, on the CPU
    last: Callable[[], Sequence[Tensor]]  # those of the network at its last epoch
    store: Callable | None = field(default=None, repr=False)  # `benchmarks.store.Store`
    shared: dict[Hashable, object] = field(default_factory=dict, repr=False)
    once = once
