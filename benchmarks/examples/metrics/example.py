"""Training images that explain a decision, against exact refits, fitted networks and what was planted.

A score is of a test image, unless it is about labels, which belong to no test image.
"""

from functools import partial
from itertools import combinations
from math import nan, sqrt

import numpy as np
import torch
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve
from torch import Tensor

from benchmarks.examples.correlation import correlation, resampled, spearman
from benchmarks.examples.traced import Traced
from entries import Inapplicable, scores, whole

traces = partial(scores, "example", cites="")
POINTS = 41  # of a detection curve


def all_images(metric: object, traced: Traced) -> list[str]:
    return [*traced.image]


def first_images(metric: object, traced: Traced) -> list[str]:
    """Return the test images that have a duplicate among the training images."""
    return [*traced.image[: traced.duplicates]]


def of_none(metric: object, traced: Traced) -> list[str]:
    return [""]


@traces(
    higher_is_better=True,
    cites="Koh & Liang 2017",
    bounds=(-1.0, 1.0),
    undefined="all changes or all explanations are the same",
)
class InfluenceCorrelation:
    """Correlation with the change of the margin when an image is left out [Koh & Liang 2017].

    The head is the convex one, refitted exactly without each of `benchmark.left_out` training images; the correlation
    is Pearson's, over these. For a whole network such changes are mostly noise, and subsets are asked instead (Lds).
    """

    images = all_images

    def __call__(self, traced: Traced) -> Tensor:
        truth = traced.left_out()
        return correlation(traced.tau[:, truth.places], truth.change)


SAME = "all margins or all sums of explanations are the same"


def sums_and_margins(traced: Traced) -> tuple[Tensor, Tensor]:
    """Return for each test image and subset (n, s) the summed explanations and the mean margin of the networks."""
    inside, margins = traced.subsets()
    return traced.tau @ inside.double().T, margins.mean(1).T


@traces(higher_is_better=True, cites="Park et al. 2023", bounds=(-1.0, 1.0), undefined=SAME)
class Lds:
    """Rank correlation of summed explanations with margins of subset networks [Park et al. 2023].

    The sum is over the training images of a subset, which is a random half; the margin is the mean over `seeds`
    networks that are fitted on it anew. LdsCeiling says how much of the margins can be explained.
    """

    images = all_images

    def __call__(self, traced: Traced) -> Tensor:
        return spearman(*sums_and_margins(traced))


@traces(higher_is_better=True, bounds=(-1.0, 1.0), undefined=SAME)
class LdsInterval:
    """The two ends of the 95 % interval of the mean LDS, over test images and subsets that are drawn anew.

    They are the 2.5 % and 97.5 % percentiles of `resamplings` bootstraps. Each draws as many subsets and as many test
    images as there are, with replacement, and takes the mean LDS of these images over these subsets. An interval over
    images alone would be too narrow, since all test images are judged by the same subsets.
    """

    resamplings: int
    seed: int

    images = of_none
    parts = ("low", "high")

    def __post_init__(self) -> None:
        whole(self, resamplings=1, seed=0)

    def __call__(self, traced: Traced) -> Tensor:
        pair, rng = sums_and_margins(traced), np.random.default_rng(self.seed)
        n, s = pair[0].shape
        images, subsets = (rng.multinomial(k, [1 / k] * k, self.resamplings) for k in (n, s))
        found = resampled(*pair, torch.from_numpy(subsets).double())
        times = torch.from_numpy(images.T).double().where(found.isfinite(), 0)
        means = (times * found.nan_to_num()).sum(0) / times.sum(0)
        return means.nanquantile(torch.tensor([0.025, 0.975], dtype=torch.float64))


@traces(
    higher_is_better=True,
    bounds=(0.0, 1.0),
    undefined="networks that were fitted on the same subset agree no better than those of different ones",
)
class LdsCeiling:
    """Highest LDS that can be expected of a perfect entry: sqrt(s r / (1 + (s - 1) r)).

    s networks are fitted on each subset. r is the rank correlation over subsets of the margins of one network and
    another one, averaged over test images and pairs of networks. By the formula of Spearman and Brown the mean margin
    of s networks then has the reliability s r / (1 + (s - 1) r), and no correlation with it is expected to exceed the
    root of that. It is the same for all entries.
    """

    images = of_none

    def __call__(self, traced: Traced) -> Tensor:
        networks = traced.subsets().margins.unbind(1)
        r = float(torch.stack([spearman(one.T, other.T) for one, other in combinations(networks, 2)]).nanmean())
        s = len(networks)
        return torch.tensor([sqrt(s * r / (1 + (s - 1) * r)) if r > 0 else nan], dtype=torch.float64)


def suspected(traced: Traced) -> tuple[np.ndarray, np.ndarray]:
    """Return which labels are wrong (m,) and self-influence (m,); refuse an entry without one."""
    own, wrong = traced.flipped()
    if own.isnan().any():
        raise Inapplicable("wrong labels are found by self-influence, and the entry gives none")
    return wrong.numpy(), own.numpy()


@traces(higher_is_better=True, cites="Koh & Liang 2017", bounds=(0.0, 1.0))
class FlippedAuroc:
    """AUROC of finding wrong labels among the training images by self-influence [Koh & Liang 2017].

    The network was fitted on images of which a share has a wrong label. A constant self-influence has .5.
    """

    images = of_none

    def __call__(self, traced: Traced) -> Tensor:
        return torch.tensor([roc_auc_score(*suspected(traced))], dtype=torch.float64)

    def curve(self, traced: Traced) -> tuple[Tensor, Tensor]:
        """Return the shares of training images that are checked and of wrong labels that are found, largest first."""
        wrong, own = suspected(traced)
        false, true, _ = roc_curve(wrong, own, drop_intermediate=False)
        checked, shares = wrong.mean() * true + (1 - wrong.mean()) * false, np.linspace(0, 1, POINTS)
        return torch.from_numpy(shares), torch.from_numpy(np.interp(shares, checked, true))[None]


@traces(higher_is_better=True, cites="Koh & Liang 2017", bounds=(0.0, 1.0))
class FlippedPrecision:
    """Average precision of finding wrong labels by self-influence [Koh & Liang 2017].

    A constant self-influence has the share of wrong labels.
    """

    images = of_none

    def __call__(self, traced: Traced) -> Tensor:
        return torch.tensor([average_precision_score(*suspected(traced))], dtype=torch.float64)


@traces(higher_is_better=True, bounds=(0.0, 1.0))
class DuplicatesFound:
    """Reciprocal rank of the same image among the training images, the most helpful first.

    Ties share their mean rank. The network was fitted with these duplicates. The mean over test images is the mean
    reciprocal rank (MRR).
    """

    images = first_images

    def __call__(self, traced: Traced) -> Tensor:
        tau, places = traced.doubled()
        own = tau.gather(1, places[:, None])
        return 1 / ((tau > own).sum(1) + ((tau == own).sum(1) + 1) / 2).double()


@traces(higher_is_better=True, bounds=(0.0, 1.0), undefined="the patch does not make the network say its label")
class ShortcutAuroc:
    """AUROC of training images with a patch among those of their label, where the patch decides.

    The network was fitted on images of which some have a patch and one label, whatever they show. Test images of which
    the network says the label without the patch, or does not say it with the patch, are left out.
    """

    images = all_images

    def __call__(self, traced: Traced) -> Tensor:
        tau, planted, misled = traced.patched()
        found = [roc_auc_score(planted, row) if seen else nan for row, seen in zip(tau, misled, strict=True)]
        return torch.tensor(found, dtype=torch.float64)


@traces(higher_is_better=False, bounds=(0.0, 1.0), undefined="explanations of one of the networks are all the same")
class Randomisation:
    """Size of the rank correlation with the explanations of an untrained network of the same architecture.

    What is the same for both networks does not explain what the network has learnt.
    """

    seed: int

    images = all_images

    def __post_init__(self) -> None:
        whole(self, seed=0)

    def __call__(self, traced: Traced) -> Tensor:
        return spearman(traced.tau, traced.untrained(self.seed)).abs()
