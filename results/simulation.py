"""Do intervals cover and tests keep their level? `python -m results.simulation` writes results/published/coverage.csv.

Scores are drawn where the truth is known: methods share an image's difficulty (correlation .6 of a Gaussian copula).
"""

import sys
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import special, stats

from results import statistics
from results.blocks import blocks
from results.comparisons import friedman, images_needed, rank_sets

PUBLISHED = Path(__file__).parent / "published" / "coverage.csv"
SCORES = PUBLISHED.with_name("leaderboard.parquet")
IMAGES = (16, 24, 100)
METHODS = (5, 17)
SHARED = 0.6
TRIALS = 4000
SHAPES = {  # from the normal deviate that methods share in part to a score; mean
    "normal": (lambda z: z, 0.0),
    "skewed (exponential)": (lambda z: -special.log_ndtr(-z), 1.0),
    "bounded (beta 2, 5)": (lambda z: stats.beta.ppf(special.ndtr(z), 2, 5), 2 / 7),
    "0/1 (p = .7)": (lambda z: (special.ndtr(z) < 0.7) * 1.0, 0.7),
}
SHARES = (0.7, 0.9, 0.95)  # of hits
COVERAGE, LEAST_COVERAGE, ERROR, FOUND, SHOWN = ".93 to .97", "at least .93", "at most .05", ".8", ""
AIMS = {COVERAGE: (0.93, 0.97), LEAST_COVERAGE: (0.93, 1), ERROR: (0, 0.05), FOUND: (0.78, 0.84), SHOWN: (0, 1)}
SKEW = "a percentile interval misses the long tail of few skewed scores"
RESAMPLED = "resampled ranks move towards the middle: a spread, and no interval of the true mean rank"
NOT_IMAGES = "repeated seeds of an image are no new images; shown for what it would do"
UNEQUAL = "differences are skewed, and Student's t far in its tail is too sure of few of them"
ONE = "one image can carry a difference of means; without it only the constant is drawn that centring has left"


def deviates(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Draw normal deviates (..., images, methods) that the methods of an image share in part."""
    own, shared = rng.standard_normal(shape), rng.standard_normal((*shape[:-1], 1))
    return np.sqrt(SHARED) * shared + np.sqrt(1 - SHARED) * own


def covered(
    scores: np.ndarray, truth: float, rng: np.random.Generator, resamples: int = 2000,
    ends: Callable = statistics.mean_interval,
) -> float:  # fmt: skip
    """Return the share of `scores` (images, trials) whose interval of the mean holds the truth."""
    hits, n = 0, len(scores)
    for some in np.array_split(scores, max(1, scores.shape[1] // 500), axis=1):
        names = [f"{rng.random()}" for _ in range(n)]  # other names, other draws
        low, high = ends(some, statistics.resampled(some, names, resamples, 0))
        hits += int(((low <= truth + 1e-9) & (truth - 1e-9 <= high)).sum())
    return hits / scores.shape[1]


def intervals(rng: np.random.Generator, trials: int) -> Iterator[dict]:
    """Yield the coverage of means and of differences of paired methods."""
    for (name, (shape, mean)), n in product(SHAPES.items(), IMAGES):
        one, other = np.moveaxis(shape(deviates(rng, trials, n, 2)), -1, 0)
        why = {"skewed (exponential)": SKEW}.get(name, "")
        if not name.startswith("0/1"):
            yield row("interval of a mean", name, 1, n, covered(one.T, mean, rng), trials, COVERAGE, why)
        share = covered(
            (one - other).T, 0, rng, ends=lambda some, drawn: statistics.interval(drawn, [len(some)] * some.shape[1])
        )
        yield row("interval of a difference", name, 2, n, share, trials, COVERAGE, why)


def hits(rng: np.random.Generator, trials: int) -> Iterator[dict]:
    """Yield the coverage of the mean of 0/1 scores."""
    for p, n in product(SHARES, IMAGES):
        scores = (rng.random((n, trials)) < p) * 1.0
        yield row("interval of a mean", f"0/1 (p = {p})".replace("0.", "."), 1, n, covered(scores, p, rng), trials,
                  LEAST_COVERAGE)  # fmt: skip


def rank_intervals(rng: np.random.Generator, trials: int) -> Iterator[dict]:
    """Yield the coverage of all methods' ranks together by `rank_sets`, and of resampled mean ranks one by one."""
    gaps = {"normal, .5 sd apart": 0.5, "normal, .1 sd apart": 0.1, "normal, all equal": 0.0}
    for (name, gap), k, n in product(gaps.items(), METHODS, IMAGES):
        truth = 1 + np.arange(k) if gap else np.ones(k)
        every = (deviates(rng, n, k) - gap * np.arange(k) for _ in range(trials))
        sets = (rank_sets(statistics.better(scores), np.ones(k, dtype=bool)) for scores in every)
        share = np.mean([((low <= truth) & (truth <= high)).all() for low, high in sets])
        yield row("sets of all ranks together", name, k, n, share, trials, LEAST_COVERAGE)
    for gap in (0.5, 0.1):
        share = np.mean([_mean_ranks(rng, gap, f"{trial}") for trial in range(trials // 4)])
        name = f"normal, {gap} sd apart".replace("0.", ".")
        yield row("spread of resampled mean ranks over 10 metrics", name, 17, 24, share, trials // 4, SHOWN, RESAMPLED)


def _mean_ranks(rng: np.random.Generator, gap: float, names: str, k: int = 17, n: int = 24, metrics: int = 10) -> float:
    """Return the share of methods whose spread holds the true mean rank; every metric has the same true ranks."""
    scores = np.moveaxis(deviates(rng, metrics, n, k), 0, 1) - gap * np.arange(k)
    drawn = statistics.resampled(scores.reshape(n, -1), [f"{names} {i}" for i in range(n)], 500, 0)
    ranks = statistics.ranks(drawn.reshape(-1, k), True).reshape(-1, metrics, k).mean(1)
    low, high = statistics.interval(ranks, [n] * k)
    truth = 1 + np.arange(k)
    return ((low <= truth) & (truth <= high)).mean()


def errors(rng: np.random.Generator, trials: int) -> Iterator[dict]:
    """Yield how often any two equal methods are told apart."""
    for k, (name, (shape, _)), n in product(METHODS, SHAPES.items(), IMAGES):
        wrong = np.mean([(~statistics.alike(shape(deviates(rng, n, k)))).any() for _ in range(trials)])
        yield row("familywise error of the letters", name, k, n, wrong, trials, ERROR)
    for k, n in product(METHODS, IMAGES):
        half = k // 2
        wrong = np.mean([(~statistics.alike(deviates(rng, n, k) + 5.0 * (np.arange(k) < half))[half:, half:]).any()
                         for _ in range(trials)])  # fmt: skip
        yield row("familywise error of the letters", "normal, half of the methods better", k, n, wrong, trials, ERROR)
        wrong = np.mean([(~statistics.alike(unequal(rng, n, k))).any() for _ in range(trials)])
        yield row("familywise error of the letters", "equal means, every other one skewed", k, n, wrong, trials, ERROR,
                  UNEQUAL)  # fmt: skip
        tests = (friedman(deviates(rng, n, k)) for _ in range(trials))
        wrong = np.mean([ours.p < statistics.LEVEL and np.ptp(ours.ranks) >= ours.critical_difference
                         for ours in tests])  # fmt: skip
        yield row("familywise error of Friedman and Nemenyi", "normal", k, n, wrong, trials, ERROR)


def unequal(rng: np.random.Generator, n: int, k: int) -> np.ndarray:
    """Draw scores of mean 1: exponential for every other method, uniform from .5 to 1.5 for the rest."""
    z = deviates(rng, n, k)
    return np.where(np.arange(k) % 2, -special.log_ndtr(-z), 0.5 + special.ndtr(z))


def published(rng: np.random.Generator, trials: int, n: int = 24) -> Iterator[dict]:
    """Yield how often published scores, given the same mean, are told apart on images drawn anew, over all models."""
    scores = pd.read_parquet(SCORES)
    models = [cells for _, cells in scores.groupby("model", sort=False)]
    for metric in scores.metric.unique():
        families = [values for cells in models if (values := blocks(cells, metric).dropna(axis=1)).shape[1] > 4]
        equal = [(ours - ours.mean()).to_numpy() for ours in families]
        wrong = [(~statistics.alike(values[rng.integers(len(values), size=n)])).any()
                 for values in equal for _ in range(trials)]  # fmt: skip
        if wrong:
            yield row("familywise error of the letters", f"published {metric}, centred", families[0].shape[1], n,
                      np.mean(wrong), len(wrong), ERROR, ONE)  # fmt: skip


def repeated(rng: np.random.Generator, trials: int, n: int = 24, seeds: int = 3) -> Iterator[dict]:
    """Yield the coverage of a mean over images and seeds, by what is drawn; half of the variance is of seeds."""
    scores = rng.standard_normal((n, 1, trials)) + rng.standard_normal((n, seeds, trials))
    name = f"normal, {seeds} seeds of every image"
    images = covered(scores.mean(1), 0, rng)
    yield row("images drawn, each with its seeds", name, 1, n, images, trials, COVERAGE)
    flat = covered(scores.reshape(n * seeds, trials), 0, rng)
    yield row("seeds counted as images", name, 1, n, flat, trials, SHOWN, NOT_IMAGES)


def power(rng: np.random.Generator, trials: int) -> Iterator[dict]:
    """Yield how often a difference is found: alone with `images_needed`, and by the letters."""
    for d in (0.3, 0.5, 0.8):
        n = int(images_needed(d, 1))
        p = stats.ttest_1samp(d + rng.standard_normal((n, trials)), 0).pvalue
        yield row(f"power of images_needed, d_z = {d}", "normal", 2, n, (p < statistics.LEVEL).mean(), trials, FOUND)
    for d, k, n in product((0.8, 1.2), METHODS, IMAGES):
        size = d * np.sqrt(2 * (1 - SHARED))  # of one method over all others, in standard deviations of differences
        found = np.mean([(~statistics.alike(deviates(rng, n, k) + size * (np.arange(k) == 0))[0, 1:]).mean()
                         for _ in range(trials)])  # fmt: skip
        yield row(f"power of the letters, d_z = {d}", "normal", k, n, found, trials, SHOWN)


def row(claim: str, scores: str, methods: int, images: int, share: float, trials: int, aim: str, why: str = "") -> dict:
    """Return a row: `holds` allows for the simulation's own error, twice its standard error; `why` unless it holds."""
    error = np.sqrt(max(share * (1 - share), 1 / trials) / trials)
    low, high = AIMS[aim]
    holds = "" if aim == SHOWN else "yes" if low - 2 * error <= share <= high + 2 * error else "no"
    return {"claim": claim, "scores": scores, "methods": methods, "images": images, "share": round(float(share), 4),
            "error": round(float(error), 4), "aim": aim, "holds": holds,
            "why": why if holds != "yes" else ""}  # fmt: skip


def simulate(trials: int = TRIALS, seed: int = 0) -> pd.DataFrame:
    """Return the whole table; each claim has draws of its own."""
    claims = ((intervals, 2), (hits, 2), (rank_intervals, 0.25), (errors, 1), (published, 0.25), (repeated, 1),
              (power, 1))  # fmt: skip
    rows = [ours for k, (claim, part) in enumerate(claims)
            for ours in claim(np.random.default_rng([seed, k]), int(part * trials))]  # fmt: skip
    return pd.DataFrame(rows)


def main() -> int:
    """Simulate and write the table."""
    if sys.argv[1:]:
        sys.exit(f"usage: python -m results.simulation, which takes minutes and writes {PUBLISHED}")
    table = simulate()
    table.to_csv(PUBLISHED, index=False)
    print(table[table.holds == "no"].to_string(index=False) if (table.holds == "no").any() else "all claims hold")
    print(f"written: {PUBLISHED}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
