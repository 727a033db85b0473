"""What the scores of a metric come to: means over images, intervals, ranks, gains over a rival, counts.

    images, left_out = common_images(cells)         # `cells`: the rows of one data set and model
    values = cubes(cells, images)                   # images x (metric, entry), seeds averaged
    resampled = resampled_means(values)             # once, for everything that follows
    rows = summary(values, higher, hits, controls, resampled)

`values` are images x columns, nan where undefined. The last level of the columns names entries; the levels before it,
if any, name blocks (a metric, or a part and a metric), and entries are ranked within a block. `higher_is_better` is one
bool, or one per column. Images are resampled, each with all its seeds: repeated seeds are no images. Coverage of the
intervals is in published/coverage.csv.
"""

from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from functools import cache
from zlib import crc32

import numpy as np
import pandas as pd
from scipy import special

LEVEL = 0.05  # the error that an interval may have, and a verdict on any entry of a family
RESAMPLES, SEED = 2000, 0
FEWEST = 6  # images of an interval

Flags = bool | Sequence[bool] | np.ndarray | pd.Series


def common_images(cells: pd.DataFrame) -> tuple[list[str], int]:
    """Return the images on which every entry was scored, defined or not, and how many others there are."""
    scored = (cells.image != "").to_numpy()
    (images, names), (entries, every) = (pd.factorize(cells[column][scored]) for column in ("image", "entry"))
    seen = np.zeros((len(names), len(every)), dtype=bool)
    seen[images, entries] = True
    if scored.any() and not seen.all(1).any():
        where = f"{cells.dataset.iloc[0]} / {cells.model.iloc[0]}"
        raise ValueError(f"A comparison needs images on which every entry was scored; {where} has none")
    common = sorted(names[seen.all(1)])
    return common, len(names) - len(common)


def cubes(
    cells: pd.DataFrame, images: Sequence[str] | None = None, metrics: Sequence[str] | None = None
) -> pd.DataFrame:
    """Return images x (metric, entry): scores averaged over seeds, nan where all seeds of an image are undefined."""
    images = common_images(cells)[0] if images is None else images
    metrics = cells.metric.unique() if metrics is None else metrics
    axes = {"image": images, "metric": metrics, "entry": cells.entry.unique()}
    axes = [pd.Index(list(names), name=name) for name, names in axes.items()]
    cell, inside = np.zeros(len(cells), dtype=np.intp), (cells.status == "ok").to_numpy()
    for axis in axes:
        values = cells[axis.name].astype("category").cat
        place = np.append(axis.get_indexer(values.categories), -1)[values.codes]  # the code of a gap is -1
        cell, inside = cell * len(axis) + place, inside & (place >= 0)
    if len(parts := cells.part[inside].unique()) > 1:
        raise ValueError(f"A table of scores needs one part of each image; {', '.join(map(repr, parts))} were given")
    shape = tuple(map(len, axes))
    cell = cell[inside]
    total = np.bincount(cell, cells.score.to_numpy(float)[inside], np.prod(shape))
    mean = ratio(total, np.bincount(cell, minlength=np.prod(shape))).reshape(shape[0], shape[1] * shape[2])
    return pd.DataFrame(mean, axes[0], pd.MultiIndex.from_product(axes[1:]))


def cube(cells: pd.DataFrame, metric: str, images: Sequence[str] | None = None) -> pd.DataFrame:
    """Return images x entries: one metric's scores, averaged over seeds."""
    return cubes(cells, images, [metric])[metric]


def pooled(models: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Average cubes over models, each with the same weight: models are strata, and an image is one block in all.

    Only images that all models have; what is undefined on one of them is undefined.
    """
    images = sorted(set.intersection(*(set(values.index) for values in models)))
    columns = dict.fromkeys(column for values in models for column in values)
    stack = [values.reindex(index=images, columns=[*columns]) for values in models]
    return sum(stack[1:], stack[0]) / len(stack)


def summary(
    values: pd.DataFrame,
    higher_is_better: Flags,
    hits: Flags = False,
    rivals: Collection[str] | None = None,
    resampled: np.ndarray | None = None,
) -> pd.DataFrame:
    """Return one row per column: mean, low, high, n, undefined, rank, and the gain over its rival.

    `low` and `high` are the ends of the 95 % interval, `n` counts images with a score and `undefined` those without.
    `hits` marks columns of metrics whose bounds are 0 and 1. `rivals` are entries of which the best in each block is
    the rival of all others.

    Intervals are percentiles, and Wilson's for hits: columns of 0 and 1 only, as most of their block is. A flat map has
    a sparseness of 0 on every image, which is no miss. Resamples of 24 hits in 24 images all agree.
    """
    array, known = values.to_numpy(float), values.notna().to_numpy()
    higher, hits = (np.broadcast_to(flag, array.shape[1]) for flag in (higher_is_better, hits))
    means, n = resampled_means(values) if resampled is None else resampled, known.sum(0)
    ends, rank, binary = interval(means, n), np.full(len(n), np.nan), ((array == 0) | (array == 1)).sum(0)
    for _, places in blocks(values.columns):
        rank[places] = ranks(means[:, places], higher[places], 1)[0]
        if 2 * binary[places].sum() >= n[places].sum():
            shares = places[hits[places] & (n[places] >= FEWEST) & (binary[places] == n[places])]
            ends[:, shares] = wilson(means[0, shares], n[shares])
    columns = {"mean": means[0], "low": ends[0], "high": ends[1], "n": n, "undefined": len(array) - n, "rank": rank}
    table = pd.DataFrame(columns, values.columns)
    return table if rivals is None else table.join(gains(values, higher, best_rivals(table["rank"], rivals)))


def best_rivals(rank: pd.Series, among: Collection[str]) -> dict[Hashable, Hashable]:
    """Return for each column the best-ranked of the entries `among` in its block, where there is one."""
    rivals, known = {}, rank.where(rank.index.get_level_values(-1).isin(list(among))).to_numpy()
    for _, places in blocks(rank.index):
        if not np.isnan(known[places]).all():
            rivals |= dict.fromkeys(rank.index[places], rank.index[places[np.nanargmin(known[places])]])
    return rivals


def gains(values: pd.DataFrame, higher_is_better: Flags, rivals: Mapping[Hashable, Hashable]) -> pd.DataFrame:
    """Return by how much columns are better than their rivals, with the 95 % interval of the difference.

    Differences are over the images, counted by `pairs`, on which both are defined. A column is no rival of itself.
    """
    array, pairs = values.to_numpy(float), [pair for pair in rivals.items() if pair[0] != pair[1]]
    own, other = (values.columns.get_indexer([pair[k] for pair in pairs]) for k in (0, 1))
    sign = np.where(np.broadcast_to(higher_is_better, array.shape[1]), 1, -1)[own]
    difference = sign * differences(array[:, own], array[:, other])
    means, n = resampled_means(pd.DataFrame(difference, values.index)), (~np.isnan(difference)).sum(0)
    low, high = interval(means, n)
    columns = {"gain": means[0], "gain_low": low, "gain_high": high, "pairs": n}
    return pd.DataFrame(columns, values.columns[own]).assign(rival=values.columns.get_level_values(-1)[other])


def draws(images: Sequence[str], resamples: int = RESAMPLES, seed: int = SEED) -> np.ndarray:
    """Return how often each image is drawn, (1 + resamples, images); row 0 is the sample itself.

    The images' names are part of the seed: entries and models with the same images share their draws, others do not.
    """
    n = len(images)
    rng = np.random.default_rng([seed, crc32("\n".join(images).encode())])
    places = rng.integers(n, size=(resamples, n)) + n * np.arange(resamples)[:, None]
    counts = np.bincount(places.ravel(), minlength=resamples * n).reshape(resamples, n)
    return np.concatenate([np.ones((1, n)), counts])


def means(scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weighted means (draws, columns) over each column's defined images, nan where a draw has none.

    The draws of a column are neighbours in memory, since they are sorted afterwards.
    """
    known = ~np.isnan(scores.T)
    mean, gaps = np.nan_to_num(scores).T @ weights.T, ~known.all(1)
    defined = ratio(mean[gaps], known[gaps] @ weights.T)
    total = weights.sum(1)
    mean /= np.where(total > 0, total, np.nan)
    mean[gaps] = defined
    return mean.T


def resampled_means(values: pd.DataFrame) -> np.ndarray:
    """Return the means (1 + resamples, columns) of the sample and of every resample."""
    if values.empty:
        return np.full((1, values.shape[1]), np.nan)
    return means(values.to_numpy(float), draws([*map(str, values.index)]))


@cache
def tail(n: int) -> float:
    """Return the probability beyond each end of an interval from the resampled means of n images.

    Percentile intervals of a mean are too narrow by the factor of Student's t and by sqrt(1 - 1 / n). Less than 2.5 %
    beyond each end undoes that: the expanded percentile interval [Hesterberg 2015].
    """
    return float(special.ndtr(-np.sqrt(n / (n - 1)) * special.stdtrit(n - 1, 1 - LEVEL / 2)))


def interval(resampled: np.ndarray, n: Sequence[int] | np.ndarray) -> np.ndarray:
    """Return the ends (2, columns) of the 95 % percentile intervals; fewer than six images have none."""
    ends, n = np.full((2, resampled.shape[1]), np.nan), np.asarray(n)
    for images in np.unique(n[n >= FEWEST]) if len(resampled) > 1 else ():
        columns = np.flatnonzero(n == images)
        ordered = np.sort(resampled[1:, columns].T, axis=1)  # nan last; a fourth of the time of np.quantile
        last, rows = np.maximum((~np.isnan(ordered)).sum(1) - 1, 0), np.arange(len(columns))
        for k, share in enumerate((tail(int(images)), 1 - tail(int(images)))):
            below = (share * last).astype(int)
            low, high = ordered[rows, below], ordered[rows, np.minimum(below + 1, last)]
            ends[k, columns] = low + (share * last - below) * (high - low)
    return ends


def wilson(share: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Return the ends (2, ...) of the 95 % intervals of shares of n images [Wilson 1927]."""
    z = -special.ndtri(LEVEL / 2)
    middle, half = share + z**2 / (2 * n), z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    low, high = np.stack([middle - half, middle + half]) / (1 + z**2 / n)
    return np.stack([np.minimum(low, share), np.maximum(high, share)]).clip(0, 1)


def median(values: np.ndarray) -> tuple[float, float, float]:
    """Return the median and the ends of its interval: order statistics that hold it in 95 % of samples or more."""
    from scipy import stats  # takes half a second to import

    known = values[~np.isnan(values)]
    if len(known) < FEWEST:
        return np.median(known) if len(known) else np.nan, np.nan, np.nan
    return np.median(known), *stats.quantile_test(known).confidence_interval()


def spearman(x: pd.Series, y: pd.Series) -> tuple[float, float, float, int]:
    """Return rho over the images on which both are defined, the ends of its interval, and the number of these images.

    rho is nan where there are fewer than three images, or one of both is constant.
    """
    from scipy import stats

    both = x.notna() & y.notna()
    n = int(both.sum())
    if n < 3 or x[both].nunique() < 2 or y[both].nunique() < 2:
        return np.nan, np.nan, np.nan, n
    weights = draws([*x.index[both]]).astype(int)
    sampled = np.repeat(np.tile(np.arange(n), len(weights)), weights.ravel()).reshape(len(weights), n)
    a, b = (stats.rankdata(one[both].to_numpy(float)[sampled], axis=1) - (n + 1) / 2 for one in (x, y))
    rho = ratio((a * b).sum(1), np.sqrt((a**2).sum(1) * (b**2).sum(1)))
    return (rho[0], *interval(rho[:, None], [n])[:, 0], n)


def differences(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return paired differences (images, ...) to twelve digits of the pair's largest score: equal scores differ by 0.

    Only images on which both are defined; nan elsewhere.
    """
    difference = one - other
    scale = np.where(np.isnan(difference), 0, np.maximum(np.abs(one), np.abs(other))).max(0, initial=0)
    scale = np.where(scale > 0, scale, 1)
    return np.round(difference / scale, 12) * scale


def comparable(values: np.ndarray, rows: int | None = None) -> np.ndarray:
    """Return the first `rows`, rounded to thirteen digits of the largest value.

    Equal scores must tie whatever the order of summation.
    """
    return np.round(values[:rows] / (np.nanmax(np.abs(values), initial=0) or 1), 13)


def ranks(values: np.ndarray, higher_is_better: Flags, rows: int | None = None) -> np.ndarray:
    """Return ranks within each of the first `rows`: one more than the number of better entries; nan has no rank."""
    keys = np.ascontiguousarray(comparable(values, rows) * np.where(higher_is_better, -1, 1))
    order = np.argsort(keys, axis=-1)  # nan last; SciPy's rankdata takes twice the time
    ordered = np.take_along_axis(keys, order, axis=-1)
    first = np.ones(keys.shape, dtype=bool)
    first[:, 1:] = ordered[:, 1:] > ordered[:, :-1]
    rank = np.empty(keys.shape)
    np.put_along_axis(rank, order, np.maximum.accumulate(first * np.arange(1.0, keys.shape[1] + 1), axis=-1), axis=-1)
    return np.where(np.isnan(keys), np.nan, rank)


def undefined(scores: pd.DataFrame) -> pd.DataFrame:
    """Count missing scores: one row per data set, model, entry, metric and reason, with the number of scores asked for.

    A score is one image's under one seed. An entry that does not apply to a model has none, and `of` is 0.
    """
    place = ["dataset", "model", "entry", "metric"]
    of = scores[scores.image != ""].groupby(place, observed=True, sort=False).size().rename("of")
    missing = scores[scores.status != "ok"].groupby([*place, "status", "reason"], observed=True, sort=False)
    table = missing.size().rename("undefined").reset_index().join(of, on=place)
    table = table.assign(of=table.of.fillna(0).astype(int))
    return table.assign(undefined=table.undefined.where(table.of > 0, 0))


def blocks(columns: pd.Index) -> Iterator[tuple[Hashable, np.ndarray]]:
    """Yield the name of each block and the places of its columns; where there is only one, its name is 0."""
    number, names = pd.factorize(columns.droplevel(-1) if columns.nlevels > 1 else np.zeros(len(columns), dtype=int))
    yield from ((name, np.flatnonzero(number == k)) for k, name in enumerate(names))


def ratio(total: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Return total / count, nan where the count is 0."""
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
