"""Do intervals cover, and does the verdict err and find as it should? `python -m tests.results.simulation`

It writes results/published/coverage.csv. Scores are drawn where the truth is known: the entries of an image share its
difficulty (correlation .6 of a Gaussian copula). `holds` allows for twice the standard error of the simulation.
"""

from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
from scipy import special, stats

from results import inference, summary

PUBLISHED = Path(__file__).parents[2] / "results" / "published" / "coverage.csv"
SHARED = 0.6
TRIALS = 1000
IMAGES, ENTRIES = (16, 24, 50, 100), (5, 17)
COVERAGE, AT_LEAST, ERROR, SHOWN = ".93 to .97", "at least .93", "at most .06", ""
AIMS = {COVERAGE: (0.93, 0.97), AT_LEAST: (0.93, 1), ERROR: (0, 0.06), SHOWN: (0, 1)}
SKEW = "percentiles miss the long tail of few skewed scores"
UNEQUAL = "flips of signs do not see all of the skewness"


def exponential(z: np.ndarray) -> np.ndarray:
    return -special.log_ndtr(-z)


def alternating(first: Callable, second: Callable) -> Callable:
    """Return scores of one kind for every other entry, and of another for the rest."""
    return lambda z: np.where(np.arange(z.shape[-1]) % 2, first(z), second(z))


SHAPES: dict[str, tuple[Callable, float]] = {  # from normal deviates to scores; their mean
    "normal": (lambda z: z, 0.0),
    "skewed: exponential": (exponential, 1.0),
    "bounded: beta 2, 5": (lambda z: stats.beta.ppf(special.ndtr(z), 2, 5), 2 / 7),
    "outliers: sinh 1.5 z": (lambda z: np.sinh(1.5 * z), 0.0),
    "hits: 0 or 1, p = .7": (lambda z: (special.ndtr(z) < 0.7) * 1.0, 0.7),
}
FAMILIES = {name: shape for name, shape in SHAPES.items() if not name.startswith("bounded")} | {
    "unequally skewed: exponential, uniform": (alternating(exponential, lambda z: 0.5 + special.ndtr(z)), 1.0),
    "oppositely skewed: exponential": (alternating(exponential, lambda z: 2 - exponential(-z)), 1.0),
}


def deviates(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Draw normal deviates (..., images, entries) that the entries of an image share in part."""
    own, shared = rng.standard_normal(shape), rng.standard_normal((*shape[:-1], 1))
    return np.sqrt(SHARED) * shared + np.sqrt(1 - SHARED) * own


def intervals(rng: np.random.Generator, trials: int) -> Iterator[dict]:
    """Yield how often the intervals of means and of differences hold the truth."""
    for (name, (shape, mean)), n in product(SHAPES.items(), IMAGES):
        one, other = np.moveaxis(shape(deviates(rng, 4 * trials, n, 2)), -1, 0)
        hits = name.startswith("hits")
        for claim, scores, truth, binary in (("mean", one, mean, hits), ("difference", one - other, 0.0, False)):
            parts = np.array_split(scores.T, max(1, trials // 100), axis=1)
            named = (pd.DataFrame(some, [f"{rng.random()}" for _ in range(n)]) for some in parts)  # draws of their own
            share = np.mean([covered(values, truth, binary) for values in named])
            aim = AT_LEAST if binary or claim == "difference" else COVERAGE
            yield row(f"95 % interval of a {claim}", name, 1, n, share, 4 * trials, aim, SKEW)


def covered(values: pd.DataFrame, truth: float = 0.0, hits: bool = False) -> float:
    """Return how often the intervals of columns' means hold the truth."""
    low, high = summary.summary(values, True, hits)[["low", "high"]].to_numpy().T
    return ((low <= truth + 1e-9) & (truth - 1e-9 <= high)).mean()


def family(scores: np.ndarray) -> pd.DataFrame:
    """Return the verdicts on scores (trials, images, entries), larger is better, as (trials, entries) tables."""
    trials, n, k = scores.shape
    columns = pd.MultiIndex.from_product([range(trials), range(k)])
    values = pd.DataFrame(scores.transpose(1, 0, 2).reshape(n, -1), columns=columns)
    ends = pd.DataFrame({"low": -np.inf, "high": np.inf}, columns)
    return inference.verdicts(values, True, ends=ends)


def verdicts(rng: np.random.Generator, trials: int, entries=ENTRIES, images=IMAGES) -> Iterator[dict]:
    """Yield the errors of families: any of equal entries is called worse, all equal, or half of them worse.

    The worse half is worse by .8 standard deviations of a difference; hits are .9 and .4. Intervals are those of all
    differences to the best together.
    """
    for k, (name, (shape, _)), n in product(entries, FAMILIES.items(), images):
        about, better = (name, k, n), np.arange(k) < k // 2
        z = deviates(rng, trials, n, k)
        equal = family(shape(z)).verdict.to_numpy().reshape(trials, k) == "worse"
        if name.startswith("hits"):
            gap, scores = 0.5, (special.ndtr(z) < np.where(better, 0.9, 0.4)) * 1.0
        else:
            gap = 0.8 * np.std(np.diff(shape(deviates(rng, 20000, k))[:, :2]))
            scores = shape(z) + gap * better
        table = family(scores)
        worse, best = ((table.verdict == word).to_numpy().reshape(trials, k) for word in ("worse", "best"))
        truth = gap * ((best & better).any(1, keepdims=True) * 1 - better).ravel()
        truth = np.where(table.direction == "better by", -truth, truth)
        covered = ((table.low <= truth + 1e-9) & (truth <= table.high + 1e-9) | table.low.isna()).to_numpy()
        error, half = equal.any(1).mean(), worse[:, better].any(1).mean()
        yield row("an equal entry is called worse: all are equal", *about, error, trials, ERROR, UNEQUAL)
        yield row("an equal entry is called worse: half are worse", *about, half, trials, ERROR, UNEQUAL)
        share = covered.reshape(trials, k).all(1).mean()
        yield row("intervals of all differences to the best", *about, share, trials, AT_LEAST, UNEQUAL)
        yield row("share of worse entries that are called worse", *about, worse[:, ~better].mean(), trials, SHOWN)


def repeated(rng: np.random.Generator, trials: int, n: int = 24, seeds: int = 3) -> Iterator[dict]:
    """Yield the coverage of a mean over images and seeds, by what is resampled; half of the variance is of seeds."""
    scores = rng.standard_normal((n, 1, trials)) + rng.standard_normal((n, seeds, trials))
    claims = {
        "images resampled, each with its seeds": scores.mean(1),
        "seeds counted as images": scores.reshape(-1, trials),
    }
    for claim, values in claims.items():
        share, aim = covered(pd.DataFrame(values)), COVERAGE if len(values) == n else SHOWN
        yield row(claim, f"normal, {seeds} seeds of every image", 1, n, share, trials, aim)


def power(rng: np.random.Generator, trials: int) -> Iterator[dict]:
    """Yield how often a difference is found with `images_needed`."""
    for d in (0.3, 0.5, 0.8):
        n = int(inference.images_needed(d, 1))
        share = (stats.ttest_1samp(d + rng.standard_normal((n, trials)), 0).pvalue < summary.LEVEL).mean()
        yield row(f"power of images_needed (aim .8), d_z = {d}", "normal", 2, n, share, trials, SHOWN)


def row(claim: str, scores: str, entries: int, images: int, share: float, trials: int, aim: str, why: str = "") -> dict:
    error = np.sqrt(max(share * (1 - share), 1 / trials) / trials)
    low, high = AIMS[aim]
    holds = "" if aim == SHOWN else "yes" if low - 2 * error <= share <= high + 2 * error else "no"
    numbers = {"share": round(float(share), 4), "error": round(float(error), 4)}
    about = {"claim": claim, "scores": scores, "entries": entries, "images": images}
    return about | numbers | {"aim": aim, "holds": holds, "why": why if holds == "no" else ""}


def simulate(trials: int = TRIALS, seed: int = 0) -> pd.DataFrame:
    """Return the table; each claim has its own random numbers. A tenth of the flips saves time and keeps the error."""
    claims = enumerate((intervals, verdicts, repeated, power))
    inference.flips.cache_clear()
    with patch.object(inference, "FLIPS", 500):
        table = [row for k, claim in claims for row in claim(np.random.default_rng([seed, k]), trials)]
    inference.flips.cache_clear()
    return pd.DataFrame(table)


if __name__ == "__main__":
    table = simulate()
    table.to_csv(PUBLISHED, index=False)
    print(table[table.holds == "no"].to_string(index=False))
