"""Claims of given concepts: what they are, and how they stand to the measured effects of the concepts.

A claim is of a concept and a class. It is significant where its p-value, adjusted over all pairs, is at most
`benchmark.alpha`. An effect is measured in standard deviations of the class's logit; it counts where its 95 % interval
lies beyond `benchmark.delta` on one side, and does not where the interval lies within. Other pairs are undecided.
"""

import json
from functools import partial
from math import inf, nan

import torch
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score
from torch import Tensor

from benchmarks.concepts.claimed import Claimed, Truth
from entries import choice, scores

claims = partial(scores, "concept", passes=(0, 0, 0))
NONE_COUNTS = "no effect counts"
ALL_COUNT = "every effect counts or is undecided"
SCENES = "2 of each scene of a pair, for each word"


def pairs(metric: object, claimed: Claimed) -> list[str]:
    """Return what the scores are of: every concept with every class, as a list in JSON."""
    return [json.dumps([word, name]) for word in claimed.words for name in claimed.classes]


def words(metric: object, claimed: Claimed) -> list[str]:
    """Return what the scores are of: every concept."""
    return [*claimed.words]


def whole(metric: object, claimed: Claimed) -> list[str]:
    return [""]


@claims(higher_is_better=True, cites="Kim et al. 2018", bounds=(0.0, 1.0))
class ConceptScore:
    """TCAV score of every pair: the share of the class's images whose logit rises along the vector.

    It is the mean over runs, and not to be compared with .5: slopes of one class are nearly parallel, so that random
    vectors have scores near 0 and near 1.
    """

    parts = pairs

    def __call__(self, claimed: Claimed) -> Tensor:
        return claimed.claims.scores.mean(2).flatten()


@claims(higher_is_better=True, cites="", bounds=(-1.0, 1.0))
class ConceptCosine:
    """Mean cosine of every pair between the slopes of the class's images and the concept's vectors."""

    parts = pairs

    def __call__(self, claimed: Claimed) -> Tensor:
        return claimed.claims.cosines.mean(2).flatten()


@claims(higher_is_better=False, cites="Benjamini & Hochberg 1995", bounds=(0.0, 1.0))
class ConceptPValue:
    """P-value of every pair against random vectors, adjusted over all pairs [Benjamini & Hochberg 1995]."""

    parts = pairs

    def __call__(self, claimed: Claimed) -> Tensor:
        return claimed.claims.adjusted.flatten()


@claims(higher_is_better=True, cites="", bounds=(-2.0, 2.0))
class ConceptClaim:
    """Claimed effect of every pair: TCAV score, or cosine, less that of random vectors.

    It is what the entry tests, the mean over runs. Its sign says whether the concept raises the logit or lowers it.
    """

    parts = pairs

    def __call__(self, claimed: Claimed) -> Tensor:
        return claimed.claims.effects.flatten()


@claims(higher_is_better=True, cites="", passes=SCENES)
class ConceptEffect:
    """Measured effect of every pair: the mean change of the logit as the word comes into a scene.

    `end` is mean, or an end of its 95 % interval over scenes: low or high. The effect is the truth that claims are
    compared with, and does not depend on them. Its unit is the standard deviation of the logit over scenes.
    """

    end: str
    parts = pairs

    def __post_init__(self) -> None:
        choice(self, "end", Truth._fields)

    def __call__(self, claimed: Claimed) -> Tensor:
        return getattr(claimed.truth, self.end).flatten()


@claims(
    higher_is_better=True,
    cites="",
    bounds=(0.0, 1.0),
    undefined=f"{NONE_COUNTS}, or {ALL_COUNT}",
    passes=SCENES,
)
class ConceptAuroc:
    """AUROC of the size of claimed effects, for pairs whose measured effect counts against the others."""

    parts = whole

    def __call__(self, claimed: Claimed) -> Tensor:
        decided = claimed.relevant | claimed.irrelevant
        counts, size = claimed.relevant[decided], claimed.claims.effects.abs()[decided]
        known = counts.any() and not counts.all()
        return torch.tensor([roc_auc_score(counts, size) if known else nan])


@claims(
    higher_is_better=True,
    cites="",
    bounds=(-1.0, 1.0),
    undefined="the claimed or the measured effects are all the same",
    passes=SCENES,
)
class ConceptSpearman:
    """Spearman correlation of claimed and measured effects, signed, over all pairs."""

    parts = whole

    def __call__(self, claimed: Claimed) -> Tensor:
        both = claimed.claims.effects.flatten(), claimed.truth.mean.flatten()
        constant = any(len(one.unique()) < 2 for one in both)
        return torch.tensor([nan if constant else spearmanr(*both).statistic])


@claims(higher_is_better=False, cites="", bounds=(0.0, 1.0), undefined=ALL_COUNT, passes=SCENES)
class FalsePositives:
    """Share of significant claims among the pairs whose measured effect does not count.

    At most `benchmark.alpha` is promised, where the images of such a concept are like random ones.
    """

    parts = whole

    def __call__(self, claimed: Claimed) -> Tensor:
        return claimed.significant[claimed.irrelevant].double().mean()[None]


@claims(higher_is_better=True, cites="", bounds=(0.0, 1.0), undefined=NONE_COUNTS, passes=SCENES)
class Power:
    """Share of significant claims of the right sign among the pairs whose measured effect counts."""

    parts = whole

    def __call__(self, claimed: Claimed) -> Tensor:
        right = claimed.claims.effects.sign() == claimed.truth.mean.sign()
        return (claimed.significant & right)[claimed.relevant].double().mean()[None]


@claims(
    higher_is_better=True,
    cites="",
    bounds=(-1.0, 1.0),
    undefined="in a run, the images of the concept have the activations of the random ones",
)
class Stability:
    """Mean cosine of a concept's vectors over all pairs of runs, which share no image."""

    parts = words

    def __call__(self, claimed: Claimed) -> Tensor:
        cavs = claimed.claims.cavs
        runs = cavs.shape[1]
        mean = (cavs.sum(1).square().sum(1) - runs) / (runs * (runs - 1))
        return torch.where((cavs.norm(dim=2) > 0).all(1), mean, nan)


@claims(
    higher_is_better=False,
    cites="",
    bounds=(0.0, 1.0),
    undefined="there is no other concept, or its mean vector is 0",
)
class Entanglement:
    """Largest |cosine| of a concept's vector, mean over runs, with that of another concept.

    Words of one factor, such as left and right, exclude each other and are not compared.
    """

    parts = words

    def __call__(self, claimed: Claimed) -> Tensor:
        vectors = claimed.claims.cavs.mean(1)
        cosines = torch.nn.functional.normalize(vectors, dim=1)
        cosines = (cosines @ cosines.T).abs()
        other = torch.tensor([[a != b for b in claimed.factors] for a in claimed.factors])
        other &= (vectors.norm(dim=1) > 0)[:, None] & (vectors.norm(dim=1) > 0)
        return torch.where(other, cosines, -inf).amax(1).clamp(max=1).masked_fill(~other.any(1), nan)
