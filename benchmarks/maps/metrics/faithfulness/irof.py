"""Removal of superpixels: what is left of the class's probability."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from benchmarks.explained import Explained
from benchmarks.metrics.baselines import baseline_logits, imputed
from benchmarks.metrics.faithfulness import curves
from benchmarks.metrics.fields import filled, whole
from benchmarks.metrics.superpixels import superpixel_order, superpixels


@dataclass(frozen=True)
class Irof:
    """Area over the curve p(x_l) / p(x_0) as superpixels are removed [Rieger & Hansen 2020].

    One less the area under it, trapezoid rule over the share of superpixels removed, both ends included: a probability
    that never changes scores 0, and one above that of the image counts against the map. Superpixels are of SLIC, about
    `segments` an image; they go by the mean of the map over them, largest first, and become `baseline`. Step k removes
    round(k S / steps) of an image's S superpixels. The paper removes them one by one and does not divide by S.
    """

    category: ClassVar[str] = "faithfulness"
    higher_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (float("-inf"), 1.0)
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ()
    invariant: ClassVar[tuple[str, ...]] = ("scale",)
    undefined: ClassVar[str] = "the class's probability is 0"
    cites: ClassVar[str] = "Rieger & Hansen 2020"

    segments: int
    steps: int
    baseline: str
    seed: int

    def __post_init__(self) -> None:
        whole(self, segments=2, steps=1)
        filled(self)

    @property
    def passes(self) -> tuple[int, int, int]:
        return self.steps - 1, 1, 0

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
            labels = superpixels(explained, self.segments)
            return superpixel_order(explained, labels, self.seed), labels.amax((1, 2)) + 1

        ranks, number = explained.once((*key, "order"), order)
        removed = ranks < (step * number.double() / self.steps).round()[:, None, None]

        def compute() -> Tensor:
            return explained.logits(imputed(explained, removed, self.baseline, self.seed))

        return explained.once((*key, step, self.steps), compute)
