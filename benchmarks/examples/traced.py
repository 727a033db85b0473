"""What a metric of training images sees: how much each explains of every test image, and what is known to be true."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from torch import Tensor, nn


class LeftOut(NamedTuple):
    """What the exact head says without single training images."""

    places: Tensor  # (l,) of the training images
    change: Tensor  # (n, l) float64: the margin with the image, less the margin without it


class Subsets(NamedTuple):
    """Networks that were fitted on halves of the training images."""

    inside: Tensor  # (s, m) bool
    margins: Tensor  # (s, seeds, n) float64


class Flipped(NamedTuple):
    """Training images of which some have a wrong label."""

    own: Tensor  # (m,) self-influence, nan where the entry has none
    wrong: Tensor  # (m,) bool


class Doubled(NamedTuple):
    """Training images among which the first test images are."""

    tau: Tensor  # (d, m)
    places: Tensor  # (d,) of the same images among the training images


class Patched(NamedTuple):
    """Training images of one label, which some have for a patch, and test images with the patch."""

    tau: Tensor  # (n, c) of the training images with the label
    planted: Tensor  # (c,) bool
    misled: Tensor  # (n,) bool: whether the patch makes the network say the label


@dataclass(frozen=True, eq=False)
class Traced:
    """Explanations of test images.

    What is called is computed once, and raises Inapplicable where the truth cannot be had.
    """

    model: nn.Module
    x: Tensor  # (n, 3, h, w) test images, normalised for the model
    image: tuple[str, ...]  # their names
    tau: Tensor  # (n, m) float64, positive where a training image raises the test image's margin
    left_out: Callable[[], LeftOut]
    subsets: Callable[[], Subsets]
    flipped: Callable[[], Flipped]
    doubled: Callable[[], Doubled]
    patched: Callable[[], Patched]
    untrained: Callable[[int], Tensor]  # tau (n, m) of the network with weights that a seed draws anew
    duplicates: int  # how many test images `doubled` is about
    store: Callable | None = field(default=None, repr=False)  # `benchmarks.store.Store`
