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
NONE = np.full(1, np.nan)  # what stands for draws where there is no correlation
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
    plain, methods = tables[PLAIN], entries[PLAIN]
    fills = [(draws, n) for draws, n in (against(methods, entries[fill]) for fill in moved) if np.isfinite(draws[0])]
    draws, images = (
        np.mean([draws for draws, _ in fills], axis=0) if fills else NONE,
        min((n for _, n in fills), default=0),
    )
    noise = pd.DataFrame(dict.fromkeys(methods, plain[RANDOM])) if RANDOM in plain else None
    measured = {"truth": truth(tables.get(ORACLE), control), "images": correlation(halves(methods), len(plain))}
    measured |= {name: correlation(*against(methods, entries.get(other))) for name, other in STILL.items()}
    measured |= {"baselines": correlation(draws, images), "class": share(methods, entries.get("other_class"))}
    measured |= {"random": share(methods, noise)}
    return dict(pair for name, ends in measured.items() for pair in columns(name, ends).items())


def columns(name: str, ends: tuple[float, float, float]) -> dict[str, float]:
    """Return a criterion and its interval by the names of their columns."""
    return dict(zip((name, f"{name}_low", f"{name}_high"), map(float, ends), strict=True))


def weights(images: Iterable[str]) -> np.ndarray:
    """Return how often each image is drawn: once in row 0, the sample itself."""
    return summary.draws([*images], RESAMPLES, SEED)


def correlation(draws: np.ndarray, images: int, least: float = -1.0) -> tuple[float, float, float]:
    """Return a correlation with its interval, none on fewer than six images; row 0 of `draws` is the sample."""
    resampled, wide = draws[1:][np.isfinite(draws[1:])], np.nan
    if images >= FEWEST and len(resampled) > 1:
        wide = 1.96 * resampled.std()
    return draws[0], *np.clip([draws[0] - wide, draws[0] + wide], least, 1)


def truth(oracle: pd.DataFrame | None, control: pd.Series) -> tuple[float, float, float]:
    """Return the share of the other controls that the mask beats by mean; a tie is no win."""
    rest = [e for e in oracle if control[e] and e != "truth" and oracle[e].notna().any()] if oracle is not None else []
    if not rest or "truth" not in oracle or oracle.truth.isna().all():
        return (np.nan,) * 3
    draws = summary.comparable(summary.means(oracle[["truth", *rest]].to_numpy(), weights(oracle.index)))
    wins = np.where(np.isnan(draws[:, :1]) | np.isnan(draws[:, 1:]), np.nan, draws[:, :1] > draws[:, 1:])
    return _percentiles(_mean(wins), len(oracle))


def halves(plain: pd.DataFrame) -> np.ndarray:
    """Return the mean tau between the rankings on random halves of the images.

    All draws of an image stay in one half: halves that share images agree for that alone.
    """
    n = len(plain)
    if n < FEWEST:
        return NONE
    rng, drawn, taus = np.random.default_rng(SEED), weights(plain.index), []
    for _ in range(SPLITS):
        half = np.isin(np.arange(n), rng.permutation(n)[: n // 2])
        taus.append(inference.tau(*(summary.means(plain.to_numpy(), drawn * side) for side in (half, ~half))))
    return _mean(np.stack(taus, axis=1))


def against(plain: pd.DataFrame, other: pd.DataFrame | None) -> tuple[np.ndarray, int]:
    """Return Kendall's tau between the rankings under two conditions, and the number of images."""
    images = plain.index.intersection(other.index) if other is not None else []
    if not len(images) or len(other.columns) < 3:
        return NONE, 0
    both = (table.loc[images, other.columns].to_numpy() for table in (plain, other))
    return inference.tau(*(summary.means(table, weights(images)) for table in both)), len(images)


def share(plain: pd.DataFrame, worse: pd.DataFrame | None) -> tuple[float, float, float]:
    """Return on what share of images scores are better than under the other condition, with its interval.

    It is the mean over entries, and a tie counts half.
    """
    if worse is None:
        return (np.nan,) * 3
    a, b = plain.to_numpy(), worse.reindex(index=plain.index, columns=plain.columns).to_numpy()
    ties = np.abs(a - b) <= 1e-6 * np.maximum(np.abs(a), np.abs(b))
    wins = np.where(np.isnan(a) | np.isnan(b), np.nan, np.where(ties, 0.5, a > b))
    return _percentiles(_mean(summary.means(wins, weights(plain.index))), int((~np.isnan(wins)).any(1).sum()))


def _percentiles(draws: np.ndarray, images: int) -> tuple[float, float, float]:
    return draws[0], *summary.interval(draws[:, None], [images])[:, 0]


def _mean(values: np.ndarray) -> np.ndarray:
    """Return the means of rows over what is defined, nan where nothing is."""
    return np.ma.masked_invalid(values).mean(axis=1).filled(np.nan)
