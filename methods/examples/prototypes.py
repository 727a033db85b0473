"""Prototypes: training images that stand for all of them, and criticisms, which they do not stand for.

`entry(training, number)` chooses so many training images by their features.
"""

from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from entries import Inapplicable, explains, positive, whole
from methods.examples.training import Training

chooses = partial(explains, class_specific=False, passes="1 of every training image")
FEW = 1000  # images between which distances are typical


class Prototypes(NamedTuple):
    """Places of training images."""

    ids: Tensor  # (m,) int64, in the order of choice
    criticisms: Tensor  # (c,) int64, in the order of choice; of an entry that knows no criticisms none


def chosen(ids: list[int], criticisms: list[int] = []) -> Prototypes:  # noqa: B006 (nobody changes it)
    return Prototypes(*(torch.tensor(places, dtype=torch.int64) for places in (ids, criticisms)))


def enough(entry: object, images: int, number: int = 1) -> None:
    """Refuse more prototypes and criticisms than there are training images."""
    name, more = type(entry).__name__, getattr(entry, "criticisms", 0)
    if more >= images:
        raise ValueError(f"{name} needs fewer criticisms than training images, {images}; criticisms={more} was given")
    if type(number) is not int or not 1 <= number <= images - more:
        raise ValueError(f"{name} needs 1 to {images - more} prototypes of {images} images; {number!r} was given")


def typical_distance(h: Tensor) -> float:
    """Return the median distance between features (n, d), of 1000 images that are spread evenly where there are more.

    Of an even number of distances it is the lower one of the two in the middle. Refuses features that are mostly the
    same.
    """
    few = h[torch.linspace(0, len(h) - 1, min(FEW, len(h))).long()]
    median = float(torch.pdist(few).median()) if len(few) > 1 else 0.0
    if not median > 0:
        raise Inapplicable("a bandwidth needs features that differ; those of most pairs of training images are equal")
    return median


def kernel(a: Tensor, b: Tensor, width: float) -> Tensor:
    """Return the Gaussian kernel (n, m) of features (n, d) and (m, d), whose standard deviation is the width."""
    return torch.cdist(a, b).square().div(-2 * width**2).exp()


def mean_kernel(h: Tensor, others: Tensor, width: float) -> Tensor:
    """Return the mean kernel (n,) of each of h (n, d) with the others (m, d)."""
    return torch.cat([kernel(part, others, width).mean(1) for part in h.split(FEW)])


@chooses("structure", cites="Kim et al. 2016")
class MmdCritic:
    """Images with the distribution of all, and criticisms where the two differ [Kim et al. 2016].

    Prototypes are chosen greedily, each so that the squared maximum mean discrepancy to all training images is least.
    Criticisms are then chosen greedily, each by the largest |witness function| plus the gain in the log-determinant of
    their kernel, which keeps them apart. The kernel is Gaussian, of features before the last layer; its standard
    deviation is `bandwidth` times the median distance between images. Classes are not told apart, as in the paper's
    global kernel. The paper chooses the bandwidth by the accuracy of prototypes.
    """

    bandwidth: float
    criticisms: int
    enough = enough

    def __post_init__(self) -> None:
        positive(self, "bandwidth")
        whole(self, criticisms=0)

    def __call__(self, training: Training, number: int) -> Prototypes:
        self.enough(len(training.x), number)
        h = training.features(training.x)
        width = self.bandwidth * typical_distance(h)
        mean, near, ids = mean_kernel(h, h, width), torch.zeros(len(h)).double(), []
        for size in range(1, number + 1):
            ids.append(best(mean - near / size, ids))
            near += kernel(h[ids[-1:]], h, width)[0]
        return chosen(ids, self.criticised(h, width, (mean - near / number).abs(), ids))

    def criticised(self, h: Tensor, width: float, witness: Tensor, ids: list[int]) -> list[int]:
        """Return criticisms; the determinant is the product of what each row of a Cholesky factor leaves over."""
        left, factor, found = torch.ones(len(h)).double(), [], []
        for _ in range(self.criticisms):
            left = left.clamp(min=torch.finfo(left.dtype).tiny)
            place = best(witness + left.log(), ids + found)
            row = kernel(h[[place]], h, width)[0] - sum(other[place] * other for other in factor)
            factor.append(row / left[place].sqrt())
            left = left - factor[-1].square()
            found.append(place)
        return found


def best(score: Tensor, taken: list[int]) -> int:
    """Return the first place of the largest score (n,) that is not taken."""
    return int(score.index_fill(0, torch.tensor(taken, dtype=torch.int64), -torch.inf).argmax())


@chooses("structure", cites="Kaufman & Rousseeuw 1990")
class KMedoids:
    """Images that are nearest to all: PAM's medoids of features [Kaufman & Rousseeuw 1990].

    The sum over training images of the Euclidean distance to the nearest medoid is made small: medoids are added one by
    one, each the best, and then the best swap of a medoid with another image is made until none helps. The first stands
    for most images. All distances between training images are in memory at once.
    """

    enough = enough

    def __call__(self, training: Training, number: int) -> Prototypes:
        self.enough(len(training.x), number)
        h = training.features(training.x)
        distance = torch.cdist(h, h)
        ids, nearest = [], torch.full((len(h),), torch.inf).double()
        for _ in range(number):
            after = [torch.minimum(part, nearest).sum(1) for part in distance.split(FEW)]
            ids.append(best(-torch.cat(after), ids))
            nearest = torch.minimum(nearest, distance[ids[-1]])
        while True:
            change = swaps(distance, ids)
            if change.min() >= -1e-9 * distance[ids].amin(0).sum():
                break
            old, new = divmod(int(change.argmin()), len(h))
            ids[old] = new
        sizes = torch.bincount(distance[ids].argmin(0), minlength=number)
        return chosen([ids[k] for k in sizes.argsort(descending=True, stable=True)])


def swaps(distance: Tensor, ids: list[int]) -> Tensor:
    """Return by how much the sum of distances changes (k, n) when an image takes the place of a medoid."""
    near = distance[ids]
    owner, first = near.argmin(0), near.amin(0)
    second = near.scatter(0, owner[None], torch.inf).amin(0)  # where an image goes that loses its medoid
    own = torch.nn.functional.one_hot(owner, len(ids)).double()
    changes = []
    for part in distance.split(FEW):  # of candidates
        gain = (part - first).clamp(max=0)
        changes.append(gain.sum(1, keepdim=True) + (torch.minimum(part, second) - first - gain) @ own)
    return torch.cat(changes).T


@chooses("control", cites="", passes=(0, 0))
class RandomPrototypes:
    """Control: training images that are drawn at random, none twice; the first of more are the same."""

    seed: int
    enough = enough

    def __post_init__(self) -> None:
        whole(self, seed=0)

    def __call__(self, training: Training, number: int) -> Prototypes:
        self.enough(len(training.x), number)
        order = torch.randperm(len(training.x), generator=torch.Generator().manual_seed(self.seed))
        return chosen(order[:number].tolist())
