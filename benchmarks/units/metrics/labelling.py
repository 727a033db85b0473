"""Are the words of units right: where a unit is active, whether chance does as well, and what removing it does.

A unit is active where its map, scaled to the masks bilinearly, is above the value that a share `quantile` of the
unscaled maps' positions exceeds. Words are found on reference images, of which the p-values are; all else is of the
held-out images.
"""

from functools import partial, partialmethod
from math import inf, nan

import numpy as np
import torch
from scipy.stats import false_discovery_control, rankdata, spearmanr
from torch import Tensor
from torch.nn.functional import interpolate

from benchmarks.units.labelled import Labelled
from entries import number, scores, whole

NO_WORD = "the unit is never active, and so has no word"
names = partial(scores, "labelling")


def quantile(metric: object) -> None:
    number(metric, "quantile", "in (0, 1)", lambda quantile: 0 < quantile < 1)


@names(
    higher_is_better=True,
    cites="Bau et al. 2017",
    bounds=(0.0, 1.0),
    undefined=f"{NO_WORD}, or its word is in no held-out image",
)
class UnitIou:
    """IoU of a unit with its word, over the largest that their sizes allow [after Bau et al. 2017].

    Of a unit that is active in a share q of all positions and a word in a share p of them, the IoU is at most
    min(p, q) / max(p, q). A word in a fifth of all positions can reach .025 only, where the paper's bar is .04. By
    chance the score is about p / (1 + p) for a word that is in far more positions than the unit.
    """

    quantile: float
    of_units = True
    __post_init__ = quantile

    def __call__(self, labelled: Labelled) -> Tensor:
        found = labelled.overlap(labelled.held_out, self.quantile)
        return labelled.of_label(found.iou / found.bound)


@names(
    higher_is_better=True,
    bounds=(0.0, 1.0),
    undefined=f"{NO_WORD}, or its word is in no held-out image",
)
class UnitPrecision:
    """Average precision of a unit's map as a detector of its word's positions in all images together.

    It needs no threshold. By chance it is the share of positions that the word has. Equal values are one step.
    """

    of_units = True

    def __call__(self, labelled: Labelled) -> Tensor:
        maps, masks, out = labelled.maps(labelled.held_out), labelled.masks(labelled.held_out), []
        for unit, label in enumerate(labelled.labels.label.tolist()):
            scaled = interpolate(maps[:, [unit]], masks.shape[2:], mode="bilinear", align_corners=False)
            out.append(average_precision(scaled.flatten(), masks[:, label].flatten()) if label >= 0 else nan)
        return torch.tensor(out, dtype=torch.float64)


def average_precision(values: Tensor, true: Tensor) -> float:
    """Return the sum of precision times the gain in recall over all different values (n,), the largest first."""
    values, order = values.sort(descending=True)
    hits = true[order].cumsum(0)
    ends = torch.cat([(values[1:] != values[:-1]).nonzero()[:, 0], torch.tensor([len(values) - 1])])
    hits = hits[ends].double()
    gained = hits.diff(prepend=hits.new_zeros(1))
    return float((gained * hits / (ends + 1)).sum() / hits[-1])


def p_values(metric: object, labelled: Labelled) -> np.ndarray:
    """Return the p-value (units,) of each unit, before they are adjusted for the number of units.

    Under each order of the masks' images the largest IoU above chance over all words is kept.
    """

    def compute() -> np.ndarray:
        scenes, rng = labelled.found, np.random.default_rng(metric.seed)
        orders = torch.from_numpy(np.stack([rng.permutation(len(scenes.x)) for _ in range(metric.permutations)]))
        largest, size = 0, max(1, 2**24 // labelled.labels.match.numel())
        real = labelled.overlap(scenes, metric.quantile)
        own = labelled.of_label(real.iou - real.chance)
        for part in orders.split(size):
            null = labelled.overlap(scenes, metric.quantile, part)
            largest += ((null.iou - null.chance).nan_to_num(-inf).amax(2) >= own).sum(0)
        return ((largest + 1) / (metric.permutations + 1)).double().masked_fill(own.isnan(), nan).numpy()

    return labelled.once(("p", metric.quantile, metric.permutations, metric.seed), compute)


def adjusted(metric: object, labelled: Labelled) -> np.ndarray:
    """Return the p-values (units,), adjusted for the number of units that have one [Benjamini & Hochberg 1995]."""
    p = p_values(metric, labelled).copy()
    known = ~np.isnan(p)
    p[known] = false_discovery_control(p[known]) if known.any() else nan
    return p


def permuted(metric: object) -> None:
    quantile(metric)
    whole(metric, permutations=1, seed=0)


@names(higher_is_better=False, cites="Benjamini & Hochberg 1995", bounds=(0.0, 1.0), undefined=NO_WORD)
class UnitPValue:
    """How often masks of other images name a unit as well as its own do, adjusted for the number of units.

    Images are permuted between maps and masks; of each of the `permutations` the largest IoU less its chance over all
    words is kept, since the word of a unit is the best of all. The p-value is (1 + as good) / (1 + permutations), so
    that with few permutations and many units a single unit cannot be below .05. A small one says that the unit has to
    do with what the masks show; whether its word is the right one, held-out images say. Of a word that was not found by
    masks, as a class, the test is a strict one.
    """

    quantile: float
    permutations: int
    seed: int
    of_units = True
    __post_init__ = permuted

    def __call__(self, labelled: Labelled) -> Tensor:
        return torch.from_numpy(adjusted(self, labelled))


@names(higher_is_better=True, cites="Bau et al. 2017", bounds=(0.0, 1.0))
class Detectors:
    """Share of units whose adjusted p-value is at most `alpha` [after Bau et al. 2017].

    The authors have a bar of .04 for the IoU instead. A unit that is never active detects nothing.
    """

    quantile: float
    permutations: int
    seed: int
    alpha: float
    of_units = False

    def __post_init__(self) -> None:
        permuted(self)
        number(self, "alpha", "in (0, 1)", lambda alpha: 0 < alpha < 1)

    def __call__(self, labelled: Labelled) -> Tensor:
        return torch.tensor([self.found(labelled).mean()])

    def found(self, labelled: Labelled) -> np.ndarray:
        """Return which units (units,) are detectors."""
        return np.nan_to_num(adjusted(self, labelled), nan=1) <= self.alpha


@names(higher_is_better=True, cites="Bau et al. 2017", bounds=(0.0, inf))
class UniqueDetectors(Detectors):
    """How many different words the detectors have [Bau et al. 2017]."""

    def __call__(self, labelled: Labelled) -> Tensor:
        words = labelled.labels.label.numpy()[self.found(labelled)]
        return torch.tensor([float(len(np.unique(words)))])


CONTRAST = "the unit has no word, or a word such as background that no drawing can be without"


def contrasted(metric: object) -> None:
    whole(metric, images=2, seed=0)


def contrasts(metric: object, labelled: Labelled) -> Tensor:
    """Return `metric.of` (units,) of each unit's activations with and without its word."""
    pairs = labelled.contrasts(metric.images, metric.seed)
    return torch.tensor([nan if pair is None else metric.of(*(p.double() for p in pair)) for pair in pairs])


@names(higher_is_better=True, cites="Kopf et al. 2024", bounds=(0.0, 1.0), undefined=CONTRAST)
class UnitAuroc:
    """AUROC of a unit's mean activation, drawings with its word against those without [Kopf et al. 2024].

    CoSy makes images of a word by a generator and compares them with photographs. Here the first `images` held-out
    scenes are drawn twice, with the word and without, all else equal; for a class, scenes of it and of others are
    taken. Chance is .5.
    """

    images: int
    seed: int
    of_units = True
    __post_init__ = contrasted
    __call__ = contrasts

    def of(self, shown: Tensor, other: Tensor) -> float:
        ranks = rankdata(torch.cat([shown, other]))[: len(shown)]
        return (ranks.mean() - (len(shown) + 1) / 2) / len(other) if len(shown) and len(other) else nan


@names(
    higher_is_better=True,
    cites="Kopf et al. 2024",
    undefined=f"{CONTRAST}, or the unit's activation is the same in all drawings without it",
)
class UnitDifference:
    """Mean activation with a unit's word less that without, in deviations without it [Kopf et al. 2024].

    The deviation is the standard one. The drawings are those of `unit_auroc`.
    """

    images: int
    seed: int
    of_units = True
    __post_init__ = contrasted
    __call__ = contrasts

    def of(self, shown: Tensor, other: Tensor) -> float:
        sd = float(other.std()) if len(other) > 1 else 0
        return float(shown.mean() - other.mean()) / sd if len(shown) and sd > 0 else nan


@names(
    higher_is_better=True,
    bounds=(-1.0, 1.0),
    undefined="no class is decided by the word of some units and not of others, or removing units changes no class",
    passes="1 and, for each unit, what comes after the layer, of the first held-out images",
)
class AblationAgreement:
    """Do the units whose word decides a class matter to it (Spearman over units, mean over classes).

    A unit matters to a class as much as the class's logit falls, on held-out images of it, without the unit. Its word
    decides the class if it is in the class's rule, or is the class itself, and counts as much as it matches, less
    chance; any other word counts 0. A class without such a unit, or whose logit no unit changes, is left out. Of
    class_ablation, which names units by their effects, the agreement says only that held-out images agree.
    """

    images: int
    of_units = False
    __post_init__ = partialmethod(whole, images=1)

    def __call__(self, labelled: Labelled) -> Tensor:
        rho = []
        for pair in zip(labelled.effects(self.images).T, labelled.decided().T, strict=True):
            effect, match = torch.stack(pair)[:, torch.stack(pair).isfinite().all(0)].numpy()
            if len(np.unique(effect)) > 1 < len(np.unique(match)):
                rho.append(spearmanr(effect, match).statistic)
        return torch.tensor([np.mean(rho) if rho else nan])
