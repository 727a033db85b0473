"""What per-image scores can carry: intervals, ranks and groups, paired over images.

Shapes: `scores` (images, methods), nan where undefined; draws (1 + resamples, methods), row 0 is the sample itself.
Intervals are percentile intervals, expanded for few images, of scores and differences alike, and not BCa; of hits they
are Wilson's. What they cover is in published/coverage.csv. Images are drawn, each with all its seeds: repeated seeds
are no images.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from zlib import crc32

import numpy as np
from scipy import stats

LEVEL = 0.05  # of intervals and of the error of a whole family of comparisons
RESAMPLES, SEED = 2000, 0  # of images, the same for all tables
FEWEST = 6  # images of an interval, and that differ before a difference is planned with
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


def resampled(scores: np.ndarray, images: Sequence[str], resamples: int, seed: int) -> np.ndarray:
    """Return the means (1 + resamples, methods) of the sample and of every resample."""
    return np.concatenate([means(scores, weights) for weights in draws(images, resamples, seed)])


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


def interval(drawn: np.ndarray, n: Sequence[int]) -> np.ndarray:
    """Return the ends (2, methods) of the 95 % percentile intervals; fewer than six images have none."""
    ends = np.full((2, drawn.shape[1]), np.nan)
    n, columns, whole = np.asarray(n), drawn[1:], ~np.isnan(drawn[1:]).any(0)
    for images in np.unique(n[whole & (n >= FEWEST)]) if len(columns) else ():
        ours = whole & (n == images)
        ends[:, ours] = np.quantile(columns[:, ours], (tail(images), 1 - tail(images)), axis=0)
    for j in np.flatnonzero(~whole & (n >= FEWEST)):
        if (some := columns[~np.isnan(columns[:, j]), j]).size:
            ends[:, j] = np.quantile(some, (tail(n[j]), 1 - tail(n[j])))
    return ends


def mean_interval(scores: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Return the ends (2, methods) of the intervals of one metric's means: Wilson's for hits, else percentiles.

    Hits are scores of 0 and 1 only, of a metric of which most are: resamples of 24 hits in 24 images all agree.
    """
    defined = ~np.isnan(scores)
    n, ends = defined.sum(0), interval(drawn, defined.sum(0))
    hits = (scores == 0) | (scores == 1)
    ours = (n >= FEWEST) & (hits | ~defined).all(0) & (hits.sum() >= defined.sum() / 2)
    ends[:, ours] = wilson(drawn[0, ours], n[ours])
    return ends


def wilson(share: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Return the ends (2, ...) of the 95 % intervals of shares of n images [Wilson 1927]."""
    z = stats.norm.isf(LEVEL / 2)
    middle, half = share + z**2 / (2 * n), z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    low, high = np.stack([middle - half, middle + half]) / (1 + z**2 / n)
    return np.stack([np.minimum(low, share), np.maximum(high, share)]).clip(0, 1)


def differences(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return paired differences (images, ...) to twelve digits of the pair's largest score: equal scores differ by 0.

    Only images on which both are defined; nan elsewhere.
    """
    gap = one - other
    both = np.where(np.isnan(gap), 0, np.maximum(np.abs(one), np.abs(other)))
    scale = both.max(0, initial=0)
    scale = np.where(scale > 0, scale, 1)
    return np.round(gap / scale, 12) * scale


def paired(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean differences and two-sided p-values (methods, methods) of every two methods: Student's t, paired.

    Each pair is compared on the images on which both are defined. Not from resamples: with 17 methods Holm needs
    p < .0004, less than 2,000 resamples can show. Never below 2^(1 - k) for k images on which two methods differ, the
    least that flipping the differences' signs can give: three hits against three misses prove nothing.
    """
    i, j = np.triu_indices(scores.shape[1], 1)
    gap, p = np.zeros((2, *np.eye(scores.shape[1]).shape))
    d = differences(scores[:, i], scores[:, j])
    defined = ~np.isnan(d)
    n = np.maximum(defined.sum(0), 1)
    d = np.where(defined, d, 0)
    mean, free = d.sum(0) / n, np.maximum(n - 1, 1)
    error = np.sqrt((((d - mean) ** 2) * defined).sum(0) / free / n)
    t = np.divide(np.abs(mean), error, out=np.full_like(mean, np.inf), where=error > 0)
    least = np.maximum(2.0 ** (1 - (d != 0).sum(0)), np.finfo(float).tiny)
    p[i, j] = np.clip(2 * stats.t.sf(t, free), least, 1)
    gap[i, j] = mean
    return gap - gap.T, p + p.T + np.eye(len(p))


def holm(p: np.ndarray) -> np.ndarray:
    """Return p-values adjusted for the family they are in [Holm 1979]."""
    order = np.argsort(p)
    steps = p[order] * np.arange(len(p), 0, -1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted


def better(scores: np.ndarray) -> np.ndarray:
    """Return which methods are better for certain than which (methods, methods), all pairs taken as one family."""
    some = np.flatnonzero(~np.isnan(scores).all(0))
    gap, p = paired(scores[:, some])
    above = np.triu_indices(len(some), 1)
    p[above] = holm(p[above])
    found = np.zeros((scores.shape[1],) * 2, dtype=bool)
    found[np.ix_(some, some)] = (np.triu(p, 1) + np.triu(p, 1).T < LEVEL) & (gap > 0)
    return found


def alike(scores: np.ndarray) -> np.ndarray:
    """Return which pairs of methods (methods, methods) cannot be told apart."""
    found = better(scores)
    return ~(found | found.T)


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
