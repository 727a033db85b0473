"""What per-image scores can carry: intervals, ranks and groups, paired over images.

Shapes: `scores` (images, methods), nan where undefined; draws (1 + resamples, methods), row 0 is the sample itself.
Intervals are percentile intervals, expanded for few images, of scores, differences and ranks alike, and not BCa: what
they cover is in published/coverage.csv. Images are drawn, each with all its seeds: repeated seeds are no images.
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
    """Rank the methods of each row: 1 and how many are better, so that the best are all 1; nan has no rank."""
    rounded = comparable(values)
    return stats.rankdata(-rounded if higher_is_better else rounded, method="min", axis=-1, nan_policy="omit")


def comparable(values: np.ndarray) -> np.ndarray:
    """Return values to thirteen digits of the largest: equal scores must tie whatever the order of summation."""
    finite = np.abs(values[np.isfinite(values)])
    scale = finite.max() if finite.size and finite.max() > 0 else 1
    return np.round(values / scale, 13)


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
    n, columns, whole = np.asarray(n), drawn[1:], ~np.isnan(drawn[1:]).any(0)

    def cut(columns: np.ndarray, images: int) -> tuple[np.ndarray, np.ndarray]:
        return tuple(np.quantile(columns, q, axis=0, method=how)
                     for q, how in ((tail(images), low), (1 - tail(images), high)))  # fmt: skip

    for images in np.unique(n[whole & (n > 1)]) if len(columns) else ():
        ours = whole & (n == images)
        ends[:, ours] = cut(columns[:, ours], images)
    for j in np.flatnonzero(~whole & (n > 1)):
        if (some := columns[~np.isnan(columns[:, j]), j]).size:
            ends[:, j] = cut(some, n[j])
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

    `order` lists the methods with a score, best first; the others get no letter. Groups are grown greedily around pairs
    that share none yet [Gramm et al. 2007]: taking all largest groups can be exponentially many.
    """
    order = np.asarray(order, dtype=int)
    shared = np.zeros(same.shape, dtype=int)  # how many groups hold both
    groups: list[np.ndarray] = []
    for a, b in ((a, b) for i, a in enumerate(order) for b in order[i:] if same[a, b]):
        if not shared[a, b]:
            group, fits = {a, b}, same[a] & same[b]
            for c in order:
                if fits[c]:
                    group.add(c)
                    fits = fits & same[c]
            groups.append(np.array([c for c in order if c in group]))
            shared[np.ix_(groups[-1], groups[-1])] += 1
    place = {method: k for k, method in enumerate(order)}
    groups.sort(key=lambda group: [place[method] for method in group])
    for k in reversed(range(len(groups))):  # leave out what the others say already
        pairs = np.ix_(groups[k], groups[k])
        if (shared[pairs] > 1).all():
            shared[pairs] -= 1
            del groups[k]
    alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"  # then a1, b1, ...
    names = [f"{alphabet[k % 52]}{k // 52 or ''}" for k in range(len(groups))]
    return ["".join(name for name, group in zip(names, groups, strict=True) if j in group) for j in range(len(same))]
