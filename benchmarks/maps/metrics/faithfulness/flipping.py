"""Scores of how the network follows pixel after pixel, removed or inserted in the order of the map."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from benchmarks.explained import Explained
from benchmarks.metrics.faithfulness import curves
from benchmarks.metrics.fields import choice, filled, whole


@dataclass(frozen=True)
class PixelFlipping:
    """Mean target logit while pixels are removed in the order of the map [Bach et al. 2015].

    `order` morf removes the largest first, where a low score is good, and lerf the smallest, where a high one is. The
    paper shows the curve; its mean is the area by the rule of `Deletion`, and a logit does not level off as a
    probability does. Departs from the paper: a pixel becomes `baseline` with all its channels, and round(N / steps) of
    them at a time. The states are those of `Deletion` (morf) and `Abpc` (both).
    """

    category: ClassVar[str] = "faithfulness"
    bounds: ClassVar[tuple[float, float]] = (float("-inf"), float("inf"))
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ()
    undefined: ClassVar[str] = "the logit is not a number"
    cites: ClassVar[str] = "Bach et al. 2015"

    steps: int
    order: str
    baseline: str
    seed: int

    def __post_init__(self) -> None:
        whole(self, steps=1)
        choice(self, "order", ("morf", "lerf"))
        filled(self)

    @property
    def invariant(self) -> tuple[str, ...]:
        return curves.sized(self.baseline, "scale", "order", "steps")

    @property
    def higher_is_better(self) -> bool:
        return self.order == "lerf"

    @property
    def passes(self) -> tuple[int, int, int]:
        return self.steps - 1, 1, 0

    def __call__(self, explained: Explained) -> Tensor:
        return curves.area(self.curve(explained)[1])

    def curve(self, explained: Explained) -> tuple[Tensor, Tensor]:
        """Return the removed fractions (steps + 1,) and the target's logits (n, steps + 1)."""
        if self.order == "morf":
            logits = curves.removal(explained, self.steps, self.baseline, self.seed)
        else:
            logits = curves.insertion(explained, self.steps, self.baseline, self.seed).flip(1)
        return curves.fractions(self.steps, explained), curves.of_target(explained, logits)


@dataclass(frozen=True)
class Monotonicity:
    """Share of steps that do not lower the target's probability [Arya et al. 2019].

    From `baseline` to the image, smallest inserted first, in `steps` groups of pixels; a fall within the rounding of
    the logits is none. Departs from the paper, which inserts feature by feature and asks for no fall at all. What it
    cannot tell: evidence against the class comes first, so that the exact signed map of a linear model falls at these
    steps, while in a random order every group may hold more evidence for than against, and all steps rise. The states
    are those of `Deletion`.
    """

    category: ClassVar[str] = "faithfulness"
    higher_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ()
    undefined: ClassVar[str] = "the probability is not a number"
    cites: ClassVar[str] = "Arya et al. 2019"

    steps: int
    baseline: str
    seed: int

    def __post_init__(self) -> None:
        whole(self, steps=1)
        filled(self)

    @property
    def invariant(self) -> tuple[str, ...]:
        return curves.sized(self.baseline, "scale", "order")

    @property
    def passes(self) -> tuple[int, int, int]:
        return self.steps - 1, 1, 0

    def __call__(self, explained: Explained) -> Tensor:
        logits = curves.removal(explained, self.steps, self.baseline, self.seed).flip(1)
        falls = curves.log_odds(explained, logits).diff(dim=1) < -curves.rounding(logits)
        known = curves.probability(explained, logits).isfinite().all(1)
        return torch.where(known, 1 - falls.double().mean(1), torch.nan).float()
