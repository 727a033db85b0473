"""Known answers: what simple models say of images, set by hand."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import log

import numpy as np
import torch
from torch import Tensor

from benchmarks.conformance.answers import Answer
from benchmarks.conformance.cases import frozen
from benchmarks.surrogates.surrogated import Surrogated
from tests.answers.models import Constant

OTHERWISE = {"fidelity": "it is 0 or 1, and both are known"}
NAN = torch.nan
WANTED = (0, 0, 0, 1)  # the network's classes of four images
SAID = {"one class": (0, 0, 0, 0), "one image wrong": (0, 0, 1, 1), "every image wrong": (1, 1, 1, 0)}
SURE = log(3)  # the difference of two logits whose probabilities are 3/4 and 1/4


def logit(classes: Sequence[int]) -> Tensor:
    """Return logits (n, 2) whose class has the probability 3/4."""
    return SURE / 2 * (2 * torch.nn.functional.one_hot(torch.tensor(classes), 2).double() - 1)


def surrogated(said: Sequence[int], wanted: Sequence[int] = WANTED, logits: Tensor | None = None) -> Surrogated:
    """A model of one size; where no `logits` are given, it gives its class 3/4, as the network does.

    The models that are fitted on other images say in turn 0 0 0 0, 0 0 1 1 and 1 1 1 0.
    """
    votes = iter([torch.tensor([row]) for row in SAID.values()])

    def refitted(index: np.ndarray) -> Tensor:
        return next(votes)

    told = logit(said) if logits is None else logits
    x, predicted = torch.zeros(4, 3, 8, 8), torch.tensor([said])
    return Surrogated(frozen(Constant()), x, (2,), logit(wanted), predicted, told[None], 5, refitted)


def told(right: float, wrong: float) -> Iterator[Answer]:
    """Answers of models that say the network's class of some images, with the scores of a right and a wrong one."""
    for name, said in SAID.items():
        scores = [right if own == wanted else wrong for own, wanted in zip(said, WANTED, strict=True)]
        yield Answer("set by hand", name, surrogated(said), scores)


def fidelity(metric) -> Iterator[Answer]:
    yield from told(1, 0)


def balanced_fidelity(metric) -> Iterator[Answer]:
    yield from told(1, -3)
    yield Answer("set by hand", "the network says one class", surrogated((0, 0, 1, 1), (0, 0, 0, 0)), NAN)


def logit_r2(metric) -> Iterator[Answer]:
    # Logits are a and -a: their variance sums up to 6 a^2, and a wrong class has the squared error 8 a^2.
    yield from told(1, 1 - 4 * 8 / 6)
    mean = logit(WANTED).mean(0).expand(4, 2)
    scores = [1 - 4 * 0.5 / 6] * 3 + [1 - 4 * 4.5 / 6]
    yield Answer("set by hand", "the mean logits, whose R2 is 0", surrogated((0,) * 4, logits=mean), scores)
    yield Answer("set by hand", "the same logits of all images", surrogated((0, 0, 1, 1), (0, 0, 0, 0)), NAN)


def logit_kl(metric) -> Iterator[Answer]:
    yield from told(0, SURE / 2)
    even = 0.75 * log(1.5) + 0.25 * log(0.5)
    yield Answer("set by hand", "no class is more probable", surrogated((0,) * 4, logits=torch.zeros(4, 2)), even)


def surrogate_stability(metric) -> Iterator[Answer]:
    for count, scores in ((2, [1, 1, 0, 0]), (3, [1 / 3] * 4)):
        own = replace(metric, bootstraps=count)
        yield Answer("set by hand", f"{count} models", surrogated((0,) * 4), scores, metric=own)
