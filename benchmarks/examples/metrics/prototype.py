"""Scores of prototypes, for each of several numbers of them: how well they stand for the other images.

All give one score (k,) for each of the `numbers`.
"""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor

from benchmarks.examples.chosen import Chosen
from entries import positive, refuse, scores

stands = partial(scores, "prototype", passes="1 of every training image, which the metrics share")


def numbered(metric: object) -> None:
    """Refuse `numbers` that are no rising whole numbers."""
    numbers = metric.numbers
    listed = isinstance(numbers, Sequence) and len(numbers) and all(type(number) is int for number in numbers)
    if not listed or not all(low < high for low, high in pairwise([0, *numbers])):
        refuse(metric, "numbers", "a list of rising whole numbers > 0 as numbers")


@stands(higher_is_better=False, cites="Gretton et al. 2012; Kim et al. 2016", bounds=(0.0, 2.0))
class PrototypeMmd:
    """Squared MMD between prototypes and training images [Gretton et al. 2012; Kim et al. 2016].

    MMD is the maximum mean discrepancy, which is 0 where both have the same distribution. It is the biased estimate,
    which counts the pairs of an image with itself. The kernel is Gaussian, of features before the last layer; its
    standard deviation is `bandwidth` times the median distance between training images.
    """

    numbers: list[int]
    bandwidth: float

    def __post_init__(self) -> None:
        numbered(self)
        positive(self, "bandwidth")

    def __call__(self, chosen: Chosen) -> Tensor:
        return torch.tensor(chosen.discrepancies(self.numbers, self.bandwidth), dtype=torch.float64)


@stands(higher_is_better=True, cites="Kim et al. 2016", bounds=(0.0, 1.0))
class PrototypeAccuracy:
    """Share of test images that have the label of the nearest prototype in features [Kim et al. 2016]."""

    numbers: list[int]
    __post_init__ = numbered

    def __call__(self, chosen: Chosen) -> Tensor:
        shares = []
        for number in self.numbers:
            few = chosen.prototypes[number]
            nearest = torch.cdist(chosen.test_features, chosen.features[few]).argmin(1)
            shares.append((chosen.labels[few][nearest] == chosen.test_labels).double().mean())
        return torch.stack(shares)
