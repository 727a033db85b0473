"""Scores of prototypes, for each of several numbers of them: how well they stand for the other images."""

from functools import partial
from math import nan

import torch
from torch import Tensor

from benchmarks.examples.chosen import Chosen
from entries import positive, rising, scores

stands = partial(scores, "prototype", passes="1 of every training image, which the metrics share")


def numbered(metric: object) -> None:
    """Refuse `numbers` that are no rising whole numbers."""
    rising(metric, "numbers", 0, sort=(int,))


@stands(higher_is_better=False, cites="Gretton et al. 2012; Kim et al. 2016", bounds=(0.0, 2.0))
class PrototypeMmd:
    """Squared distance between the distributions of prototypes and images [Gretton et al. 2012].

    The images are all training images. The distance is the maximum mean discrepancy (MMD), by which Kim et al. [2016]
    choose prototypes. Its square is the mean similarity of two prototypes, plus that of two training images, less twice
    that of a prototype and a training image. It is 0 where both have the same distribution, and at most 2. Similarity
    is a Gaussian kernel of the features before the last layer, whose standard deviation is `bandwidth` times the median
    distance between training images. Pairs of an image with itself count, so that the estimate is biased. There is a
    score for each of the `numbers` of prototypes (k,).
    """

    numbers: list[int]
    bandwidth: float

    def __post_init__(self) -> None:
        numbered(self)
        positive(self, "bandwidth")

    def __call__(self, chosen: Chosen) -> Tensor:
        return torch.tensor(chosen.discrepancies(self.numbers, self.bandwidth), dtype=torch.float64)


@stands(
    higher_is_better=True, cites="Kim et al. 2016", bounds=(0.0, 1.0), undefined="the label of the image is not known"
)
class PrototypeAccuracy:
    """Whether a test image has the label of the nearest prototype in features: 1 or 0 [Kim et al. 2016].

    Each test image has a score for each of the `numbers` of prototypes (n, k).
    """

    numbers: list[int]
    of_images = True
    __post_init__ = numbered

    def __call__(self, chosen: Chosen) -> Tensor:
        hits = []
        for number in self.numbers:
            few = chosen.prototypes[number]
            nearest = torch.cdist(chosen.test_features, chosen.features[few]).argmin(1)
            hits.append((chosen.labels[few][nearest] == chosen.test_labels).double())
        return torch.where(chosen.test_labels[:, None] < 0, nan, torch.stack(hits, 1))
