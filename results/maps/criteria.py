"""What a metric needs to be relied on, each criterion with a 95 % interval over images.

Scores are tables (images x entries), larger is better, by condition. Intervals of rank correlations are the value and
1.96 standard deviations of a bootstrap over images, ended at -1 and 1: percentiles would be too low for close entries,
since drawing images anew adds noise. Shares have the percentile intervals of `results.summary`.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from results import inference, summary
from results.summary import FEWEST

RESAMPLES, SEED, SPLITS = 500, 0, 40
PLAIN, ORACLE, RANDOM = "plain", "oracle", "uniform"
STILL = {"seeds": "other_seed", "models": "other_model", "minor": "minor"}  # criterion: condition that must not matter
FILLS = ("black", "blur")
# The least that is required. A metric that notices nothing comes to .5 of class and random.
REQUIRED = {"truth": 1.0, "images": 0.6, "seeds": 0.6, "baselines": 0.6, "minor": 0.8, "class": 0.6, "random": 0.6}
STABLE = ("images", "seeds", "baselines")
# What is required of a category, and why no more.
CATEGORIES = {
    "faithfulness": ((*REQUIRED,), "it says what the network used"),
    "localisation": (
        ("truth", *STABLE, "minor", "random"),
        "where one object is all there is, maps of other classes fall on it, too",
    ),
    "robustness": ((*STABLE, "minor"), "a map that never moves is robust, true or not"),
    "complexity": ((*STABLE, "minor"), "a simple map need not be true, nor of the right class"),
    "randomisation": ((*STABLE, "minor"), "the mask ignores the network, and noise passes for a map that does not"),
    "axiomatic": (STABLE, "a law is kept or broken: the least change may break it, and wrong maps may keep it"),
}


def required(category: str) -> tuple[str, ...]:
    """Return the criteria that metrics of a category can fail: all of them where nothing is known of it."""
    return CATEGORIES[category][0] if category in CATEGORIES else (*REQUIRED,)


def outcome(category: str, name: str, value: float, low: float, high: float) -> str:
    """Return kept, failed or undecided by the interval; nothing where it is not required or was not measured."""
    if name not in required(category) or np.isnan(value):
        return ""
    return "kept" if low >= REQUIRED[name] else "failed" if high < REQUIRED[name] else "undecided"


def criteria(tables: Mapping[str, pd.DataFrame], control: pd.Series, moved: Iterable[str]) -> dict[str, float]:
    """Return one metric's criteria, with `_low` and `_high`.

    `control` says by entry whether it is one; `moved` are the conditions with another baseline that change the metric.
    """
    entries = {name: table[[entry for entry in table if not control[entry]]] for name, table in tables.items()}
    plain = tables[PLAIN]
    methods = entries[PLAIN]
    rows = truth(tables.get(ORACLE), control) | correlation("images", halves(methods), len(plain))
    for name, condition in STILL.items():
        rows |= correlation(name, *against(methods, entries.get(condition)))
    fills = [against(methods, entries[fill]) for fill in moved]
    fills = [(draws, n) for draws, n in fills if np.isfinite(draws[0])]
    draws = np.mean([draws for draws, _ in fills], axis=0) if fills else np.full(1, np.nan)
    rows |= correlation("baselines", draws, min((n for _, n in fills), default=0))
    noise = pd.DataFrame(dict.fromkeys(methods, plain[RANDOM])) if RANDOM in plain else None
    return rows | share("class", methods, entries.get("other_class")) | share("random", methods, noise)


def weights(images: Iterable[str]) -> np.ndarray:
    """Return how often each image is drawn: once in row 0, the sample itself."""
    return summary.draws([*images], RESAMPLES, SEED)


def correlation(name: str, draws: np.ndarray, images: int, least: float = -1.0) -> dict[str, float]:
    """Return a correlation with its interval, none on fewer than six images; row 0 of `draws` is the sample."""
    resampled, wide = draws[1:][np.isfinite(draws[1:])], np.nan
    if images >= FEWEST and len(resampled) > 1:
        wide = 1.96 * resampled.std()
    low, high = np.clip([draws[0] - wide, draws[0] + wide], least, 1)
    return {name: float(draws[0]), f"{name}_low": float(low), f"{name}_high": float(high)}


def truth(oracle: pd.DataFrame | None, control: pd.Series) -> dict[str, float]:
    """Return the share of the other controls that the mask beats by mean; a tie is no win."""
    rest = [e for e in oracle if control[e] and e != "truth" and oracle[e].notna().any()] if oracle is not None else []
    if not rest or "truth" not in oracle or oracle.truth.isna().all():
        return correlation("truth", np.full(1, np.nan), 0)
    draws = summary.comparable(summary.means(oracle[["truth", *rest]].to_numpy(), weights(oracle.index)))
    wins = np.where(np.isnan(draws[:, :1]) | np.isnan(draws[:, 1:]), np.nan, draws[:, :1] > draws[:, 1:])
    return _percentiles("truth", _mean(wins), len(oracle))


def halves(plain: pd.DataFrame) -> np.ndarray:
    """Return the mean tau between the rankings on random halves of the images.

    All draws of an image stay in one half: halves that share images agree for that alone.
    """
    n = len(plain)
    if n < FEWEST:
        return np.full(1, np.nan)
    rng, drawn, taus = np.random.default_rng(SEED), weights(plain.index), []
    for _ in range(SPLITS):
        half = np.isin(np.arange(n), rng.permutation(n)[: n // 2])
        taus.append(inference.tau(*(summary.means(plain.to_numpy(), drawn * side) for side in (half, ~half))))
    return _mean(np.stack(taus, axis=1))


def against(plain: pd.DataFrame, other: pd.DataFrame | None) -> tuple[np.ndarray, int]:
    """Return tau between two conditions, and on how many images."""
    images = plain.index.intersection(other.index) if other is not None else []
    if not len(images) or len(other.columns) < 3:
        return np.full(1, np.nan), 0
    both = (table.loc[images, other.columns].to_numpy() for table in (plain, other))
    return inference.tau(*(summary.means(table, weights(images)) for table in both)), len(images)


def share(name: str, plain: pd.DataFrame, worse: pd.DataFrame | None) -> dict[str, float]:
    """Return how often a score is better than its counterpart, a tie counts half; the mean over entries."""
    if worse is None:
        return correlation(name, np.full(1, np.nan), 0)
    a, b = plain.to_numpy(), worse.reindex(index=plain.index, columns=plain.columns).to_numpy()
    ties = np.abs(a - b) <= 1e-6 * np.maximum(np.abs(a), np.abs(b))
    wins = np.where(np.isnan(a) | np.isnan(b), np.nan, np.where(ties, 0.5, a > b))
    if np.isnan(wins).all():
        return correlation(name, np.full(1, np.nan), 0)
    images = int((~np.isnan(wins)).any(1).sum())
    return _percentiles(name, _mean(summary.means(wins, weights(plain.index))), images)


def _percentiles(name: str, draws: np.ndarray, images: int) -> dict[str, float]:
    low, high = summary.interval(draws[:, None], [images])[:, 0] if images >= FEWEST else (np.nan, np.nan)
    return {name: float(draws[0]), f"{name}_low": float(low), f"{name}_high": float(high)}


def _mean(values: np.ndarray) -> np.ndarray:
    """Return the means of rows over what is defined, nan where nothing is."""
    defined = ~np.isnan(values)
    count = defined.sum(1)
    return np.divide(np.where(defined, values, 0).sum(1), count, out=np.full(len(values), np.nan), where=count > 0)
