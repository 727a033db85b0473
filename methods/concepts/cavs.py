"""Concept activation vectors of given concepts, and whether a class depends on them.

`concept(concepts, random, slopes)` reads activations of one layer, pooled over positions. `concepts` are of each
concept (runs, m, c): m images in each run. `random` (2, runs, m, c) are two sets of images without regard to any
concept. `slopes` are of each class (images, c): how its logit rises with each channel, on images of the class. The
claims are of all w concepts and k classes. An image that stands in two sets makes the test wrong.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import torch
from scipy.stats import false_discovery_control
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from entries import choice, explains, positive, whole

ROUNDING = 1e-12
derives = partial(explains, "linearisation", passes="1 of each image, and one backward of each image of a class")


class Claims(NamedTuple):
    """What is said of concepts and classes, run by run and in all; float64 on the CPU."""

    cavs: Tensor  # (w, runs, c), of length 1, or 0 where the sets of a run have the same activations
    scores: Tensor  # (w, k, runs), the share of a class's images whose logit rises along the vector
    cosines: Tensor  # (w, k, runs), the mean cosine of slope and vector over these images
    random_scores: Tensor  # (k, runs), the same of vectors between two random sets
    random_cosines: Tensor  # (k, runs)
    effects: Tensor  # (w, k), the mean over runs of what is tested, less that of random vectors
    p_values: Tensor  # (w, k), of each pair alone
    adjusted: Tensor  # (w, k), by Benjamini and Hochberg over all pairs


def claims(entry: object, concepts: Sequence[Tensor], random: Tensor, slopes: Sequence[Tensor]) -> Claims:
    """Return what the entry's vectors claim of every concept and class.

    In each run the vector of a concept and that of a random set lie between these and the same other random images.
    If the concept's images are like random ones, the two scores of a run can be swapped: the p-value is the share of
    swaps at random whose mean difference is as far from 0, two-sided, and is exact. Many runs with one set of concept
    images, as is common, do not say this: in all of them the same images stand for the concept.
    """
    sets = torch.stack([*map(torch.as_tensor, concepts)]).double()
    random = random.double()
    if random.shape != (2, *sets.shape[1:]) or sets.ndim != 4:
        given = f"{[tuple(part.shape) for part in concepts]} and {tuple(random.shape)} were given"
        raise ValueError(f"{type(entry).__name__} needs concepts (runs, m, c) and random (2, runs, m, c); {given}")
    cavs, between = unit(entry.vectors(sets, random[1])), unit(entry.vectors(random[:1], random[1]))
    (scores, cosines), (random_scores, random_cosines) = felt(cavs, slopes), felt(between, slopes)
    told, by_chance = (cosines, random_cosines) if entry.statistic == "cosine" else (scores, random_scores)
    differences = told - by_chance
    p_values = swapped(differences, entry.permutations, entry.seed)
    adjusted = torch.from_numpy(false_discovery_control(p_values.numpy(), axis=None)).reshape(p_values.shape)
    effects = differences.mean(2)
    return Claims(cavs, scores, cosines, random_scores[0], random_cosines[0], effects, p_values, adjusted)


def unit(vectors: Tensor) -> Tensor:
    """Return vectors (..., c) of length 1; those of length 0 stay."""
    return torch.nn.functional.normalize(vectors, dim=-1, eps=ROUNDING)


def felt(cavs: Tensor, slopes: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Return the TCAV scores and the mean cosines (w, k, runs) of vectors (w, runs, c)."""
    along = [unit(part.double()) @ cavs.mT for part in slopes]  # of each class (w, images, runs)
    return torch.stack([(a > 0).double().mean(1) for a in along], 1), torch.stack([a.mean(1) for a in along], 1)


def swapped(differences: Tensor, permutations: int, seed: int) -> Tensor:
    """Return the two-sided p-values (w, k) of the means of differences (w, k, runs), by signs that are drawn."""
    runs, rng = differences.shape[-1], torch.Generator().manual_seed(seed)
    signs = 2 * torch.randint(0, 2, (runs, permutations), generator=rng).double() - 1
    least = differences.sum(-1, keepdim=True).abs() - runs * ROUNDING
    far = [((d @ signs).abs() >= bound).sum(1) for d, bound in zip(differences, least, strict=True)]
    return (1 + torch.stack(far).double()) / (1 + permutations)


def tested(entry: object) -> None:
    """Refuse what is no test."""
    choice(entry, "statistic", ("score", "cosine"))
    whole(entry, permutations=1, seed=0)


@derives(cites="Kim et al. 2018; Schmalwasser et al. 2025")
class Tcav:
    """TCAV [Kim et al. 2018] of the difference of means [Schmalwasser et al. 2025], in closed form.

    Activations are pooled over positions, and a slope is the logit's derivative as a channel rises alike at all of
    them; the authors read every position alone. `statistic` is what is tested: the share of images with a rising
    logit (score), or the mean cosine.
    """

    statistic: str
    permutations: int
    seed: int
    __call__ = claims
    __post_init__ = tested

    def vectors(self, shown: Tensor, others: Tensor) -> Tensor:
        """Return the vectors (w, runs, c) from others (runs, m, c) to what is shown (w, runs, m, c)."""
        return shown.mean(2) - others.mean(1)


@derives(cites="Kim et al. 2018")
class TcavLogistic:
    """TCAV whose vectors are the weights of a linear classifier [Kim et al. 2018], by scikit-learn.

    `classifier` is logistic (with an L2 penalty of inverse weight `c`) or lda, whose covariance is shrunk by the rule
    of Ledoit and Wolf. Activations are pooled as in Tcav, and not standardised.
    """

    statistic: str
    permutations: int
    seed: int
    classifier: str
    c: float
    __call__ = claims

    def __post_init__(self) -> None:
        tested(self)
        choice(self, "classifier", ("logistic", "lda"))
        positive(self, "c")

    def vectors(self, shown: Tensor, others: Tensor) -> Tensor:
        """Return the weights (w, runs, c) that tell what is shown (w, runs, m, c) from others (runs, m, c)."""
        runs = [[self.weights(*pair) for pair in zip(part, others, strict=True)] for part in shown]
        return torch.stack([torch.stack(part) for part in runs])

    def weights(self, shown: Tensor, others: Tensor) -> Tensor:
        x, y = torch.cat([others, shown]).numpy(), [0] * len(others) + [1] * len(shown)
        if self.classifier == "lda":
            model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
        else:
            model = LogisticRegression(C=self.c, tol=1e-8, max_iter=10_000)
        return torch.from_numpy(model.fit(x, y).coef_[0])
