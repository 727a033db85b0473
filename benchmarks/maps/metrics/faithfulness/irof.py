"""Removal of superpixels, an image's parts, as a whole: what is left of the class's probability."""

from functools import partialmethod
from math import inf

import torch
from torch import Tensor

from benchmarks.explained import Explained
from benchmarks.maps.metrics.baselines import baseline_logits, filled, imputed
from benchmarks.maps.metrics.faithfulness import curves
from benchmarks.maps.metrics.faithfulness.curves import faithful
from benchmarks.maps.metrics.ranking import tie_groups
from superpixels import superpixels


@faithful(
    higher_is_better=True,
    cites="Rieger & Hansen 2020",
    bounds=(-inf, 1.0),
    invariant=("scale",),
    undefined="the class's probability is 0",
)
class Irof:
    """Area over the curve p(x_l) / p(x_0) as superpixels are removed [Rieger & Hansen 2020].

    The score is one less the area under the curve by the trapezoid rule over the share of superpixels removed, with
    both ends. An unchanged probability scores 0, and one above the image's counts against the map. SLIC makes about
    `segments` superpixels of an image. The superpixels with the largest mean of the map are removed first and become
    `baseline`; step k removes round(k S / steps) of an image's S superpixels. The paper removes them one by one and
    does not divide by S.
    """

    segments: int
    steps: int
    baseline: str
    seed: int
    __post_init__ = partialmethod(filled, segments=2, steps=1)

    def __call__(self, explained: Explained) -> Tensor:
        return 1 - curves.area(self.curve(explained)[1])

    def curve(self, explained: Explained) -> tuple[Tensor, Tensor]:
        """Return the removed fractions (steps + 1,) and the shares of the probability (n, steps + 1)."""
        between = [self.logits(explained, k) for k in range(1, self.steps)]
        end = baseline_logits(explained, self.baseline, self.seed)
        logits = torch.stack([explained.clean_logits(), *between, end], 1).double()
        probability = curves.probability(explained, logits)
        share = probability / torch.where(probability[:, :1] > 0, probability[:, :1], torch.nan)
        return curves.fractions(self.steps, explained), share.float()

    def logits(self, explained: Explained, step: int) -> Tensor:
        """Return the logits (n, k) without the first superpixels."""
        key = "superpixels", self.segments, self.baseline, self.seed

        def order() -> tuple[Tensor, Tensor]:
            parts = "superpixels", self.segments
            labels = explained.for_all(parts, lambda: superpixels(explained.pixels(), self.segments))
            return superpixel_order(explained, labels, self.seed), labels.amax((1, 2)) + 1

        ranks, number = explained.once((*key, "order"), order)
        removed = ranks < (step * number.double() / self.steps).round()[:, None, None]

        def compute() -> Tensor:
            return explained.logits(imputed(explained, removed, self.baseline, self.seed))

        return explained.once((*key, step, self.steps), compute)


def superpixel_order(explained: Explained, labels: Tensor, seed: int) -> Tensor:
    """Rank each pixel's superpixel (n, h, w), 0 for the largest mean of the map; a seeded permutation breaks ties."""
    label, maps = labels.flatten(1), explained.maps.flatten(1).double()
    size = torch.zeros(len(maps), int(label.max()) + 1, dtype=maps.dtype, device=maps.device)
    size = size.scatter_add(1, label, torch.ones_like(maps))
    mean = (torch.zeros_like(size).scatter_add(1, label, maps) / size.clamp(min=1)).gather(1, label)
    pixels = label.shape[1]  # as many numbers for all images, so that no image depends on its batch
    number = torch.randperm(pixels, generator=torch.Generator().manual_seed(seed)).to(label.device)
    key = tie_groups(mean) * pixels + number[label]
    keys = torch.full_like(size, -1, dtype=torch.int64).scatter(1, label, key)
    return keys.argsort(1, descending=True).argsort(1).gather(1, label).view_as(labels)
