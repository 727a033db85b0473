"""Compare methods on a metric: `python -m results.compare outputs/NAME METRIC [--to METHOD] [--model M]`."""

import argparse
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from results import statistics
from results.blocks import blocks, pooled
from results.collect import collect
from results.compared import latex, text
from results.comparisons import effects, friedman, images_needed, rank_sets
from results.kinds import maps_only
from results.statistics import FEWEST, LEVEL, RESAMPLES, SEED
from results.tables import ALL_MODELS

POWER = 0.8


def compare(
    scores: pd.DataFrame, metric: str, to: str | None = None, resamples: int = RESAMPLES, seed: int = SEED
) -> pd.DataFrame:
    """Return one row per data set, model and method, best first: its difference to a reference, and tests over images.

    The reference is `to`, and the family its comparisons; by default the best method that is no control, and the family
    all pairs, since who is best is seen in the same scores. `difference`, `d_z` and `wins` are larger for the better;
    `seed_low` and `seed_high` are the differences of single seeds, which no resampling of images shows. A difference
    is that of the images on which both are defined.
    """
    _known("A metric", scores.metric, metric)
    _known("--to", scores.method, to)
    group = scores.drop_duplicates("method").set_index("method").group
    parts = []
    for dataset, cells in scores.groupby("dataset", sort=False):
        if (measured := cells[cells.metric == metric]).empty:
            continue
        higher = bool(measured.higher_is_better.iloc[0])
        models = {model: (blocks(ours, metric), _by_seed(ours, metric))
                  for model, ours in cells.groupby("model", sort=False)}  # fmt: skip
        if len(models) > 1:
            values, seeds = zip(*models.values(), strict=True)
            shared = set.intersection(*map(set, seeds))
            models[ALL_MODELS] = pooled(values), {k: pooled([ours[k] for ours in seeds]) for k in sorted(shared)}
        for model, (values, seeds) in models.items():
            rows = _one(values, seeds, higher, group, to, (resamples, seed))
            parts.append(rows.assign(dataset=dataset, model=model, metric=metric, higher_is_better=higher))
    return pd.concat(parts, ignore_index=True)


def _one(
    values: pd.DataFrame, seeds: dict[int, pd.DataFrame], higher: bool, group: pd.Series, to: str | None, draws: tuple,
) -> pd.DataFrame:  # fmt: skip
    """Compare the columns of `values` (images, methods)."""
    array = values.to_numpy() if higher else -values.to_numpy()
    n = (~np.isnan(array)).sum(0)
    table = pd.DataFrame({"group": group.reindex(values.columns), "images": len(array), "n": n})
    table = table.assign(control=table.group == "control").rename_axis("method")
    if not n.any():
        return table.reset_index()
    mean = pd.Series(statistics.means(array, np.ones((1, len(array))))[0], values.columns)
    best = mean[~table.control] if mean[~table.control].notna().any() else mean
    reference = to if to in values.columns and n[values.columns.get_loc(to)] else None if to else best.idxmax()
    table["mean"] = mean if higher else -mean
    table["rank_low"], table["rank_high"] = rank_sets(statistics.better(array), n > 0)
    if tested := friedman(array):
        table = table.assign(mean_rank=tested.ranks, friedman=tested.statistic, friedman_p=tested.p,
                             critical_difference=tested.critical_difference, tested_methods=tested.methods,
                             tested_images=tested.images)  # fmt: skip
    if reference is not None:
        resampled = partial(statistics.resampled, images=values.index.tolist(), resamples=draws[0], seed=draws[1])
        table = table.join(_differences(array, resampled, values.columns, reference, every_pair=to is None))
        by_seed = [ours.sub(ours[reference], axis=0).mean() for ours in seeds.values() if reference in ours]
        if len(by_seed) > 1:
            gaps = pd.concat(by_seed, axis=1).drop(reference) * (1 if higher else -1)
            table = table.assign(seed_low=gaps.min(axis=1), seed_high=gaps.max(axis=1))
    order = mean.sort_values(ascending=False, kind="stable").index
    return table.assign(reference=reference).loc[order].reset_index()


def _differences(
    scores: np.ndarray, resampled: Callable, methods: pd.Index, reference: str, every_pair: bool
) -> pd.DataFrame:
    """Return each method's difference to the reference; larger scores are better."""
    at, scored = methods.get_loc(reference), np.flatnonzero((~np.isnan(scores)).any(0))
    gap = statistics.differences(scores, scores[:, [at]])
    gap[:, at] = np.nan
    drawn, pairs = resampled(gap), (~np.isnan(gap)).sum(0)
    low, high = statistics.interval(drawn, pairs)
    p = statistics.paired(scores)[1]
    family = [pair for pair in combinations(scored, 2) if every_pair or at in pair]
    adjusted = np.full(scores.shape[1], np.nan)
    for pair, value in zip(family, statistics.holm(np.array([p[pair] for pair in family])), strict=True):
        if at in pair:
            adjusted[pair[0] if pair[1] == at else pair[1]] = value
    rows = []
    for d, own in zip(gap.T, adjusted, strict=True):
        found = own < LEVEL and (np.nan_to_num(d) != 0).sum() >= FEWEST
        size = (np.nanmean(d), np.nanstd(d, ddof=1)) if found else (np.nan, np.nan)
        needed = [images_needed(*size, POWER, level) for level in (LEVEL, LEVEL / max(len(family), 1))]
        rows.append([*effects(d), *needed])
    table = pd.DataFrame(rows, index=methods, columns=["d_z", "wins", "needed", "needed_in_family"])
    table = table.assign(difference=drawn[0], low=low, high=high, p=adjusted, family=len(family))
    return table.assign(pairs=np.where(pairs > 0, pairs, np.nan))


def _by_seed(cells: pd.DataFrame, metric: str) -> dict[int, pd.DataFrame]:
    """Return the blocks of each seed that every scored method has."""
    scored = cells[cells.image != ""]
    if scored.empty or scored.seed.nunique() < 2:
        return {}
    whole = scored.groupby("seed").method.nunique() == scored.method.nunique()
    return {k: blocks(ours, metric) for k, ours in scored.groupby("seed") if whole[k]}


def _known(what: str, known: Iterable[str], asked: str | None) -> None:
    if asked is not None and asked not in (names := list(dict.fromkeys(known))):
        raise ValueError(f"{what} needs to be one of {', '.join(names)}; {asked} was given")


def main(arguments: Sequence[str] | None = None) -> int:
    """Test the methods of a sweep against each other on one metric; say how many images would separate them."""
    parser = argparse.ArgumentParser("python -m results.compare", description=main.__doc__)
    parser.add_argument("sweep", type=Path, help="the sweep's folder: outputs/NAME")
    parser.add_argument("metric")
    parser.add_argument("--to", metavar="METHOD", help="the reference; by default the best method of each model")
    parser.add_argument("--model", metavar="M", help=f"one model, or {ALL_MODELS!r}")
    parser.add_argument("--latex", action="store_true", help="print booktabs tables and write compare_METRIC.tex")
    parser.add_argument("--csv", action="store_true", help="write every column to compare_METRIC.csv")
    options = parser.parse_args(arguments)
    try:
        table = compare(maps_only(collect(options.sweep), options.sweep), options.metric, options.to)
        _known("--model", table.model, options.model)
        table = table[table.model == options.model] if options.model else table
        stem = options.sweep / f"compare_{options.metric}"  # whose name may hold a dot: no suffix to replace
        if options.latex:
            printed = latex(table)
            Path(f"{stem}.tex").write_text(printed, encoding="utf-8")
        else:
            printed = text(table, min(shutil.get_terminal_size((110, 24)).columns, 120))
        print(printed, end="")
        if options.csv:
            table.to_csv(f"{stem}.csv", index=False)
            print(f"written: {stem}.csv", file=sys.stderr)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
