"""What a metric of paths sees: one batch of images with the path of each."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field

from torch import Tensor, nn

from entries import once


@dataclass(frozen=True, eq=False)
class Pathed:
    """One batch with its paths; `once` keeps what several metrics share."""

    model: nn.Module
    x: Tensor  # (n, c, h, w) float32, normalised for the model
    target: Tensor  # (n,) int64, the explained class
    logits: Tensor  # (n, k) of the whole network
    path: object  # `methods.paths.Path`: the names of its layers, and of each what is kept, forward and backward
    only: Callable[[Sequence[Tensor | None], str], Tensor]  # kept (n, c) of each layer, None: all of it; zero | mean
    shared: dict[Hashable, object] = field(default_factory=dict, repr=False)
    once = once
