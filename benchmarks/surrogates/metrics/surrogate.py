"""How well simple models imitate a network: by classes, by logits, and whether other train images make other models.

A metric gives every test image a number for each size (n, s), whose mean over images is the score.
"""

from functools import partial
from math import inf, nan

import numpy as np
import torch
from torch import Tensor

from benchmarks.surrogates.surrogated import Surrogated
from entries import scores, whole

imitates = partial(scores, "fidelity", higher_is_better=True)


@imitates(bounds=(0.0, 1.0), cites="Craven & Shavlik 1996")
class Fidelity:
    """Share of test images of which the simple model says the network's own class, right or wrong."""

    of_images = True

    def __call__(self, surrogated: Surrogated) -> Tensor:
        return (surrogated.predicted == surrogated.wanted).double().T


@imitates(bounds=(-inf, 1.0), undefined="the network says one class of all test images")
class BalancedFidelity:
    """(fidelity - m) / (1 - m), where m is the share of the class that the network says most often.

    It is 0 of a model that always says that class of the test images, and 1 of one that always agrees.
    """

    def __call__(self, surrogated: Surrogated) -> Tensor:
        wanted = surrogated.wanted
        most = torch.bincount(wanted).double().max() / len(wanted)
        return ((surrogated.predicted == wanted).double().T - most) / (1 - most if most < 1 else nan)


@imitates(bounds=(-inf, 1.0), undefined="the network's logits are the same on all test images")
class LogitR2:
    """R2 of the network's logits: the share of their variance that the simple model explains.

    It is over all images and classes. Logits are less their mean over classes, which no probability depends on. An
    image's number is 1 - n e / v, with e its squared error and v the sum over all n images of the squared distance to
    their mean.
    """

    def __call__(self, surrogated: Surrogated) -> Tensor:
        own = centred(surrogated.logits)
        total = (own - own.mean(0)).square().sum()
        errors = (surrogated.said - own).square().sum(2).T
        return 1 - len(own) * errors / torch.where(total > 0, total, nan)


@scores("fidelity", higher_is_better=False, bounds=(0.0, inf))
class LogitKl:
    """Kullback-Leibler divergence of the simple model's probabilities from the network's, in nats.

    Both are the softmax of logits.
    """

    of_images = True

    def __call__(self, surrogated: Surrogated) -> Tensor:
        own, said = surrogated.logits.double().log_softmax(1), surrogated.said.log_softmax(2)
        return (own.exp() * (own - said)).sum(2).T.clamp(min=0)


@scores("robustness", higher_is_better=True, bounds=(0.0, 1.0))
class SurrogateStability:
    """How often two simple models say the same class, that were fitted on different train images.

    Each of `bootstraps` models is fitted on as many train images as there are, drawn with replacement; what it reads of
    an image, such as the words' scores, stays the same. An image's number is the share of pairs of models that agree.
    """

    bootstraps: int
    seed: int
    of_images = True

    def __post_init__(self) -> None:
        whole(self, bootstraps=2, seed=0)

    def __call__(self, surrogated: Surrogated) -> Tensor:
        rng, n = np.random.default_rng(self.seed), surrogated.trained
        said = torch.stack([surrogated.refitted(rng.integers(n, size=n)) for _ in range(self.bootstraps)])
        votes = torch.nn.functional.one_hot(said).sum(0).double()  # (s, n, k)
        pairs = self.bootstraps * (self.bootstraps - 1)
        return ((votes * (votes - 1)).sum(2) / pairs).T


def centred(logits: Tensor) -> Tensor:
    """Return logits (..., k) less their mean over classes."""
    return logits.double() - logits.double().mean(-1, keepdim=True)
