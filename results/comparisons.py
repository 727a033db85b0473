"""Tests between methods on the same images: Friedman and Nemenyi, effect sizes, and how many images it takes.

Shapes: `scores` (images, methods), larger is better unless said, nan where undefined.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import stats

from results.statistics import LEVEL, comparable


@dataclass(frozen=True)
class Friedman:
    """Do the methods' ranks differ at all, and from which distance of two mean ranks on do two methods differ?"""

    statistic: float
    p: float
    critical_difference: float  # of mean ranks, Nemenyi, all pairs
    ranks: np.ndarray  # (methods,) mean over images, 1 is best; nan for a method that was not tested
    images: int  # that were tested

    @property
    def methods(self) -> int:
        return int((~np.isnan(self.ranks)).sum())


def friedman(scores: np.ndarray, higher_is_better: bool = True) -> Friedman | None:
    """Rank the methods within each image and test whether they differ [Friedman 1937]; None where that is impossible.

    Blocks are complete: a method that is undefined on more than half of the images is not tested, and an image on which
    one of the others is undefined is left out. Needs three methods and two images. Mean ranks depend on who else is
    ranked [Benavoli et al. 2016], so controls and all.
    """
    defined = ~np.isnan(scores)
    tested = defined.mean(0) >= 0.5 if len(scores) else np.zeros(scores.shape[1], dtype=bool)
    values = scores[:, tested][defined[:, tested].all(1)]
    n, k = values.shape
    if n < 2 or k < 3:
        return None
    rounded = comparable(values)
    within = stats.rankdata(-rounded if higher_is_better else rounded, axis=1)
    mean = np.full(len(tested), np.nan)
    mean[tested] = within.mean(0)
    differ = (np.ptp(within, axis=1) > 0).any()  # all equal on every image: nothing to test
    answer = stats.friedmanchisquare(*within.T) if differ else (0.0, 1.0)
    return Friedman(float(answer[0]), float(answer[1]), critical_difference(k, n), mean, n)


def critical_difference(methods: int, images: int) -> float:
    """Return from which difference on two mean ranks differ [Nemenyi 1963; Demšar 2006]."""
    return _studentized(methods) * np.sqrt(methods * (methods + 1) / (6 * images))


@cache
def _studentized(methods: int) -> float:
    return float(stats.studentized_range.ppf(1 - LEVEL, methods, np.inf)) / np.sqrt(2)


def bars(ranks: np.ndarray, test: Friedman) -> list[tuple[float, float]]:
    """Return the longest runs of mean ranks, sorted, that cannot be told apart: all, unless the test says they differ.

    Nemenyi's test alone finds a difference of equal methods in up to 6 % of the families.
    """
    found: list[tuple[float, float]] = []
    critical = test.critical_difference if test.p < LEVEL else np.inf
    for start in ranks:
        end = ranks[ranks - start < critical].max()
        if end > start and (not found or end > found[-1][1]):
            found.append((float(start), float(end)))
    return found


def effects(difference: np.ndarray) -> tuple[float, float]:
    """Return Cohen's d_z and the probability of superiority of paired `differences`, nan left out.

    d_z: mean over standard deviation [Cohen 1988]. Superiority: the share of images with a positive difference, ties
    counted by half [Grissom & Kim 2012]. Differences that are all the same have an infinite d_z, or 0.
    """
    d = difference[~np.isnan(difference)]
    if len(d) < 2:
        return np.nan, np.nan
    mean, sd = d.mean(), d.std(ddof=1)
    d_z = mean / sd if sd > 1e-10 * abs(mean) else np.sign(mean) * (np.inf if mean else 0)
    return float(d_z), float((d > 0).mean() + (d == 0).mean() / 2)


def images_needed(difference: float, sd: float, power: float = 0.8, level: float = LEVEL) -> float:
    """Return how many images a paired, two-sided t-test needs to find a mean difference with some power.

    `sd` is that of the differences of single images. Infinite where there is no difference; never fewer than
    `paired` asks for whatever the difference is.
    """
    if np.isnan(difference) or np.isnan(sd):
        return np.nan
    if abs(difference) <= 1e-10 * sd or difference == 0:
        return np.inf
    least = int(np.floor(np.log2(1 / level))) + 2  # where 2^(1 - n) < level
    if sd <= 1e-10 * abs(difference):
        return least
    d = abs(difference) / sd
    n = int(((stats.norm.isf(level / 2) + stats.norm.ppf(power)) / d) ** 2)  # a little too few
    n = max(2, n)
    while _power(d, n, level) < power:
        n += 1
    return max(n, least)


def _power(d: float, n: int, level: float) -> float:
    critical, shift = stats.t.isf(level / 2, n - 1), d * np.sqrt(n)
    return float(stats.nct.sf(critical, n - 1, shift) + stats.nct.cdf(-critical, n - 1, shift))


def rank_sets(better: np.ndarray, ranked: np.ndarray) -> np.ndarray:
    """Return the ends (2, methods) of sets that hold all true ranks together with 95 % [after Mogstad et al. 2024].

    1 and how many are `better` for certain; one less is how many may be. Only methods that are `ranked` have a set.
    Unlike resampled ranks these keep their word where methods are equal.
    """
    ends = np.stack([1 + better.sum(0), ranked.sum() - better.sum(1)]).astype(float)
    ends[:, ~ranked] = np.nan
    return ends


def tau(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return Kendall's tau-b of the rows of (draws, methods); nan where fewer than three methods have both values."""
    both = ~(np.isnan(a) | np.isnan(b))
    i, j = np.triu_indices(a.shape[1], 1)

    def order(values: np.ndarray) -> np.ndarray:
        scale = np.nanmax(np.abs(values), initial=0, where=~np.isnan(values)) or 1
        gaps = np.round((values[:, i] - values[:, j]) / scale, 12)
        return np.where(both[:, i] & both[:, j], np.sign(gaps), 0)

    x, y = order(a), order(b)
    size = np.sqrt((x**2).sum(1) * (y**2).sum(1))
    found = np.divide((x * y).sum(1), size, out=np.full(len(a), np.nan), where=size > 0)
    return np.where(both.sum(1) > 2, found, np.nan)
