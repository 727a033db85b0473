"""Scores of how the network follows while pixels are removed or inserted in the order of the map."""

from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.explained import Explained
from benchmarks.maps.metrics.baselines import filled
from benchmarks.maps.metrics.faithfulness import curves
from benchmarks.maps.metrics.faithfulness.curves import faithful
from entries import choice


@faithful(higher_is_better=None, cites="Bach et al. 2015", undefined="the logit is not a number")
@dataclass(frozen=True)
class PixelFlipping:
    """Mean target logit while pixels are removed in the order of the map [Bach et al. 2015].

    The `order` "morf" removes the largest pixels first, so a low score is good; "lerf" removes the smallest first, so a
    high score is good. The paper shows the curve. Its mean is the area by the rule of `Deletion`, and a logit does not
    level off as a probability does. Departs from the paper: a pixel becomes `baseline` with all its channels, and
    round(N / steps) of them at a time. The states are those of `Deletion` (morf) and of `Abpc` (both).
    """

    steps: int
    order: str
    baseline: str
    seed: int
    higher_is_better = property(lambda self: self.order == "lerf")
    invariant = curves.sized("scale", "order", "steps")
    passes = property(lambda self: (self.steps - 1, 1, 0))
    __call__ = curves.area_under

    def __post_init__(self) -> None:
        choice(self, "order", ("morf", "lerf"))
        filled(self, steps=1)

    def curve(self, explained: Explained) -> tuple[Tensor, Tensor]:
        """Return the removed fractions (steps + 1,) and the target's logits (n, steps + 1)."""
        smallest_first = self.order == "lerf"
        logits = curves.removal(explained, self.steps, self.baseline, self.seed, keep=smallest_first)
        logits = logits.flip(1) if smallest_first else logits
        return curves.fractions(self.steps, explained), curves.of_target(explained, logits)


@faithful(higher_is_better=True, cites="Arya et al. 2019", bounds=(0.0, 1.0))
@dataclass(frozen=True)
class Monotonicity:
    """Share of steps that do not lower the target's probability [Arya et al. 2019].

    The steps lead from `baseline` to the image in `steps` groups of pixels, the smallest inserted first. A fall within
    the rounding of the logits does not count. Departs from the paper, which inserts feature by feature and asks that
    nothing falls at all. The score has a blind spot: evidence against the class comes first, so the exact signed map of
    a linear model falls at these steps, while in a random order every group may hold more evidence for the class than
    against it, and all steps rise. The states are those of `Deletion`.
    """

    steps: int
    baseline: str
    seed: int
    invariant = curves.sized("scale", "order")
    passes = property(lambda self: (self.steps - 1, 1, 0))
    __post_init__ = curves.stepped

    def __call__(self, explained: Explained) -> Tensor:
        logits = curves.removal(explained, self.steps, self.baseline, self.seed).flip(1)
        falls = curves.log_odds(explained, logits).diff(dim=1) < -curves.rounding(logits)
        known = curves.probability(explained, logits).isfinite().all(1)
        return torch.where(known, 1 - falls.double().mean(1), torch.nan).float()
