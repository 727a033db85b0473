"""Which entries can be told from the best on the same images: one test, one verdict.

T is the sum of the paired differences of two entries over the root of their sum of squares. Its null is the range: the
largest |T| of any two entries of the family when the images' signs are flipped at random, the same for all entries
[Tukey 1953; Westfall & Young 1993]. The best entry is chosen by the same scores, which the range allows for: Holm over
the comparisons with it calls one of 5 equal entries worse in 7 % of the families, one of 17 in 19 %. Entries that are
worse leave the family before the others are tested [Romano & Wolf 2005]. T is reduced where few differences are skewed
towards it [Hall 1992], which flips do not see: without that, equal means that are skewed unequally err in up to 11 %.
A bootstrap-t keeps its level, too, but finds half as much on 16 images with outliers or hits. Measured error, power
and coverage are in published/coverage.csv.

`values` are those of `results.summary`: images x columns, the last level of which names entries, in blocks.
"""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
import pandas as pd

from results.summary import FEWEST, LEVEL, SEED, Flags, blocks, comparable, differences, summary

FLIPS = 5000  # each stands for its negative, too, which has the same |T|
EXACT = 13  # images up to which all flips are made: 2^12 and their negatives
TIES = 1e-4  # T that are as close are the same
POWER = 0.8
ROUNDING = 1e-6  # of an image's usual largest score: a smaller difference is rounding, as scores come from float32
ROOM = 0.5  # of the distance between the best and the worst entry: the largest difference that "level" leaves room for
NUMBERS = ["difference", "low", "high", "p", "alone", "pairs"]


def verdicts(
    values: pd.DataFrame,
    higher_is_better: Flags,
    controls: Collection[str] = (),
    reference: str | None = None,
    ends: pd.DataFrame | None = None,
    widest: np.ndarray | float = np.inf,
) -> pd.DataFrame:
    """Return one row per column that compares it with the `reference`, the best entry of its block that is no control.

    `difference` is that of the means over the `pairs` of images on which both are defined, never negative: `direction`
    says "worse by" or "better by". `low` and `high` are the ends of a simultaneous 95 % interval, which excludes 0
    exactly if `p`, adjusted for the family of the block, is below .05. `alone` is the p of this comparison alone.

    The verdict is "best"; "worse", p < .05; "better", which only a control can be; "level": cannot be told from the
    best, and the interval leaves room for at most half of the distance between the best and the worst entry; or
    "undecided": neither, which takes more images to decide. An entry that would differ by a test of its own, or whose
    mean has an interval that does not meet the best's, is undecided, too; so is every entry with fewer than six images,
    which is the best one only if all have so few, and then without that verdict. Where all entries are the same but for
    rounding, all are "equal", however few the images. Without a score the verdict is empty. With the name of another
    `reference`, that entry has the verdict "reference". `ends` are the columns low and high of `summary`, where they
    are known, and `widest` is the largest difference that the bounds of the scores allow, of each column.
    """
    low, high = (summary(values, higher_is_better) if ends is None else ends)[["low", "high"]].to_numpy(float).T
    array = values.to_numpy(float) * np.where(np.broadcast_to(higher_is_better, values.shape[1]), 1, -1)
    names, scored = values.columns.get_level_values(-1), ~np.isnan(array).all(0)
    control, names = names.isin(list(controls)), names.to_numpy(object)
    numbers = np.full((len(names), len(NUMBERS)), np.nan)
    direction, verdict, against = (np.full(len(names), word, dtype=object) for word in ("", "", None))
    for _, places in blocks(values.columns):
        places = places[scored[places]]
        candidates = np.flatnonzero(names[places] == reference if reference else ~control[places])
        if not len(candidates) and not reference:
            candidates = np.arange(len(places))
        enough = (~np.isnan(array[:, places])).sum(0) >= FEWEST
        if not reference and enough[candidates].any():
            candidates = candidates[enough[candidates]]
        if not len(candidates):
            continue
        scores = array[:, places][~np.isnan(array[:, places]).all(1)]
        at = candidates[np.argmax(comparable(np.nanmean(scores[:, candidates], axis=0)))]
        mean, few, *rest = _compared(scores, at)
        numbers[places] = np.transpose([np.abs(mean), *rest])
        usual = np.median(np.nanmax(np.abs(scores), axis=1))
        unpaired = numbers[places, 5] == 0
        rounding = (np.abs(mean) <= ROUNDING * usual) & ~unpaired
        numbers[np.ix_(places[unpaired | rounding], [3, 4])] = 1
        numbers[places[rounding], 1] = np.minimum(numbers[places[rounding], 1], 0)
        numbers[places[unpaired], 0] = np.nan
        p, alone = numbers[places, 3], numbers[places, 4]
        apart = (high[places] < low[places[at]]) | (low[places] > high[places[at]])
        wide = ~(numbers[places, 2] <= ROOM * (mean.max() - mean.min()))
        direction[places] = np.where(mean >= 0, "worse by", "better by")
        level = np.where((alone < LEVEL) | ((apart | wide) & ~rounding) | few, "undecided", "level")
        verdict[places] = np.where(p < LEVEL, np.where(mean >= 0, "worse", "better"), level)
        against[places] = names[places[at]]
        numbers[places[at]], direction[places[at]] = np.nan, ""
        if reference:
            verdict[places[at]] = "reference"
        elif len(places) > 1 and rounding.all():
            verdict[places] = "equal"
        else:
            verdict[places[at]] = "best" if enough[at] else "undecided"
    table = pd.DataFrame(numbers, values.columns, NUMBERS)
    table[["low", "high"]] = table[["low", "high"]].clip(-np.asarray(widest), widest, axis=0)
    return table.assign(direction=direction, verdict=verdict, reference=against)


@dataclass(frozen=True)
class Pairs:
    """Paired differences on `n` images: mean, its standard error, and the skewness in the direction of the mean."""

    n: np.ndarray
    mean: np.ndarray
    error: np.ndarray
    skewness: np.ndarray

    @property
    def t(self) -> np.ndarray:
        size = np.abs(self.mean)
        return np.divide(size, self.error, out=np.where(size > 0, np.inf, 0.0), where=self.error > 0)

    @property
    def reduced(self) -> np.ndarray:
        """Return T without what skewness adds to it; skewness never adds to T here."""
        with np.errstate(invalid="ignore"):
            a = self.skewness / np.sqrt(self.n)
            less = self.t + a * self.t**2 / 3 + a**2 * self.t**3 / 27 + a / 6
        return bounded(np.where(np.isinf(self.t), np.inf, np.clip(less, 0, self.t)), self.n)

    def interval(self, critical: np.ndarray) -> list[np.ndarray]:
        """Return the ends of the interval of |mean|, nan where no reduced T can exceed the `critical` one."""
        possible = (self.n >= FEWEST) & (critical**2 < self.n)
        t = np.where(possible, critical, np.nan) * np.sqrt(
            np.maximum(self.n - 1, 0) / np.where(possible, self.n - critical**2, 1)
        )
        ends = []
        for sign in (-1, 1):  # the inverse of `reduced`
            a = -sign * self.skewness / np.sqrt(np.maximum(self.n, 1))
            a = np.where(np.abs(a) < 1e-9, 1e-9, a)
            ends.append(np.abs(self.mean) + sign * np.fmax(t, 3 / a * (np.cbrt(1 + a * (t - a / 6)) - 1)) * self.error)
        return ends


def paired(differences: np.ndarray) -> Pairs:
    """Return what the test needs of differences (images, comparisons), nan where one of the two is undefined."""
    known = ~np.isnan(differences)
    n = known.sum(0)
    mean = np.where(known, differences, 0).sum(0) / np.maximum(n, 1)
    rest = np.where(known, differences - mean, 0)
    variance = (rest**2).sum(0) / np.maximum(n, 1)
    variance = np.where(variance <= 1e-20 * mean**2, 0, variance)
    cubes = (rest * rest**2).sum(0) / np.maximum(n, 1) * np.sign(mean)  # rest**3 takes ten times as long
    skewness = np.divide(cubes, variance**1.5, out=np.zeros_like(mean), where=variance > 0)
    return Pairs(n, mean, np.sqrt(variance / np.maximum(n - 1, 1)), skewness)


def bounded(t: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Return T, which lies between 0 and the root of n, for Student's t."""
    infinite, size = np.isinf(t), np.where(np.isinf(t), 0, t)
    return np.sqrt(n) * np.where(infinite, 1, size / np.sqrt(np.maximum(n - 1 + size**2, 1e-300)))


@cache
def flips(images: int) -> np.ndarray:
    """Return signs (flips, images), the first of which flip nothing: all of them for few images, else seeded ones."""
    if images <= EXACT:
        return np.array([(1, *signs) for signs in product((1, -1), repeat=images - 1)], dtype=np.float32)
    signs = 2 * np.random.default_rng([SEED, images]).integers(2, size=(FLIPS, images)) - 1
    signs[0] = 1
    return signs.astype(np.float32)


def flipped(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each entry's sum over flipped images (entries, flips), and 1 / the scale of each two entries' difference.

    Where an entry is undefined it takes the image's mean. Two entries that differ by next to nothing have an infinite
    scale.
    """
    centred = np.nan_to_num(scores - (np.nanmean if np.isnan(scores).any() else np.mean)(scores, axis=1, keepdims=True))
    square = centred.T @ centred
    size = np.diag(square)
    scale = np.sqrt(np.maximum(size[:, None] + size - 2 * square, 0))
    scale[scale <= 1e-6 * np.sqrt(size.max())] = np.inf
    number = np.float32 if scale.min() > 1e-2 * np.sqrt(size.max()) else np.float64  # float32 takes half the time
    sums = flips(len(scores)).astype(number, copy=False) @ centred.astype(number)
    return np.ascontiguousarray(sums.T), (1 / scale).astype(number)


def largest(sums: np.ndarray, inverse: np.ndarray) -> np.ndarray:
    """Return the largest |T| of any two entries under each flip, in ascending order."""
    most = np.zeros_like(sums[0])
    for start in range(0, len(most), 2500):  # which stay in the cache
        part, own = sums[:, start : start + 2500].copy(), most[start : start + 2500]
        space = np.empty_like(part)
        for k in range(1, len(part)):
            difference = np.subtract(part[:k], part[k], out=space[:k])
            difference *= inverse[:k, k, None]
            np.maximum(own, np.abs(difference, out=difference).max(0), out=own)
    return np.sort(most)


def _compared(scores: np.ndarray, at: int) -> tuple[np.ndarray, ...]:
    """Compare all columns of scores, larger is better, with the one `at`.

    Returns the mean differences, which have too few images for any result, and the other `NUMBERS`.
    """
    (sums, inverse), own = flipped(scores), paired(differences(scores[:, [at]], scores))
    p, critical = np.ones((2, scores.shape[1]))
    family, least, reduced = np.arange(scores.shape[1]), 0.0, own.reduced
    while len(family) > 1:
        null = largest(sums[family], inverse[np.ix_(family, family)])
        share = 1 - np.searchsorted(null, reduced[family] - TIES) / len(null)
        p[family] = np.maximum(share, least)
        critical[family] = null[len(null) - int(np.ceil(LEVEL * len(null)))] + TIES  # exceeded exactly where p < .05
        told = (p[family] < LEVEL) & (family != at)
        if not told.any():
            break
        least, family = p[family][told].max(), family[~told]
    alone = (np.abs(sums - sums[at]) * inverse[at, :, None] >= bounded(own.t, own.n)[:, None] - TIES).mean(1)
    few = (own.n < FEWEST) | (critical**2 >= own.n)
    return own.mean, few, *own.interval(critical), p, alone, own.n


def effects(difference: np.ndarray) -> tuple[float, float]:
    """Return d_z and the probability of superiority of paired differences, nan left out.

    d_z is the mean over the standard deviation [Cohen 1988], infinite where all differences are the same. Superiority
    is the share of images with a positive difference, ties counted by half [Grissom & Kim 2012].
    """
    d = difference[~np.isnan(difference)]
    if len(d) < 2:
        return np.nan, np.nan
    own = paired(d[:, None])
    d_z = np.sign(own.mean[0]) * own.t[0] / np.sqrt(len(d)) if own.mean[0] else 0.0
    return float(d_z), float((d > 0).mean() + (d == 0).mean() / 2)


def images_needed(difference: float, sd: float, level: float = LEVEL) -> float:
    """Return how many images a paired, two-sided t-test needs to find a mean difference with 80 % power.

    `sd` is that of the differences of single images. Infinite where there is no difference; never so few that no flip
    of signs is significant.
    """
    from statsmodels.stats.power import TTestPower  # takes half a second

    if np.isnan(difference) or np.isnan(sd):
        return np.nan
    if abs(difference) <= 1e-10 * sd or difference == 0:
        return np.inf
    least, test = int(np.log2(1 / level)) + 2, TTestPower()  # 2^(1 - least) < level
    if sd <= 1e-10 * abs(difference) or not test.power(abs(difference) / sd, least, level) < POWER:  # nan if it is 1
        return least
    return int(np.ceil(test.solve_power(abs(difference) / sd, alpha=level, power=POWER)))


def tau(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return Kendall's tau-b of the rows of (draws, entries); nan where fewer than three entries have both values.

    SciPy's takes one pair of rows at a time, which is a hundred times slower for 2,000 resamples.
    """
    both = ~(np.isnan(a) | np.isnan(b))
    i, j = np.triu_indices(a.shape[1], 1)
    x, y = (np.where(both[:, i] & both[:, j], np.sign(v[:, i] - v[:, j]), 0) for v in map(comparable, (a, b)))
    size = np.sqrt((x**2).sum(1) * (y**2).sum(1))
    correlation = np.divide((x * y).sum(1), size, out=np.full(len(a), np.nan), where=size > 0)
    return np.where(both.sum(1) > 2, correlation, np.nan)
