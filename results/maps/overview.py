"""The leaderboard of maps as tables: mean ranks by category, ranks by metric, and single metrics in detail."""

from argparse import Namespace
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from results import tables
from results.maps import laws
from results.maps.board import MEAN_RANK, OVERALL, leaders
from results.maps.place import ALL_MODELS, Place, place, places
from results.names import label
from results.summary import FEWEST
from results.tables import NONE, Table

LEGEND = laws.LEGEND | {"~": "A mean over fewer ranks than other entries have."}
STABILITY = (
    "Ranges after mean ranks hold the ranks of 95 % of resamplings of the images. They show stability; they are no "
    "confidence intervals (in simulations of 17 nearly equal methods they held 86 % of the true mean ranks)."
)
EXPLANATIONS = (
    "An entry's rank is one plus the number of entries with a better mean. A mean is over an entry's own images; seeds "
    "are averaged within an image. Controls are no methods: they show what a map without knowledge of the network "
    "reaches, and the control truth is the object's mask.",
    "Verdicts compare every entry with the best one that is no control, on the images that both have, in one family "
    "of tests for each metric and network: in 5 % of the families of equal methods some difference is called "
    "significant. results/published/coverage.csv has the error rates that were simulated.",
    f"{STABILITY} The overall mean rank averages the categories that rank at least half of the entries.",
)
ABOUT = {"legend": LEGEND, "explanations": EXPLANATIONS}
DETAILS = (
    "Score: mean over an entry's own images with a 95 % interval: percentile bootstrap over images, Wilson's for "
    "scores of 0 and 1; none for fewer than 6 images.",
    "Worse by: the mean difference to the best entry that is no control, on the images that both have, with an "
    "interval and a p-value that are adjusted for the comparisons with the best entry. A negative difference is an "
    "entry that is better than the best one, which only a control can be.",
    "Over control: how much better than the best control that does not know the answer, with its own 95 % interval. "
    "Robustness has none: a map that ignores the image is perfectly robust.",
    "Rank, bounds: the rank if an entry's undefined scores were the worst possible and those of all others the best, "
    "and the other way round.",
)


FACTS = ["dataset", "model", "entry", "seed", "image"]  # of scores, that tell the place of all networks
ALONE = "One entry cannot be ranked; add others, and controls such as uniform, to the sweep."


def leaderboard(scores: pd.DataFrame, options: Namespace) -> list[Table]:
    """Return the overview of every network, or with `--metric` the details of some metrics."""
    table, cells, found = leaders(scores, options), dict(places(scores)), []
    if options.metric:
        rows = table[table.metric.isin(options.metric) & (table.model != ALL_MODELS)]
        return [
            details(own, place(cells[dataset, model], own.images.iloc[0]))
            for (_, dataset, model), own in rows.groupby(["metric", "dataset", "model"], sort=False)
        ]
    for (dataset, model), rows in table.groupby(["dataset", "model"], sort=False):
        if options.model not in (None, model):
            continue
        if pooled := model == ALL_MODELS:
            here = place(scores.loc[scores.dataset == dataset, FACTS], None, ALL_MODELS)
        else:
            here = place(cells[dataset, model], rows.images.iloc[0])
        metrics = rows[rows.metric != MEAN_RANK]
        if rows.entry.nunique() == 1:
            found.append(by_metric(rows, here, True, [*notes(rows), ALONE]))
            continue
        found.append(mean_ranks(rows, here))
        if len(metrics):
            found.append(by_metric(rows, here))
            found += [by_metric(rows, here, scores=True)] if options.latex and not pooled else []
    return found


def ordered(rows: pd.DataFrame) -> pd.Series:
    """Return whether each entry is a control, by overall mean rank, controls last."""
    total = rows[(rows.metric == MEAN_RANK) & (rows.category == OVERALL)]
    return total.sort_values(["control", "mean"], kind="stable").set_index("entry").control.astype(bool)


def notes(rows: pd.DataFrame) -> list[str]:
    """Return what limits the rows of one network: images left out, too few images, scores that are missing."""
    said, images = [], int(rows.images.iloc[0])
    if left_out := int(rows.left_out.iloc[0]):
        said.append(f"{left_out} more images are left out, because not every entry was scored on them.")
    ranked = rows[(rows.metric != MEAN_RANK) & rows["rank"].notna() & ~rows.control]
    count = ranked.groupby("metric").entry.nunique().max() if len(ranked) else 0
    if count > 1 and images < FEWEST:
        few = f"{images} images: no difference between {count} methods can be significant"
        said.append(f"{few}; at least {FEWEST} are needed.")
    missing = rows[rows["rank"].isna() & rows.reason.notna()]
    refused = missing.reason.str.startswith("inapplicable")
    for _, row in missing[refused].drop_duplicates("entry").iterrows():
        said.append(f"{label(row.entry)} has no score: {row.reason.partition(': ')[2]}.")
    entries = missing[~refused].groupby("metric", sort=False).entry.agg(lacking)
    partly = rows[(rows.metric != MEAN_RANK) & (rows.undefined > 0) & (rows.n > 0)].metric.unique()
    lack = [f"{some} no score in {listed(own.index, 'metrics')}" for some, own in entries.groupby(entries, sort=False)]
    lack += [f"Some images have no score in {listed(partly, 'metrics')}"] if len(partly) else []
    return [*said, *(f"{one}." for one in lack), *(["The view undefined says why."] if lack else [])]


def listed(names: Iterable[str], what: str) -> str:
    """Return a few names as papers print them, or how many there are."""
    names = [*map(label, names)]
    return ", ".join(names) if len(names) < 5 else f"{len(names)} {what}"


def lacking(entries: Sequence[str]) -> str:
    return f"{listed(entries, 'entries')} {'has' if len(entries) == 1 else 'have'}"


def mean_ranks(rows: pd.DataFrame, here: Place) -> Table:
    """Return the mean ranks by category, with their ranges."""
    order, merged, cells = ordered(rows), rows[rows.metric == MEAN_RANK], {}
    for category, own in merged.groupby("category", sort=False):
        own = own.set_index("entry").reindex(order.index)
        partial = (own.merged < own.merged_of) & own["mean"].notna()
        means = zip(tables.numerals(own["mean"], ".1f"), partial, strict=True)
        cells[category, "mean rank"] = [mean + "~" * few for mean, few in means]
        if merged.low.notna().any():
            ends = zip(tables.numerals(np.floor(own.low)), tables.numerals(np.ceil(own.high)), strict=True)
            cells[category, "range"] = [NONE if low == NONE else f"{low}-{high}" for low, high in ends]
    pooled = here.model == ALL_MODELS
    what = "Mean ranks by category" + ", averaged over networks" * pooled
    more = {"notes": [] if pooled else notes(rows), "data": rows, **ABOUT}
    return here.entries(what, order, rows, cells, name="mean_ranks", **more)


def by_metric(rows: pd.DataFrame, here: Place, scores: bool = False, said: Sequence[str] = ()) -> Table:
    """Return the rank of the mean score by metric, with verdicts, or the mean `scores` with their intervals.

    Over all networks the ranks are means of the networks' ranks.
    """
    metrics, order, pooled = rows[rows.metric != MEAN_RANK], ordered(rows), here.model == ALL_MODELS
    cells, verdicts, settings = {}, {}, {}
    wide = metrics.pivot(index="entry", columns="metric", values=["rank", "mean", "low", "high", "verdict"])
    wide = wide.reindex(order.index)
    for fact in metrics.drop_duplicates("metric").itertuples():
        head = fact.metric + (" ↑" if fact.higher_is_better else " ↓") * scores
        settings[head], mean = fact.settings, wide["mean", fact.metric]
        values = tables.numerals(mean, ".1f") if pooled else tables.numerals(wide["rank", fact.metric])
        if scores:
            own = wide.xs(fact.metric, axis=1, level=1)
            write = tables.writer(own)
            values = [tables.interval(row.mean, row.low, row.high, write) for row in own.itertuples()]
        cells[fact.category, head] = values
        verdicts[fact.category, head] = wide["verdict", fact.metric].fillna("").to_numpy()
    what = "Mean ranks over the networks by metric" if pooled else "Ranks by metric"
    what = "Mean scores with 95 % intervals over images" if scores else what
    best = pd.DataFrame(verdicts, dtype=object) if len(order) > 1 else None
    more = {"data": metrics, "verdicts": best, "settings": settings, "notes": said, **ABOUT}
    return here.entries(what, order, rows, cells, name="means" if scores else "ranks", **more)


def details(rows: pd.DataFrame, here: Place) -> Table:
    """Return everything that is known about one metric on one network, controls below the line."""
    rows = rows.sort_values(["control", "rank"], na_position="last", kind="stable")
    fact, write = rows.iloc[0], tables.writer(rows)
    cells = {("rank", ""): tables.numerals(rows["rank"])}
    if (rows.rank_best < rows.rank_worst).any():
        cells["rank", "bounds"] = tables.spans(rows.rank_best, rows.rank_worst)
    cells["score", "mean"] = [*map(write, rows["mean"])]
    cells["score", "95 %"] = tables.spans(rows.low, rows.high, write)
    cells["than the best", "worse by"] = [*map(write, rows.difference)]
    cells["than the best", "adjusted 95 %"] = tables.spans(rows.difference_low, rows.difference_high, write)
    cells["than the best", "p"] = [*map(tables.p_value, rows.p)]
    cells["over control", "better by"] = [write(gain, "+") for gain in rows.gain]
    cells["over control", "95 %"] = tables.spans(rows.gain_low, rows.gain_high, write)
    if (rows.n < rows.images).any():
        cells["", "n"] = tables.numerals(rows.n)
    if rows.undefined.any():
        cells["", "undefined"] = tables.numerals(rows.undefined)
    verdicts = pd.DataFrame("", rows.entry, pd.MultiIndex.from_tuples(cells), dtype=object)
    verdicts["score", "mean"] = rows.verdict.fillna("").to_numpy()
    better = "Higher is better" if fact.higher_is_better else "Lower is better"
    rival = [f"best control: {label(rival)}" for rival in rows.rival.dropna()[:1]]
    about = "; ".join(filter(None, [better, fact.category, fact.settings, f"version {fact.version:.0f}", *rival]))
    more = {"notes": [f"{about}.", *notes(rows)], "data": rows, "verdicts": verdicts, "legend": LEGEND}
    control, metric = rows.set_index("entry").control, str(fact.metric)
    return here.entries(metric, control, rows, cells, name=metric, explanations=(*DETAILS, *EXPLANATIONS), **more)
