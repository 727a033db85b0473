"""Rank a sweep's methods: `python -m results.leaderboard outputs/NAME [--metric M ...] [--latex] [--csv]`."""

import argparse
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from results import latex, statistics, tables, undefined
from results.blocks import common_images
from results.collect import collect
from results.comparisons import rank_sets
from results.kinds import maps_only
from results.merging import Ranks, merged_mean, merged_rows
from results.statistics import RESAMPLES, SEED
from results.tables import ALL_CATEGORIES, ALL_MODELS, MEAN_RANK
from results.validity import PLACE, on_any, validity

CATEGORIES = [
    "faithfulness", "robustness", "localisation", "complexity", "randomisation", "axiomatic", "path",
    "network robustness", "metric-induced", "attack-induced",
]  # fmt: skip
CEILINGS = ["truth"]  # controls that know the answer are no measure of what a method must beat


def leaderboard(
    scores: pd.DataFrame, metric: str | None = None, resamples: int = RESAMPLES, seed: int = SEED
) -> pd.DataFrame:
    """Return one row per data set, model, metric and method: rank, mean, intervals, groups, distance to a control.

    Seeds are averaged within an image; images are drawn with replacement, the same draws for all methods, metrics and
    models. Means are over a method's own images, gains and groups over those of both methods. Merged rows have
    `metric == "mean rank"`: the mean of the ranks over a category's metrics, and for category "all" the mean of these
    over the categories that rank at least half of the methods; every row of "all models" is a mean of ranks over the
    models. There, `mean`, `low` and `high` are that mean rank and its spread over resampled
    images, which is no confidence interval, and `merged` says how many ranks it is over. `rank_low` and `rank_high` are
    the ends of the sets of `rank_sets`. `residual` and `valid` say how far the method is from the law that it states on
    the model, the worst of them for "all models"; `rank_worst` and `rank_best` are the method's rank if its undefined
    scores were the worst and those of its rivals the best that the metric can give, and the other way round; where the
    metric has no bound, the worst and the best that it has given here.
    With `metric`, only that metric is ranked and nothing is merged.
    """
    laws = validity(scores)
    if metric is not None:
        _known([metric], scores.metric)
        scores = scores[scores.metric == metric]
    parts = []
    for dataset, cells in scores.groupby("dataset", sort=False):
        models = {model: _one_model(ours, resamples, seed) for model, ours in cells.groupby("model", sort=False)}
        rows = [table.assign(model=model) for model, (table, _) in models.items()]
        if len(models) > 1:
            ranks = [ours for _, ours in models.values()]
            keys = dict.fromkeys(key for ours in ranks for key in ours)
            merged = {key: merged_mean([ours[key] for ours in ranks if key in ours]) for key in keys}
            rows.append(merged_rows(merged, cells).assign(model=ALL_MODELS))
        parts += [table.assign(dataset=dataset) for table in rows]
    table = pd.concat(parts, ignore_index=True)
    if metric is not None:
        table = table[(table.metric == metric) & (table.model != ALL_MODELS)].reset_index(drop=True)
    laws = pd.concat([laws, on_any(laws).assign(model=ALL_MODELS).set_index("model", append=True)
                      .reorder_levels(PLACE)])  # fmt: skip
    table = table.join(laws, on=PLACE)
    counts = dict.fromkeys(["version", "n", "undefined", "images", "left_out", "seeds", "merged", "merged_of"], "Int64")
    return table.assign(control=table.group == "control").reindex(columns=tables.COLUMNS).astype(counts)


def summary(scores: pd.DataFrame, width: int | None = None) -> str:
    """Return the overview of a sweep as text, at most `width` columns wide (by default the terminal's, at most 120)."""
    width = width or min(shutil.get_terminal_size((110, 24)).columns, 120)
    return tables.overview(leaderboard(scores), width)


def _one_model(cells: pd.DataFrame, resamples: int, seed: int) -> tuple[pd.DataFrame, dict[tuple[str, str], Ranks]]:
    """Rank the methods on one data set and model, by metric, by category and over the categories."""
    group = cells.drop_duplicates("method").set_index("method").group
    scored = cells[cells.image != ""]
    if scored.empty:
        return _unranked(cells), {}
    images, left_out = common_images(scored)
    scored = scored[scored.image.isin(images)]
    scored = scored.assign(score=scored.score.where(np.isfinite(scored.score)))
    metrics = scored.drop_duplicates("metric").set_index("metric")
    metrics = metrics.iloc[np.argsort([_place(category) for category in metrics.category], kind="stable")]
    cube = pd.MultiIndex.from_product([metrics.index, group.index])
    by_image = scored.groupby(["image", "metric", "method"]).score
    values = by_image.mean().unstack(["metric", "method"]).reindex(index=images, columns=cube).to_numpy()
    missing = (by_image.count() < by_image.size()).groupby(["metric", "method"]).sum().reindex(cube).to_numpy()
    counted = [kind.unstack(["metric", "method"]).reindex(index=images, columns=cube).fillna(0).to_numpy()
               for kind in (by_image.sum(), by_image.count(), by_image.size())]  # fmt: skip
    resampled = partial(statistics.resampled, images=images, resamples=resamples, seed=seed)
    means = resampled(values)
    seen, gone = scored.groupby("metric").score.agg(["min", "max"]), cells[cells.score.isna()]
    rows, ranks = [], {}
    for k, (metric, facts) in enumerate(metrics.iterrows()):
        ours = slice(k * len(group), (k + 1) * len(group))
        table, drawn = _one_metric(values[:, ours], means[:, ours], resampled, bool(facts.higher_is_better), group)
        if facts.category == "robustness":  # what ignores the image is perfectly robust: nothing can beat it
            table["beats_control"] = pd.array([pd.NA] * len(table), "boolean")
        ends = undefined.extremes(facts, *seen.loc[metric])
        table["rank_worst"], table["rank_best"] = undefined.rank_bounds(
            *(kind[:, ours] for kind in counted), ends, bool(facts.higher_is_better)
        )
        facts = {name: facts[name] for name in ("category", "protocol", "version", "higher_is_better")}
        table = table.assign(metric=metric, undefined=missing[ours], **facts)
        rows.append(table.assign(reason=_reasons(gone, metric).reindex(group.index)))
        ranks[facts["category"], metric] = Ranks(drawn, len(images), drawn.loc[0].notna().astype(int), 1)
    categories = dict.fromkeys(category for category, _ in ranks)
    merged = {(category, MEAN_RANK): merged_mean([ours for key, ours in ranks.items() if key[0] == category])
              for category in categories}  # fmt: skip
    # A law that few methods claim would reward them for claiming it.
    judged = [ours for ours in merged.values() if (ours.merged[group != "control"] > 0).mean() >= 0.5]
    merged[ALL_CATEGORIES, MEAN_RANK] = merged_mean(judged or list(merged.values()))
    table = pd.concat([*(table.reset_index() for table in rows), merged_rows(merged, cells)], ignore_index=True)
    seeds = table.method.map(cells.groupby("method").seed.nunique())
    return table.assign(images=len(images), left_out=left_out, seeds=seeds), ranks | merged


def _one_metric(
    values: np.ndarray, means: np.ndarray, resampled: Callable, higher_is_better: bool, group: pd.Series
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return one metric's table and its ranks in every draw; `values` (images, methods), `means` (draws, methods)."""
    n, sign = (~np.isnan(values)).sum(0), 1 if higher_is_better else -1
    ranks, better = statistics.ranks(means, higher_is_better), statistics.better(sign * values)
    columns = {"rank": ranks[0], "mean": means[0], "n": n, "group": group}
    table = pd.DataFrame(columns, index=group.index)
    table["low"], table["high"] = statistics.mean_interval(values, means)
    table["rank_low"], table["rank_high"] = rank_sets(better, n > 0)
    order = np.argsort(ranks[0], kind="stable")[: int((n > 0).sum())]
    alike = ~(better | better.T)
    table["groups"] = statistics.letters(alike, order.tolist())
    control = (group == "control").to_numpy()
    if len(order):
        best = next((j for j in order if not control[j]), order[0])
        table["tied"] = alike[best] & (n > 0)
    stems = group.index.str.split(" [", regex=False).str[0]
    rivals = [j for j in order if control[j] and stems[j] not in CEILINGS]
    if rivals:
        best = rivals[0]
        gain = sign * statistics.differences(values, values[:, [best]])
        gain[:, best] = np.nan
        drawn = resampled(gain)
        low, high = statistics.interval(drawn, (~np.isnan(gain)).sum(0))
        table = table.assign(best_control=group.index[best], gain=drawn[0], gain_low=low, gain_high=high)
        table["beats_control"] = pd.array(better[:, best], "boolean")
        table.loc[np.isnan(drawn[0]), "beats_control"] = pd.NA
    return table, pd.DataFrame(ranks, columns=group.index)


def _unranked(cells: pd.DataFrame) -> pd.DataFrame:
    """Return a row without a rank for every method of a model to which none applies."""
    group = cells.drop_duplicates("method").set_index("method").group
    table = pd.DataFrame({"group": group, "category": ALL_CATEGORIES, "metric": MEAN_RANK, "higher_is_better": False})
    return table.assign(reason=_reasons(cells, MEAN_RANK), images=0, left_out=0).reset_index()


def _reasons(cells: pd.DataFrame, metric: str) -> pd.Series:
    """Return, by method, why its first missing score is missing."""
    rows = cells[((cells.metric == metric) | (cells.image == "")) & cells.score.isna()].drop_duplicates("method")
    return (rows.status.fillna("") + ": " + rows.reason.fillna("")).str.strip(": ").set_axis(rows.method)


def _place(category: str) -> int:
    return CATEGORIES.index(category) if category in CATEGORIES else len(CATEGORIES)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the overview of a sweep, or some metrics in full; write the table beside the sweep if asked to."""
    parser = argparse.ArgumentParser("python -m results.leaderboard", description=main.__doc__)
    parser.add_argument("sweep", type=Path, help="the sweep's folder: outputs/NAME")
    parser.add_argument("--metric", nargs="+", default=[], metavar="M", help="show these metrics in full")
    parser.add_argument("--undefined", action="store_true", help="print which scores are undefined, and why")
    parser.add_argument("--latex", action="store_true", help="print booktabs tables and write leaderboard.tex")
    parser.add_argument("--csv", action="store_true", help="write every row to leaderboard.csv")
    options = parser.parse_args(arguments)
    try:
        scores = maps_only(collect(options.sweep), options.sweep)
        _known(options.metric, scores.metric)
        width = min(shutil.get_terminal_size((110, 24)).columns, 120)
        if options.undefined:
            gone = undefined.undefined(scores[scores.metric.isin(options.metric)] if options.metric else scores)
            print(undefined.text(gone, width), end="")
            if options.csv:
                gone.to_csv(options.sweep / "undefined.csv", index=False)
                print(f"written: {options.sweep / 'undefined.csv'}", file=sys.stderr)
            return 0
        table = leaderboard(scores)
        if options.latex:
            text = latex.latex(table, options.metric)
            (options.sweep / "leaderboard.tex").write_text(text, encoding="utf-8")
        elif options.metric:
            text = tables.details(table, options.metric, width)
        else:
            text = tables.overview(table, width)
        print(text, end="")
        if options.csv:
            table.to_csv(options.sweep / "leaderboard.csv", index=False)
            print(f"written: {options.sweep / 'leaderboard.csv'}", file=sys.stderr)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _known(asked: Iterable[str], metrics: pd.Series) -> None:
    known = [metric for metric in metrics.unique() if metric != MEAN_RANK]
    for metric in asked:
        if metric not in known:
            raise ValueError(f"--metric needs one of {', '.join(known)}; {metric} was given")


if __name__ == "__main__":
    sys.exit(main())
