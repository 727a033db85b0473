"""What per-image scores can carry: intervals, ranks and groups, paired over images.

Shapes: `scores` (images, methods), nan where undefined; draws (1 + resamples, methods), row 0 is the sample itself.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from zlib import crc32

import numpy as np
from scipy import stats

LEVEL = 0.05  # of intervals and of the error of a whole family of comparisons
CHUNK = 2**22  # weights held at once


def draws(images: Sequence[str], resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Yield chunks (some, images) of how often each image is drawn; first the sample itself.

    The images' names are part of the seed: methods and models with the same images share their draws, others do not.
    """
    n = len(images)
    rng = np.random.default_rng([seed, crc32("\n".join(images).encode())])
    yield np.ones((1, n))
    step = max(1, CHUNK // n)
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        drawn = rng.integers(n, size=(size, n)) + n * np.arange(size)[:, None]
        yield np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n).astype(float)


def means(scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weighted means (draws, methods) over each method's defined images, nan where a draw has none."""
    defined = ~np.isnan(scores)
    total = weights @ np.where(defined, scores, 0)
    count = weights @ defined
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


def ranks(values: np.ndarray, higher_is_better: bool) -> np.ndarray:
    """Rank the methods of each row: 1 and how many are better, so that the best are all 1; nan has no rank.

    Values are compared to thirteen digits of the largest: equal scores must tie whatever the order of summation.
    """
    finite = np.abs(values[np.isfinite(values)])
    scale = finite.max() if finite.size and finite.max() > 0 else 1
    rounded = np.round(values / scale, 13)
    return stats.rankdata(-rounded if higher_is_better else rounded, method="min", axis=-1, nan_policy="omit")


@cache
def tail(n: int) -> float:
    """Return the probability to cut off at each end of the resampled means of n images.

    Percentile intervals of a mean are too narrow by the factor of Student's t and by sqrt(1 - 1 / n); cutting off less
    than 2.5 % undoes that: the expanded percentile interval [Hesterberg 2015].
    """
    return float(stats.norm.cdf(-np.sqrt(n / (n - 1)) * stats.t.ppf(1 - LEVEL / 2, n - 1)))


def interval(drawn: np.ndarray, n: Sequence[int], attained: bool = False) -> np.ndarray:
    """Return the ends (2, methods) of the 95 % percentile intervals; one image has none.

    `attained`: take the ends from the drawn values themselves, as befits ranks.
    """
    ends = np.full((2, drawn.shape[1]), np.nan)
    low, high = ("inverted_cdf", "higher") if attained else ("linear", "linear")
    for j, images in enumerate(n):
        column = drawn[1:, j]
        if images > 1 and (column := column[~np.isnan(column)]).size:
            cut = tail(images)
            ends[:, j] = np.quantile(column, cut, method=low), np.quantile(column, 1 - cut, method=high)
    return ends


def p_values(scores: np.ndarray) -> np.ndarray:
    """Return two-sided p-values (methods, methods) of equal means: Student's t, paired over images.

    Not from resamples: with 17 methods Holm needs p < .0004, less than 2,000 resamples can show. Never below 2^(1 - k)
    for k images on which two methods differ, the least that flipping the differences' signs can give: three hits
    against three misses prove nothing. Undefined images count towards their own method's mean only.
    """
    defined = ~np.isnan(scores)
    n = defined.sum(0)
    mean = means(scores, np.ones((1, len(scores))))[0]
    influence = np.where(defined, scores - mean, 0) / np.maximum(n, 1)
    product = influence.T @ influence
    fewest = np.minimum.outer(n, n)
    variance = (np.diag(product)[:, None] + np.diag(product) - 2 * product) * fewest / np.maximum(fewest - 1, 1)
    gap = np.abs(mean[:, None] - mean)
    negligible = 1e-10 * (np.abs(scores[defined]).max() if defined.any() else 1)
    error = np.sqrt(np.maximum(variance, 0))
    ratio = np.divide(gap, error, out=np.full_like(gap, np.inf), where=error > negligible)
    p = 2 * stats.t.sf(ratio, np.maximum(fewest - 1, 1))
    differ = np.stack([(np.abs(scores - column[:, None]) > negligible).sum(0) for column in scores.T])
    p = np.minimum(np.maximum(p, 2.0 ** (1 - differ)), 1)
    return np.where((gap > negligible) & (fewest > 1), p, 1)


def holm(p: np.ndarray) -> np.ndarray:
    """Return p-values adjusted for the family they are in [Holm 1979]."""
    order = np.argsort(p)
    steps = p[order] * np.arange(len(p), 0, -1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted


def alike(scores: np.ndarray) -> np.ndarray:
    """Return which pairs of methods (methods, methods) cannot be told apart, all pairs taken as one family."""
    some = np.flatnonzero(~np.isnan(scores).all(0))
    same = np.eye(scores.shape[1], dtype=bool)
    above = np.triu_indices(len(some), 1)
    if len(above[0]):
        i, j = some[above[0]], some[above[1]]
        same[i, j] = same[j, i] = holm(p_values(scores[:, some])[above]) >= LEVEL
    return same


def fewest_images(methods: int) -> int:
    """Return with how many images, at the least, two of so many methods could be told apart by `alike`."""
    return int(np.floor(np.log2(max(methods * (methods - 1) / 2, 1) / LEVEL))) + 2


def letters(same: np.ndarray, order: Sequence[int]) -> list[str]:
    """Return each method's letters: two methods share one exactly if they cannot be told apart [Piepho 2004].

    `order` lists the methods with a score, best first; the others get no letter.
    """
    groups = [frozenset(order)] if len(order) else []
    for a, b in ((a, b) for i, a in enumerate(order) for b in order[i + 1 :] if not same[a, b]):
        split = {part for group in groups for part in ((group - {a}, group - {b}) if {a, b} <= group else (group,))}
        groups = [group for group in split if not any(group < other for other in split)]
    place = {method: k for k, method in enumerate(order)}
    groups.sort(key=lambda group: sorted(place[method] for method in group))
    for group in groups[::-1]:  # leave out what the others say already
        others = [other for other in groups if other != group]
        pairs = ((a, b) for a in group for b in group)
        if others and all(any({a, b} <= other for other in others) for a, b in pairs):
            groups = others
    names = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return ["".join(names[k % 52] for k, group in enumerate(groups) if method in group) for method in range(len(same))]
