"""Discovered concepts against planted factors, their parts of images, the network's classes, and other images.

`encoded` (n, k) is how much of each of k concepts is in each of n test images, the mean of `maps` over positions.
"""

from functools import partial
from math import inf, nan

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from scipy.stats import rankdata
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torch.nn.functional import interpolate

from benchmarks.concepts.discovered import Discovered, Planted
from entries import Inapplicable, number, positive, scores, whole

recovers = partial(scores, "recovery", higher_is_better=True)
NOT_DRAWN = "nobody knows what the images of this data set show"


def planted(metric: object, discovered: Discovered) -> Planted:
    """Return what the scenes show; refuse images of which nobody knows it."""
    if discovered.planted is None:
        raise Inapplicable(f"{type(metric).__name__} needs drawn scenes, as those of dataset=rules; {NOT_DRAWN}")
    return discovered.planted


def concepts(metric: object, discovered: Discovered) -> list[str]:
    """Return what the scores are of: every concept."""
    return discovered.names


def matched(likeness: np.ndarray) -> np.ndarray:
    """Return for each column the entry of its row, where rows and columns are paired for the largest sum; 0 of none."""
    pairs = linear_sum_assignment(likeness, maximize=True)
    found = np.zeros(likeness.shape[1])
    found[pairs[1]] = likeness[pairs]
    return found


def auc(encoded: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """Return the area under the ROC curve (k, w) of each column (n, k) for each word (n, w), ties counting a half."""
    ranks, yes = rankdata(encoded, axis=0), shown.sum(0)
    return (ranks.T @ shown - yes * (yes + 1) / 2) / (yes * (len(shown) - yes))


@recovers(bounds=(0.0, 1.0), undefined=f"no word differs between the scenes, or {NOT_DRAWN}")
class RecoveredShare:
    """How well the concept that is matched to a planted word tells which images show it: 2 |AUC - .5|.

    The AUC is that of how much of the concept is in an image, for whether the image shows the word. Concepts and words
    are paired one to one for the largest sum; a word that gets no concept has 0, so that the mean over words is the
    share that is recovered. Of two words that exclude each other and are always there, such as left and right, one is
    left out. Matching lifts the score of any directions above 0, which the control shows.
    """

    def parts(self, discovered: Discovered) -> list[str]:
        """Return what the scores are of: the words."""
        return [discovered.planted.words[w] for w in self.words(discovered)] if discovered.planted else [""]

    def words(self, discovered: Discovered) -> list[int]:
        shown, kept = discovered.planted.shown, []
        for w in range(shown.shape[1]):
            if not any((shown[:, w] != shown[:, other]).all() for other in kept):
                kept.append(w)
        return kept

    def __call__(self, discovered: Discovered) -> Tensor:
        shown = planted(self, discovered).shown[:, self.words(discovered)].double().numpy()
        return torch.from_numpy(matched(2 * abs(auc(discovered.encoded.numpy(), shown) - 0.5)))


@recovers(bounds=(-inf, 1.0), undefined=f"the concept is the same in all images, or {NOT_DRAWN}")
class Purity:
    """Whether the images with most of a concept share a word: its lift, over that of random images.

    The lift of a word is (share of the `top` images that show it - p) / (1 - p), where p is its share of all images;
    the word with the largest is taken. E is the mean of the same over `draws` sets of random images, and the score is
    (lift - E) / (1 - E): 1 where all top images show a word, 0 where they are as random ones. Images with equally much
    of a concept come in random order.
    """

    top: int
    draws: int
    seed: int
    parts = concepts

    def __post_init__(self) -> None:
        whole(self, top=1, draws=1, seed=0)

    def __call__(self, discovered: Discovered) -> Tensor:
        shown = planted(self, discovered).shown.double()
        n, rng = len(shown), np.random.default_rng(self.seed)
        if n <= self.top:
            raise Inapplicable(f"Purity needs more images than top={self.top}; there are {n}")
        if not shown.shape[1]:
            return torch.full((len(discovered.names),), nan)
        base = shown.mean(0)

        def lift(index: np.ndarray) -> Tensor:
            return ((shown[index].mean(-2) - base) / (1 - base)).amax(-1)

        expected = lift(np.stack([rng.permutation(n)[: self.top] for _ in range(self.draws)])).mean()
        order, encoded = rng.permutation(n), discovered.encoded.numpy()
        top = np.stack([order[np.argsort(-column[order], kind="stable")[: self.top]] for column in encoded.T])
        varies = torch.from_numpy(np.ptp(encoded, axis=0) > 0)
        return torch.where(varies, (lift(top) - expected) / (1 - expected), nan)


@recovers(
    cites="Bau et al. 2017", bounds=(-inf, 1.0), undefined=f"the concept's maps are the same everywhere, or {NOT_DRAWN}"
)
class ConceptIou:
    """IoU of a concept's maps with the mask of a word, between chance and bound [after Bau et al. 2017].

    Maps are resized bilinearly to the size of the image, and a pixel belongs to the concept where its value is in the
    largest `share` of all pixels of all images. With q the share of pixels that do and p that of the mask, IoU is p q /
    (p + q - p q) of a concept that knows nothing of the word, and at most min(p, q) / max(p, q). The score is where
    between the two the IoU lies, of the word for which this is the largest.
    """

    share: float
    parts = concepts

    def __post_init__(self) -> None:
        number(self, "share", "in (0, 1)", lambda share: 0 < share < 1)

    def __call__(self, discovered: Discovered) -> Tensor:
        scenes, size = planted(self, discovered), discovered.x.shape[2:]
        on = torch.stack([self.marked(discovered.maps[:, [j]], size) for j in range(len(discovered.names))])
        fits = [fit(on, scenes.mask(word)) for word in scenes.masked]
        best = torch.stack(fits).nan_to_num(-inf).amax(0) if fits else torch.full((len(on),), -inf)
        return torch.where(best.isfinite(), best, nan)

    def marked(self, maps: Tensor, size: tuple[int, int]) -> Tensor:
        """Return where the concept is (n, h, w); nowhere if its maps (n, 1, h, w) are the same everywhere."""
        sized = interpolate(maps.float(), size, mode="bilinear", align_corners=False)[:, 0]
        rank = max(1, round((1 - self.share) * sized.numel()))
        threshold = sized.flatten().kthvalue(rank).values
        on = sized > threshold
        return on if on.any() else (sized >= threshold) & (sized > sized.min())


def fit(on: Tensor, mask: Tensor) -> Tensor:
    """Return for concepts (k, n, h, w) where between chance and bound their IoU with a mask (n, h, w) lies."""
    p, q, both = (part.flatten(-3).sum(-1).double() / mask.numel() for part in (mask, on, on & mask))
    chance, bound = p * q / (p + q - p * q), torch.minimum(p, q) / torch.maximum(p, q)
    return (both / (p + q - both) - chance) / (bound - chance)


@scores("robustness", higher_is_better=True, bounds=(0.0, 1.0), passes="as many as the entry makes")
class DiscoveryStability:
    """Mean |cosine| of the directions that are found in either half of the images, with two seeds.

    Directions are paired one to one for the largest sum. Those of factors >= 0 all lie in one corner of the space, so
    that their score is above that of random directions whatever the images show.
    """

    def parts(self, discovered: Discovered) -> list[str]:
        return [""]

    def __call__(self, discovered: Discovered) -> Tensor:
        first, second = discovered.halves()
        return torch.from_numpy(matched((first @ second.T).abs().numpy())).mean()[None]


@scores(
    "completeness",
    higher_is_better=True,
    cites="Yeh et al. 2020",
    bounds=(-inf, 1.0),
    undefined="the network takes all images for one class, or there is no train split to learn from",
)
class ConceptCompleteness:
    """(accuracy - chance) / (1 - chance) of the network's class, read from concepts [Yeh et al. 2020].

    The accuracy is that of a linear read-out of how much of each concept is in an image, for the class that the network
    takes it for; it is fitted on train images by scikit-learn's logistic regression of standardised columns, with `c`
    the inverse weight of the penalty. Chance is the share of the most frequent class. In the paper the read-out is the
    network's own rest behind a learnt map, and the accuracy is about labels, over the network's own; the network's
    accuracy about its own class is 1. The row "" is of the concepts. Two rows are controls: "shuffled" of concepts that
    belong to other images, and "pixels" of as many principal components of the pixels.
    """

    c: float
    seed: int

    def __post_init__(self) -> None:
        positive(self, "c")
        whole(self, seed=0)

    def parts(self, discovered: Discovered) -> list[str]:
        """Return what the scores are of: the concepts, and two controls."""
        return ["", "shuffled", "pixels"]

    def __call__(self, discovered: Discovered) -> Tensor:
        train = discovered.train()
        if train is None:
            raise Inapplicable("ConceptCompleteness needs a data set with a train split, on which a read-out is fitted")
        if len(train.logits.argmax(1).unique()) < 2:
            raise Inapplicable("ConceptCompleteness needs train images of two classes; the network takes all for one")
        y, wanted = train.logits.argmax(1).numpy(), discovered.logits.argmax(1).numpy()
        rng, k = np.random.default_rng(self.seed), discovered.encoded.shape[1]
        own, of_train = discovered.encoded.numpy(), train.encoded.numpy()
        pixels, of_test = (x.flatten(1).double().cpu().numpy() for x in (train.x, discovered.x))
        components = PCA(min(k, len(pixels) - 1), svd_solver="arpack", random_state=0).fit(pixels)
        pairs = (
            (of_train, own),
            (rng.permutation(of_train), rng.permutation(own)),
            (components.transform(pixels), components.transform(of_test)),
        )
        chance = np.bincount(wanted).max() / len(wanted)
        if chance == 1:
            return torch.full((3,), nan)
        accuracy = [self.readout(a, y).score(b, wanted) for a, b in pairs]
        return (torch.tensor(accuracy, dtype=torch.float64) - chance) / (1 - chance)

    def readout(self, encoded: np.ndarray, y: np.ndarray) -> object:
        return make_pipeline(StandardScaler(), LogisticRegression(C=self.c, max_iter=1000)).fit(encoded, y)
