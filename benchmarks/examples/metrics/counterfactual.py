"""Scores of counterfactuals: whether an image becomes the target class, how far it moves, and where it changes.

All give one score (n,) for each image. How much and where an image changes is asked only of images that become the
target: of others a small change is no merit.
"""

from functools import partial
from math import nan

import torch
from torch import Tensor

from benchmarks.examples.countered import Countered
from entries import number, scores

alters = partial(scores, "counterfactual")
CHANGES = "the network does not take the image for the target"


def of_flipped(score: Tensor, countered: Countered) -> Tensor:
    """Return the score (n,), and nan where the image has not become the target."""
    return torch.where(countered.flipped, score.double(), nan)


@alters(higher_is_better=True, bounds=(0.0, 1.0), passes="1")
class FlipRate:
    """Whether the network takes the image for the target class: 1 or 0."""

    def __call__(self, countered: Countered) -> Tensor:
        return countered.flipped.double()


@alters(higher_is_better=False, cites="Wachter et al. 2018", bounds=(0.0, 1.0), undefined=CHANGES)
class CounterfactualL1:
    """Mean absolute change of the values of an image [after Wachter et al. 2018].

    Values are those of pixels in [0, 1]. The authors divide the change of each feature by its median deviation.
    """

    def __call__(self, countered: Countered) -> Tensor:
        return of_flipped(countered.change.mean((1, 2, 3)), countered)


@alters(higher_is_better=False, bounds=(0.0, 1.0), undefined=CHANGES)
class CounterfactualL2:
    """How far an image moves: the root of the mean squared change of its values.

    A value is one colour of one pixel, between 0 and 1. Of two changes with the same mean absolute change this score
    is larger for the one that changes fewer values by more.
    """

    def __call__(self, countered: Countered) -> Tensor:
        return of_flipped(countered.change.square().mean((1, 2, 3)).sqrt(), countered)


@alters(higher_is_better=False, bounds=(0.0, 1.0), undefined=CHANGES)
class ChangedShare:
    """Share of pixels of which a colour changes by more than `threshold`.

    Values are those of pixels in [0, 1].
    """

    threshold: float

    def __post_init__(self) -> None:
        number(self, "threshold", "in [0, 1)", lambda value: 0 <= value < 1)

    def __call__(self, countered: Countered) -> Tensor:
        changed = countered.change.amax(1) > self.threshold
        return of_flipped(changed.double().mean((1, 2)), countered)


@alters(higher_is_better=True, bounds=(0.0, 1.0), passes="1 of another network")
class OracleScore:
    """Whether the same network, fitted with another seed, takes the image for the target: 1 or 0.

    An adversarial example has the flaws of one network for its target, and another network is not taken in; an image
    that shows the target convinces both. It is undefined where the weights are no fit.
    """

    def __call__(self, countered: Countered) -> Tensor:
        return countered.taken(countered.other()).double()


WHERE = f"{CHANGES}, it has not changed, or it is not known where the object is that decides the class"


def known(score: Tensor, countered: Countered) -> Tensor:
    """Return the score (n,) where the image has changed to the target and the object is known, and nan elsewhere."""
    some = countered.mask.any((1, 2)) & (countered.change > 0).any(1).any(1).any(1)
    return of_flipped(torch.where(some, score, nan), countered)


@alters(higher_is_better=True, bounds=(0.0, 1.0), undefined=WHERE)
class DecidingShare:
    """Share of an image's absolute change that lies in the object that decides its class.

    `DecidingChance` is what a change has that is the same everywhere.
    """

    def __call__(self, countered: Countered) -> Tensor:
        change = countered.change.sum(1)
        inside = (change * countered.mask).sum((1, 2)) / change.sum((1, 2))
        return known(inside.clamp(0, 1), countered)


@alters(higher_is_better=True, bounds=(0.0, 1.0), undefined=WHERE)
class DecidingChance:
    """Share of the image's area that the object covers which decides its class.

    A change that is the same everywhere would have this deciding share. It says nothing of the counterfactual itself:
    the deciding share is compared with it.
    """

    def __call__(self, countered: Countered) -> Tensor:
        return known(countered.mask.double().mean((1, 2)), countered)
