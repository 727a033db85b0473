"""The error under the standard corruptions, as it grows with their severity."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from benchmarks.explained import Explained
from benchmarks.metrics.fields import whole
from benchmarks.metrics.networks.corruptions import CORRUPTIONS, corrupted

LEVELS = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class CorruptionError:
    """Share of an image's corrupted pictures that are misclassified [Hendrycks & Dietterich 2019].

    The mean corruption error, unnormalised: over fifteen types of corruption and five severities each, one picture of
    each, without dividing by the errors of a reference network. Made in memory from the images at the network's size,
    on 8 bits, with severities chosen for about that size (`corruptions`); the draws of a type and severity are those
    of every image. The clean image is not among the pictures.
    """

    category: ClassVar[str] = "network robustness"
    higher_is_better: ClassVar[bool] = False
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ()
    invariant: ClassVar[tuple[str, ...]] = ("scale", "order")
    undefined: ClassVar[str] = "never"
    cites: ClassVar[str] = "Hendrycks & Dietterich 2019"
    passes: ClassVar[tuple[int, int, int]] = (0, len(CORRUPTIONS) * len(LEVELS), 0)

    seed: int

    def __post_init__(self) -> None:
        whole(self, seed=0)

    def __call__(self, explained: Explained) -> Tensor:
        return self.errors(explained).mean((1, 2)).float()

    def curve(self, explained: Explained) -> tuple[Tensor, Tensor]:
        """Return the severities (5,) and the error at each (n, 5), the mean over the types."""
        return torch.tensor(LEVELS, dtype=torch.float32), self.errors(explained).mean(1).float()

    def errors(self, explained: Explained) -> Tensor:
        """Return which pictures are taken for another class: 0 or 1, (n, 15, 5) float64."""
        return explained.for_all(("corruption error", self.seed, self.version), lambda: self.compute(explained))

    def compute(self, explained: Explained) -> Tensor:
        pixels = explained.pixels()

        def wrong(name: str, severity: int) -> Tensor:
            pictures = corrupted(pixels, name, severity, self.seed).to(explained.x)
            return explained.logits(explained.normalised(pictures)).argmax(1) != explained.target

        return torch.stack([torch.stack([wrong(name, s) for s in LEVELS], 1) for name in CORRUPTIONS], 1).double()
