"""What a metric of discovered concepts sees: how much of each is in test images, and what was planted there."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from torch import Tensor, nn


class Planted(NamedTuple):
    """What drawn test scenes show."""

    words: tuple[str, ...]  # that some scenes show and others do not
    shown: Tensor  # (n, w) bool
    masked: tuple[str, ...]  # words that are somewhere
    mask: Callable[[str], Tensor]  # where one is (n, h, w) bool


class Read(NamedTuple):
    """Images of which a read-out learns."""

    x: Tensor  # (m, 3, h, w), normalised for the model
    encoded: Tensor  # (m, k)
    logits: Tensor  # (m, classes)


@dataclass(frozen=True, eq=False)
class Discovered:
    """Concepts of a dictionary in test images; all but the images is on the CPU."""

    model: nn.Module
    x: Tensor  # (n, 3, h, w), normalised for the model
    maps: Tensor  # (n, k, h, w): how much of each concept is where
    logits: Tensor  # (n, classes)
    planted: Planted | None  # None where the data set is not drawn
    train: Callable[[], Read | None]  # None where the data set has no train split
    halves: Callable[[], tuple[Tensor, Tensor]]  # directions (k, c) found in either half of the images
    store: Callable | None = field(default=None, repr=False)  # `benchmarks.store.Store`

    @property
    def encoded(self) -> Tensor:
        """Return how much of each concept is in each image (n, k): the mean over positions."""
        return self.maps.mean((2, 3))

    @property
    def names(self) -> list[str]:
        """Return what the concepts are called: they have numbers only."""
        return [f"concept {j}" for j in range(1, 1 + self.maps.shape[1])]
