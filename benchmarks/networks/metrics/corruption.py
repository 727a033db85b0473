"""The error under the standard corruptions, as it grows with their severity."""

from functools import partialmethod
from itertools import product

import torch
from torch import Tensor

from benchmarks.explained import Explained
from benchmarks.networks.metrics.corruptions import CORRUPTIONS, corrupted
from benchmarks.networks.metrics.gradient import robust
from entries import whole

LEVELS = (1, 2, 3, 4, 5)


@robust(
    higher_is_better=False,
    cites="Hendrycks & Dietterich 2019",
    bounds=(0.0, 1.0),
    passes=(0, len(CORRUPTIONS) * len(LEVELS), 0),
)
class CorruptionError:
    """Share of an image's corrupted pictures that are misclassified [Hendrycks & Dietterich 2019].

    This is the mean corruption error without normalisation: it is taken over fifteen types of corruption and five
    severities, one picture each, and is not divided by the errors of a reference network. The pictures are made in
    memory from the images at the network's size, on 8 bits, with severities chosen for about that size (see
    `corruptions`). The draws of a type and severity are those of every image.
    """

    seed: int
    __post_init__ = partialmethod(whole, seed=0)

    def __call__(self, explained: Explained) -> Tensor:
        return self.errors(explained).mean((1, 2)).float()

    def curve(self, explained: Explained) -> tuple[Tensor, Tensor]:
        """Return the severities (5,) and the error at each (n, 5), the mean over the types."""
        return torch.tensor(LEVELS, dtype=torch.float32), self.errors(explained).mean(1).float()

    def errors(self, explained: Explained) -> Tensor:
        """Return which pictures are taken for another class: 0 or 1, (n, 15, 5) float64."""
        pixels, shape = explained.pixels(), (len(explained.x), len(CORRUPTIONS), len(LEVELS))

        def wrong(name: str, severity: int) -> Tensor:
            pictures = corrupted(pixels, name, severity, self.seed).to(explained.x)
            return explained.logits(explained.normalised(pictures)).argmax(1) != explained.target

        def compute() -> Tensor:
            return torch.stack([wrong(*kind) for kind in product(CORRUPTIONS, LEVELS)], 1).view(shape).double()

        return explained.for_all(("corruption error", self.seed, self.version), compute)
