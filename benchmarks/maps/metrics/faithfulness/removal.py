"""Scores of the curves that arise when pixels are removed, imputed or inserted in the order of the map."""

import torch
from torch import Tensor

from benchmarks.explained import Explained
from benchmarks.maps.metrics.baselines import filled
from benchmarks.maps.metrics.faithfulness import curves
from benchmarks.maps.metrics.faithfulness.curves import faithful
from entries import choice, number


@faithful(higher_is_better=False, cites="Petsiuk et al. 2018", bounds=(0.0, 1.0), version=2)
class Deletion:
    """Area under the target's probability while pixels are removed, largest first [Petsiuk et al. 2018].

    The trapezoid rule integrates over the fractions k / steps with both ends, so a constant probability is its own
    score. Step k removes round(k N / steps) of the N pixels with all their channels; they become `baseline`.
    """

    steps: int
    baseline: str
    seed: int
    invariant = curves.sized("scale", "order", "steps")
    __post_init__ = curves.stepped
    __call__ = curves.area_under

    def curve(self, explained: Explained) -> tuple[Tensor, Tensor]:
        """Return the removed fractions (steps + 1,) and the probabilities (n, steps + 1)."""
        logits = curves.removal(explained, self.steps, self.baseline, self.seed)
        return curves.fractions(self.steps, explained), curves.probability(explained, logits)


@faithful(higher_is_better=True, cites="Petsiuk et al. 2018", bounds=(0.0, 1.0), version=2)
class Insertion:
    """Area under the target's probability while pixels are inserted, largest first [Petsiuk et al. 2018].

    The curve leads from `baseline` to the image; steps, ends and rule are those of `Deletion`.
    """

    steps: int
    baseline: str
    seed: int
    invariant = ("scale", "order", "steps")
    __post_init__ = curves.stepped
    __call__ = curves.area_under

    def curve(self, explained: Explained) -> tuple[Tensor, Tensor]:
        """Return the inserted fractions (steps + 1,) and the probabilities (n, steps + 1)."""
        logits = curves.removal(explained, self.steps, self.baseline, self.seed, keep=True)
        return curves.fractions(self.steps, explained), curves.probability(explained, logits)


@faithful(higher_is_better=True, cites="Samek et al. 2017", bounds=(-1.0, 1.0), version=2)
class Aopc:
    """Mean fall of the target's probability over the deletion curve [Samek et al. 2017].

    The score is 1 / (L + 1) times the sum over k = 0..L of f(x_0) - f(x_k), most relevant first, until the share
    `removed` of the pixels is gone: L = round(removed steps). The paper's 100 regions of 9 x 9 are 16 % of an image;
    over the whole image the mean would rank like `Deletion`. Departs from the paper: pixels in place of regions, and a
    named baseline. With the settings of `Deletion` it needs no pass of its own.
    """

    steps: int
    removed: float
    baseline: str
    seed: int
    invariant = curves.sized("scale", "order")

    def __post_init__(self) -> None:
        filled(self, steps=1)
        number(self, "removed", "of at least one step and at most 1", lambda r: 0.5 / self.steps < r <= 1)

    def __call__(self, explained: Explained) -> Tensor:
        logits = curves.removal(explained, self.steps, self.baseline, self.seed)
        probability = curves.probability(explained, logits).double()[:, : round(self.removed * self.steps) + 1]
        return (probability[:, :1] - probability).mean(1).float()


@faithful(higher_is_better=True, cites="Samek et al. 2017", bounds=(-1.0, 1.0))
class Abpc:
    """Area between the curves of the smallest and the largest pixels first [Samek et al. 2017].

    The curves are those of the target's probability while pixels are removed. An order that says nothing scores about
    0, whatever the removal does to the image; the paper compares ways of removal by it. Departs from the paper: pixels
    in place of regions, and the trapezoid rule of `Deletion` in place of the sum over steps.
    """

    steps: int
    baseline: str
    seed: int
    invariant = curves.sized("scale", "order", "steps")
    passes = property(lambda self: (2 * (self.steps - 1), 1, 0))
    __post_init__ = curves.stepped
    __call__ = curves.area_under

    def curve(self, explained: Explained) -> tuple[Tensor, Tensor]:
        """Return the removed fractions (steps + 1,) and the gap between the curves (n, steps + 1)."""
        largest_first = curves.removal(explained, self.steps, self.baseline, self.seed)
        smallest_first = curves.removal(explained, self.steps, self.baseline, self.seed, keep=True).flip(1)
        gap = curves.probability(explained, smallest_first) - curves.probability(explained, largest_first)
        return curves.fractions(self.steps, explained), gap


@faithful(higher_is_better=None, cites="Bach et al. 2015", undefined="the logit is not a number")
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
class Monotonicity:
    """Share of steps that do not lower the target's probability [Arya et al. 2019].

    The steps lead from `baseline` to the image in `steps` groups of pixels, the smallest inserted first. A fall within
    the rounding of the logits does not count. Departs from the paper, which inserts feature by feature and asks that
    nothing falls at all. The score has a blind spot: with the exact signed map of a linear model, evidence against the
    class comes first and these steps fall, while in a random order all may rise. The states are those of `Deletion`.
    """

    steps: int
    baseline: str
    seed: int
    invariant = curves.sized("scale", "order")
    __post_init__ = curves.stepped

    def __call__(self, explained: Explained) -> Tensor:
        logits = curves.removal(explained, self.steps, self.baseline, self.seed).flip(1)
        falls = curves.log_odds(explained, logits).diff(dim=1) < -curves.rounding(logits)
        known = curves.probability(explained, logits).isfinite().all(1)
        return torch.where(known, 1 - falls.double().mean(1), torch.nan).float()


@faithful(
    higher_is_better=None, cites="Rong et al. 2022", invariant=("scale", "order"), undefined="a logit is not a number"
)
class Road:
    """Share of removed fractions at which the explained class is still predicted [Rong et al. 2022].

    The fractions are k / steps without both ends, round(k N / steps) of the N pixels. The mean over images at one
    fraction is the paper's accuracy, taken over all images. The `order` "morf" removes the largest first (lower is
    better), "lerf" the smallest (higher is better), and "combined" is lerf - morf. A class that shares the largest
    logit does not count as predicted. The score rewards blurred maps whatever they say of the network [Song et al.
    2023], so it should be read beside the control `blurred_edges`.
    """

    order: str
    steps: int
    baseline: str
    seed: int
    higher_is_better = property(lambda self: self.order != "morf")
    bounds = property(lambda self: (-1.0, 1.0) if self.order == "combined" else (0.0, 1.0))
    passes = property(lambda self: ((self.steps - 1) * (1 + (self.order == "combined")), 0, 0))

    def __post_init__(self) -> None:
        choice(self, "order", ("morf", "lerf", "combined"))
        filled(self, steps=2)

    def __call__(self, explained: Explained) -> Tensor:
        return self.curve(explained)[1].double().mean(1).float()

    def curve(self, explained: Explained) -> tuple[Tensor, Tensor]:
        """Return the removed fractions (steps - 1,) and whether the class is predicted (n, steps - 1), 1 or 0."""
        if self.order == "combined":
            values = self.predicted(explained, largest=False) - self.predicted(explained, largest=True)
        else:
            values = self.predicted(explained, largest=self.order == "morf")
        return curves.fractions(self.steps, explained)[1:-1], values

    def predicted(self, explained: Explained, largest: bool) -> Tensor:
        """Return whether the class is predicted (n, steps - 1) without the largest or the smallest pixels."""
        counts = curves.even(explained, self.steps)[1:-1]
        counts = counts if largest else [explained.maps[0].numel() - count for count in counts]
        states = [curves.logits_at(explained, count, self.baseline, self.seed, keep=not largest) for count in counts]
        logits = torch.stack(states, 1)
        target = explained.target[:, None, None].expand(-1, len(states), 1)
        largest_other = logits.scatter(2, target, -torch.inf).amax(2)
        first = (curves.of_target(explained, logits) > largest_other).to(logits.dtype)
        return torch.where(logits.isnan().any(2), torch.nan, first)
