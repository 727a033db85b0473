"""Judge metrics by a sweep of experiment=meta: `python -m results.meta outputs/NAME [--csv]`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from results import collect, statistics
from results.grid import Column, grid
from results.leaderboard import CATEGORIES

RESAMPLES, SEED, SPLITS = 500, 0, 100
PLAIN, ORACLE, CHANCE = "plain", "oracle", "uniform"
STILL = {"seeds": "other_seed", "models": "other_model", "minor": "minor"}  # criterion: condition that must not matter
FILLS = ("black", "blur")
# What a metric needs to be relied on, and what the criterion is called in the verdict.
NEEDED = {"truth": 1.0, "images": 0.6, "seeds": 0.6, "baselines": 0.6, "minor": 0.8, "class": 0.5, "random": 0.5}
HEADS = {"truth": "truth first", "images": "other images", "seeds": "other seed", "models": "other model",
         "baselines": "other baseline", "minor": "minor change", "class": "class notices", "random": "random loses",
         "agrees": "agrees", "w": "W"}  # fmt: skip
LEGEND = f"""\
truth first: share of the controls that the mask beats on the oracle. Other images, seed, model, baseline and minor
change: Kendall's tau-b between the methods' rankings (controls left out) on random halves of the images, and under
another condition. Class notices: share of maps that score worse when they explain another class; random loses: that
score better than noise; ties count half. Agrees: tau with the mean rank of the other metrics of the category, whose
Kendall's W is W. Fails: criteria below {", ".join(f"{k} {v:g}" for k, v in NEEDED.items())}, or for class and random
not above it by a 95 % interval over images; without an answer (-) a criterion is not failed.
"""


def judged(scores: pd.DataFrame) -> pd.DataFrame:
    """Return one row per metric: how it keeps each criterion, with 95 % intervals (`_low`, `_high`) over images.

    `scores` are those of `stored`, with a column `condition`.
    """
    plain = scores[scores.condition == PLAIN]
    if plain.empty:
        raise ValueError(f"Judging metrics needs the cells of condition={PLAIN}; there is none")
    facts = plain.drop_duplicates("metric").set_index("metric")
    rows = {metric: _criteria(scores[scores.metric == metric], bool(facts.higher_is_better[metric]))
            for metric in facts.index}  # fmt: skip
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("metric")
    table = table.assign(category=facts.category, higher_is_better=facts.higher_is_better.astype(bool))
    table = table.join(_agreement(plain, table)).reset_index()
    order = {category: k for k, category in enumerate(dict.fromkeys([*CATEGORIES, *table.category]))}
    table = table.sort_values("category", key=lambda names: names.map(order), kind="stable", ignore_index=True)
    return table.assign(fails=[", ".join(_failed(row)) for _, row in table.iterrows()])


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


def kendalls_w(ranks: np.ndarray) -> float:
    """Return Kendall's coefficient of concordance of rankings (metrics, methods) with ties [Kendall & Smith 1939]."""
    m, n = ranks.shape
    if m < 2 or n < 3:
        return float("nan")
    spread = ((ranks.sum(0) - ranks.sum(0).mean()) ** 2).sum()
    tied = sum((np.unique(row, return_counts=True)[1] ** 3 - np.unique(row, return_counts=True)[1]).sum()
               for row in ranks)  # fmt: skip
    most = m**2 * (n**3 - n) - m * tied
    return float(12 * spread / most) if most > 0 else float("nan")


def _criteria(ours: pd.DataFrame, higher_is_better: bool) -> dict[str, float]:
    """Return one metric's criteria."""
    tables = {name: _by_image(rows, higher_is_better) for name, rows in ours.groupby("condition")}
    control = ours.drop_duplicates("method").set_index("method").group == "control"
    plain = tables[PLAIN]
    methods = [method for method in plain.columns if not control[method]]
    found = {"truth": _truth(tables.get(ORACLE), control), "images": _halves(plain[methods])}
    for name, condition in STILL.items():
        found |= _interval(name, _drawn(plain, tables.get(condition), methods))
    protocols = ours.drop_duplicates("condition").set_index("condition").protocol
    moved = [fill for fill in FILLS if fill in tables and protocols[fill] != protocols[PLAIN]]
    found |= _interval("baselines", *(_drawn(plain, tables[fill], methods) for fill in moved))
    other = tables.get("other_class")
    found |= _share("class", plain[methods], other[methods] if other is not None else None)
    if CHANCE in plain:
        noise = pd.DataFrame(dict.fromkeys(methods, plain[CHANCE]))
        found |= _share("random", plain[methods], noise)
    return found


def _by_image(rows: pd.DataFrame, higher_is_better: bool) -> pd.DataFrame:
    """Return scores (images, methods), larger is better."""
    wide = rows[rows.image != ""].pivot_table("score", "image", "method", dropna=False, sort=True)
    return wide if higher_is_better else -wide


def _truth(oracle: pd.DataFrame | None, control: pd.Series) -> float:
    if oracle is None or "truth" not in oracle or oracle.truth.isna().all():
        return float("nan")
    rest = [method for method in oracle if control[method] and method != "truth" and oracle[method].notna().any()]
    mean = oracle.mean()
    return float(np.mean([mean["truth"] > mean[method] for method in rest])) if rest else float("nan")


def _halves(plain: pd.DataFrame) -> float:
    """Return the mean tau between the rankings on random halves of the images."""
    rng, values, n = np.random.default_rng(SEED), plain.to_numpy(), len(plain)
    if n < 4:
        return float("nan")
    halves = np.zeros((SPLITS, n))
    for row in halves:
        row[rng.permutation(n)[: n // 2]] = 1
    with_, without = statistics.means(values, halves), statistics.means(values, 1 - halves)
    found = tau(with_, without)
    return float(np.nanmean(found)) if np.isfinite(found).any() else float("nan")


def _drawn(plain: pd.DataFrame, other: pd.DataFrame | None, methods: Sequence[str]) -> np.ndarray:
    """Return tau between two conditions in the sample (row 0) and in every resample of images."""
    methods = [method for method in methods if other is not None and method in other]
    if len(methods) < 3:
        return np.full(1, np.nan)
    images = plain.index.intersection(other.index)
    weights = np.concatenate([*statistics.draws([*images], RESAMPLES, SEED)])
    return tau(*(statistics.means(t.loc[images, methods].to_numpy(), weights) for t in (plain, other)))


def _interval(name: str, *drawn: np.ndarray) -> dict[str, float]:
    """Return the mean of some drawn criteria with its interval."""
    drawn = [d for d in drawn if np.isfinite(d[0])]
    if not drawn:
        return {name: float("nan"), f"{name}_low": float("nan"), f"{name}_high": float("nan")}
    mean = np.mean(np.stack(drawn), 0)
    low, high = np.nanquantile(mean[1:], [0.025, 0.975])
    return {name: float(mean[0]), f"{name}_low": float(low), f"{name}_high": float(high)}


def _share(name: str, plain: pd.DataFrame, worse: pd.DataFrame | None) -> dict[str, float]:
    """Return how often a score is better than its counterpart, ties half, with its interval over images."""
    if worse is None:
        return _interval(name)
    a, b = (t.reindex(index=plain.index, columns=plain.columns).to_numpy() for t in (plain, worse))
    close = np.isclose(a, b, rtol=1e-6, atol=1e-9)
    wins = np.where(close, 0.5, (a > b).astype(float))
    wins = np.where(np.isnan(a) | np.isnan(b), np.nan, wins)
    if np.isnan(wins).all():
        return _interval(name)
    weights = np.concatenate([*statistics.draws([*plain.index], RESAMPLES, SEED)])
    return _interval(name, np.nanmean(statistics.means(wins, weights), 1))


def _agreement(plain: pd.DataFrame, facts: pd.DataFrame) -> pd.DataFrame:
    """Return each metric's tau with the mean rank of the others of its category, and the category's W."""
    methods = plain[plain.group != "control"]
    mean = methods.pivot_table("score", "metric", "method", dropna=False)
    rows = {}
    for _, names in facts.groupby("category").groups.items():
        signs = np.where(facts.higher_is_better[names], -1, 1)
        values = (mean.reindex(names).mul(signs, axis=0)).dropna(axis=1, how="all")
        whole = values[values.notna().all(axis=1)]
        ranks = pd.DataFrame(stats.rankdata(np.round(whole, 12), axis=1), index=whole.index) if len(whole) else whole
        w = kendalls_w(ranks.to_numpy()) if len(whole) else float("nan")
        for name in names:
            others = ranks.drop(index=name, errors="ignore")
            agrees = float("nan")
            if name in ranks.index and len(others):
                agrees = tau(ranks.loc[[name]].to_numpy(), others.mean().to_numpy()[None])[0]
            rows[name] = {"agrees": agrees, "w": w}
    return pd.DataFrame.from_dict(rows, orient="index")


def _failed(row: pd.Series) -> list[str]:
    failed = []
    for name, least in NEEDED.items():
        low = row.get(f"{name}_low", np.nan) if name in ("class", "random") else np.nan
        value = low if low == low else row.get(name, np.nan)
        if value == value and (value <= least if name in ("class", "random") else value < least):
            failed.append(name)
    return failed


def stored(sweep: Path | str) -> pd.DataFrame:
    """Return the scores of a sweep over conditions, with the column `condition`."""
    scores = collect.stored(sweep)
    found = scores.variant.str.extract(r"(?:^|,)condition=([^,]+)")[0]
    if found.isna().any():
        raise ValueError(f"{sweep} needs the cells of experiment=meta; some were computed under no condition")
    return scores.assign(condition=found)


def text(table: pd.DataFrame, width: int) -> str:
    """Lay out the table for a terminal."""
    stub = Column("", ["metric"], [*table.metric], left=True)
    shown = [name for name in HEADS if name in table and table[name].notna().any()]
    columns = [Column("", HEADS[name].split(), [_number(value) for value in table[name]]) for name in shown]
    columns.append(Column("", ["fails"], [*table.fails], left=True))
    return grid(stub, columns, 0, width) + "\n" + LEGEND


def _number(value: float) -> str:
    return "-" if value != value else f"{value:.2f}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print which metrics can be trusted on what."""
    parser = argparse.ArgumentParser("python -m results.meta", description=main.__doc__)
    parser.add_argument("sweep", type=Path, help="the sweep's folder: outputs/meta")
    parser.add_argument("--csv", action="store_true", help="write every criterion with its interval to meta.csv")
    options = parser.parse_args(arguments)
    try:
        table = judged(stored(options.sweep))
        print(text(table, 150), end="")
        if options.csv:
            table.round(6).to_csv(options.sweep / "meta.csv", index=False)
            print(f"written: {options.sweep / 'meta.csv'}", file=sys.stderr)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
