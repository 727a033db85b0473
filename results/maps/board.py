"""The leaderboard of maps as numbers: one row per data set, network, metric and entry."""

import json
from argparse import Namespace

import numpy as np
import pandas as pd

from results import inference, ranking, summary
from results import scores as stored
from results.maps.laws import residuals
from results.maps.place import ALL_MODELS, groups, places
from results.parts import controls

MEAN_RANK, OVERALL = "mean rank", "overall"
CEILINGS = {"truth"}  # controls that know the answer are no measure of what a method must beat
CATEGORIES = ["faithfulness", "robustness", "localisation", "complexity", "randomisation", "axiomatic"]
COLUMNS = [
    *("dataset", "model", "category", "metric", "settings", "version", "higher_is_better", "entry", "group", "control"),
    *("residual", "rank", "rank_best", "rank_worst", "mean", "low", "high", "verdict"),
    *("difference", "difference_low", "difference_high", "p", "rival", "gain", "gain_low", "gain_high"),
    *("n", "undefined", "images", "left_out", "seeds", "merged", "merged_of", "reason"),
]


def board(scores: pd.DataFrame, gains: bool = True) -> pd.DataFrame:
    """Rank the entries on every data set and network; `scores` are labelled.

    Seeds are averaged within an image. Means are over an entry's own images, differences over those of both entries.
    `difference` is how much worse than the best entry, `gain` how much better than `rival`, the best control that does
    not know the answer; without `gains`, which take a tenth of the time, both are undefined. Rows with the metric "mean
    rank" average ranks over a category's metrics, or, with the category "overall", over the categories that rank at
    least half of the entries; with the model "all models", over networks. There `low` and `high` are the middle 95 % of
    resamplings, and `merged` of `merged_of` ranks are averaged.
    """
    parts, cells = [], dict(places(scores))
    for dataset in dict.fromkeys(dataset for dataset, _ in cells):
        ranks: dict[str, dict] = {}
        for _, model in filter(lambda place: place[0] == dataset, cells):
            table, ranks[model] = _model(cells[dataset, model], gains)
            parts.append(table.assign(dataset=dataset, model=model))
        if len(ranks) > 1:
            keys = dict.fromkeys(key for own in ranks.values() for key in own)
            merged = {key: ranking.mean_ranks([own[key] for own in ranks.values() if key in own]) for key in keys}
            parts.append(_merged(merged).assign(dataset=dataset, model=ALL_MODELS))
    table = pd.concat(parts, ignore_index=True)
    group = groups(scores)
    laws = residuals(scores).reset_index().astype({"dataset": str, "model": str, "entry": str})
    worst = laws.groupby(["dataset", "entry"], as_index=False).residual.max().assign(model=ALL_MODELS)
    table = table.assign(group=table.entry.map(group), control=table.entry.map(group) == "control")
    return table.merge(pd.concat([laws, worst]), "left", ["dataset", "model", "entry"]).reindex(columns=COLUMNS)


def leaders(scores: pd.DataFrame, options: Namespace) -> pd.DataFrame:
    """Return the leaderboard; a command computes it once, whatever it prints and draws, and gains if it shows them."""
    if "board" not in options:
        options.board = board(scores, bool(options.csv or options.metric))
    return options.board


def ordered_metrics(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the facts of every metric, by category."""
    facts = cells.drop_duplicates("metric").set_index("metric")
    facts.index = facts.index.astype(str)
    known = {category: k for k, category in enumerate(CATEGORIES)}
    place = [known.get(category, len(known)) for category in facts.category]
    return facts.iloc[np.argsort(place, kind="stable")]


def written_settings(settings: str) -> str:
    """Return settings as a reader sees them: steps=16, baseline=mean."""
    return ", ".join(f"{name}={v if isinstance(v, str) else json.dumps(v)}" for name, v in json.loads(settings).items())


def _model(cells: pd.DataFrame, gains: bool) -> tuple[pd.DataFrame, dict[tuple[str, str], ranking.Ranks]]:
    """Rank the entries on one network, by metric, by category and overall."""
    images, left_out = summary.common_images(cells)
    seeds = stored.numbered(cells, ["entry", "seed"])[1].entry.astype(str).value_counts()
    if not images:
        reasons = _reasons(cells[cells.status != "ok"], ["entry"])
        table = pd.DataFrame(
            {"entry": [*reasons.index], "reason": [*reasons], "category": OVERALL, "metric": MEAN_RANK}
        )
        return table.assign(images=0, left_out=0, seeds=table.entry.map(seeds)), {}
    refused = cells.status == "inapplicable"
    facts = ordered_metrics(cells[~refused] if refused.any() else cells)  # a copy takes a while
    values = summary.cubes(cells, images, [*facts.index])
    resampled = summary.resampled_means(values)
    table = _metrics(cells, values, facts, resampled, gains)
    ranks = ranking.rank_draws(values, _of(facts.higher_is_better, values).astype(bool), resampled)
    ranks = {(facts.category[metric], metric): own for metric, own in ranks.items()}
    merged = {
        (category, MEAN_RANK): ranking.mean_ranks([own for key, own in ranks.items() if key[0] == category])
        for category in dict.fromkeys(facts.category)
    }
    entries = cells.entry[cells.group != "control"].unique()
    # A law that few methods state would reward them for stating it.
    fair = [own for own in merged.values() if (own.merged.reindex(entries) > 0).mean() >= 0.5]
    merged = {(OVERALL, MEAN_RANK): ranking.mean_ranks(fair or [*merged.values()])} | merged
    table = pd.concat([table, _merged(merged)], ignore_index=True)
    return table.assign(images=len(images), left_out=left_out, seeds=table.entry.map(seeds)), ranks | merged


def _metrics(
    cells: pd.DataFrame, values: pd.DataFrame, facts: pd.DataFrame, resampled: np.ndarray, gains: bool
) -> pd.DataFrame:
    """Return one row per metric and entry."""
    higher = _of(facts.higher_is_better, values).astype(bool)
    lower_bound, upper_bound = _of(facts.lower_bound, values), _of(facts.upper_bound, values)
    hits = (lower_bound == 0) & (upper_bound == 1)
    blind = [entry for entry in controls(cells) if entry.split(" (")[0] not in CEILINGS]
    table = summary.summary(values, higher, hits, blind if gains else None, resampled)
    ends, widest = table[["low", "high"]], (upper_bound - lower_bound).astype(float)
    tests = inference.verdicts(values, higher, controls(cells), ends=ends, widest=widest)
    sign = np.where(tests.direction == "better by", -1, 1)
    ends = np.sort(tests[["low", "high"]].mul(sign, axis=0), axis=1).T
    table = table.join(tests[["p", "verdict"]]).assign(difference=sign * tests.difference)
    table = table.assign(difference_low=ends[0], difference_high=ends[1])
    table = table.join(ranking.rank_bounds(values, higher, lower_bound, upper_bound))
    reached = np.isclose(table["mean"], np.where(higher, upper_bound, lower_bound), rtol=0, atol=1e-12)
    by_control = pd.Series(reached & table.index.get_level_values(1).isin(blind), table.index)
    free = by_control.groupby(level=0).transform("any") & reached & table.verdict.isin(["best", "level", "equal"])
    table["verdict"] = table.verdict.mask(free, "ceiling")
    if "gain" in table:  # what ignores the image is perfectly robust: no map can beat it
        table.loc[_of(facts.category, values) == "robustness", ["gain", "gain_low", "gain_high"]] = np.nan
    table = table.assign(higher_is_better=higher).rename_axis(["metric", "entry"]).reset_index()
    facts = facts.assign(settings=facts.metric_settings.map(written_settings))
    table = table.join(facts[["category", "version", "settings"]], on="metric")
    refused, missing = cells[cells.status == "inapplicable"], cells[~cells.status.isin(["ok", "inapplicable"])]
    pairs = pd.MultiIndex.from_frame(table[["metric", "entry"]])
    counts = missing.groupby(["metric", "entry"], observed=True).size().reindex(pairs).fillna(0).astype(int)
    reasons = pd.Series(_reasons(missing, ["metric", "entry"]).reindex(pairs).to_numpy())
    refusals = table.entry.map(_reasons(refused, ["entry"]))
    return table.assign(undefined=counts.to_numpy(), reason=refusals.where(refusals.notna(), reasons))


def _of(fact: pd.Series, values: pd.DataFrame) -> np.ndarray:
    """Return a fact of the metrics, such as a bound, for every column of `values`."""
    return fact.reindex(values.columns.get_level_values(0)).to_numpy()


def _reasons(missing: pd.DataFrame, by: list[str]) -> pd.Series:
    """Return the reason of the first missing score of each group."""
    missing = missing.drop_duplicates(by).astype(dict.fromkeys(by, str))
    return (missing.status.astype(str) + ": " + missing.reason.astype(str)).set_axis(missing.set_index(by).index)


def _merged(ranks: dict[tuple[str, str], ranking.Ranks]) -> pd.DataFrame:
    parts = [
        own.table().rename_axis("entry").reset_index().assign(category=category, metric=metric)
        for (category, metric), own in ranks.items()
    ]
    return pd.concat(parts, ignore_index=True).assign(higher_is_better=False)
