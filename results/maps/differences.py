"""Differences between entries on a metric: how large, how certain, and how many images would show them."""

from argparse import Namespace
from collections.abc import Mapping
from itertools import product

import numpy as np
import pandas as pd

from results import inference, summary, tables
from results.maps import board
from results.maps.place import ALL_MODELS, groups, place
from results.names import label
from results.parts import controls
from results.tables import NONE, Inapplicable, Table

EXPLANATIONS = (
    "Mean: over an entry's own images. Difference: the mean over the images that both entries have, with an interval "
    "and a p-value that are adjusted for all comparisons with the reference; seeds are averaged within an image. "
    "Seeds: the differences of single seeds, which no resampling of images shows.",
    "d_z: the mean of the differences over their standard deviation. Wins: the share of images on which the entry is "
    "better than the reference; a tie counts half. Both are larger for the better entry.",
    "Images needed: how many images give 80 % power for the observed difference, tested alone or corrected for all "
    "comparisons with the reference. Observed differences tend to be too large: plan for more. None where p is 5 % "
    "or more, or fewer than 6 images differ.",
    "Under all models an image counts once, with the mean over the networks.",
)


def compare(scores: pd.DataFrame, options: Namespace) -> list[Table]:
    """Return a table per metric, data set and network, best entry first; the reference is `--to`, or the best entry."""
    if not options.metric:
        raise Inapplicable(f"The view compare needs --metric with some of {', '.join(scores.metric.unique())}")
    tables.known("--to", [options.to] if options.to else [], scores.entry.unique())
    found = []
    for metric, (_, cells) in product(options.metric, scores.groupby("dataset", observed=True, sort=False)):
        own = cells[cells.metric == metric]
        if own.empty:
            continue
        models = {
            model: (values(some, metric), by_seed(some, metric))
            for model, some in cells.groupby("model", observed=True, sort=False)
        }
        if len(models) > 1:
            cubes, seeds = zip(*models.values(), strict=True)
            shared = sorted(set.intersection(*map(set, seeds)))
            models[ALL_MODELS] = summary.pooled(cubes), {k: summary.pooled([one[k] for one in seeds]) for k in shared}
        for model, (cube, by) in models.items():
            if options.model in (None, model):
                fact = own.iloc[0]
                widest = float(fact.upper_bound - fact.lower_bound)
                rows = comparison(cube, bool(fact.higher_is_better), controls(cells), options.to, by, widest)
                found.append(_table(rows, own[own.model == model] if model != ALL_MODELS else own, model))
    return found


def values(cells: pd.DataFrame, metric: str) -> pd.DataFrame:
    return summary.cube(cells, metric, summary.common_images(cells)[0])


def by_seed(cells: pd.DataFrame, metric: str) -> dict[int, pd.DataFrame]:
    """Return the scores, images x entries, of each seed that every scored entry has; nothing for a single seed."""
    scored = cells[cells.status != "inapplicable"]
    counts = scored.groupby("seed").entry.nunique()
    seeds = [seed for seed in counts.index if counts[seed] == scored.entry.nunique()] if len(counts) > 1 else []
    return {seed: values(scored[scored.seed == seed], metric) for seed in seeds}


def comparison(
    cube: pd.DataFrame,
    higher: bool,
    control: list[str],
    to: str | None,
    seeds: Mapping[int, pd.DataFrame],
    widest: float = np.inf,
) -> pd.DataFrame:
    """Return one row per entry, best first; `cube` is images x entries."""
    if to and to in cube and cube[to].isna().all():
        raise ValueError(f"--to needs an entry with a score; {to} has none")
    table = summary.summary(cube, higher)
    tests = inference.verdicts(cube, higher, control, to, table[["low", "high"]], widest)
    table = table.drop(columns=["low", "high"]).join(tests)
    reference = next(filter(None, tests.reference.dropna()), None)
    if reference is not None:
        sign, family = 1 if higher else -1, max(int(table.p.notna().sum()), 1)
        gap = sign * summary.differences(cube.to_numpy(float), cube[[reference]].to_numpy(float))
        sizes = [_sizes(d, p, family) for d, p in zip(gap.T, table.p, strict=True)]
        table[["d_z", "wins", "needed", "needed_in_family"]] = sizes
        table.loc[reference, ["d_z", "wins"]] = np.nan
        gaps = [sign * own.sub(own[reference], axis=0).mean() for own in seeds.values() if reference in own]
        if len(gaps) > 1:
            gaps = pd.concat(gaps, axis=1).drop(reference)
            table = table.assign(seed_low=gaps.min(axis=1), seed_high=gaps.max(axis=1))
    table = table.rename_axis("entry").reset_index().assign(images=len(cube), control=table.index.isin(control))
    return table.sort_values(["control", "rank"], kind="stable", na_position="last", ignore_index=True)


def _sizes(gap: np.ndarray, p: float, family: int) -> list[float]:
    """Return d_z, the share of wins, and the images needed, alone and in the family."""
    needed = [np.nan, np.nan]
    if p < summary.LEVEL and (np.nan_to_num(gap) != 0).sum() >= summary.FEWEST:
        levels = (summary.LEVEL, summary.LEVEL / family)
        needed = [inference.images_needed(np.nanmean(gap), np.nanstd(gap, ddof=1), level) for level in levels]
    return [*inference.effects(gap), *needed]


def _table(rows: pd.DataFrame, own: pd.DataFrame, model: str) -> Table:
    """Return the table of one network; `own` are the scores of its metric."""
    fact, write = own.iloc[0], tables.writer(rows)
    here = place(own, len(rows) and rows.images.iloc[0], model if model == ALL_MODELS else "")
    rows = rows.assign(group=rows.entry.map(groups(own)), metric=fact.metric, dataset=here.dataset, model=model)
    rows = rows.reindex(columns=[*dict.fromkeys([*rows, "d_z", "wins", "needed", "needed_in_family"])])
    gaps = zip(rows.direction, map(write, rows.difference), strict=True)
    cells = {
        ("", "mean"): [*map(write, rows["mean"])],
        ("difference", ""): [NONE if gap == NONE else f"{said} {gap}" for said, gap in gaps],
        ("difference", "adjusted 95 %"): tables.spans(rows.low, rows.high, write),
        ("difference", "p"): [*map(tables.p_value, rows.p)],
    }
    if "seed_low" in rows:
        cells["difference", "seeds"] = tables.spans(rows.seed_low, rows.seed_high, write)
    if (rows.pairs < rows.images).any():
        cells["difference", "images"] = tables.numerals(rows.pairs)
    cells["", "d_z"] = tables.numerals(rows.d_z, "+.2f")
    cells["", "wins"] = tables.numerals(rows.wins, ".2f")
    cells["images needed", "alone"] = tables.numerals(rows.needed, ",.0f")
    cells["images needed", "corrected"] = tables.numerals(rows.needed_in_family, ",.0f")
    frame = pd.DataFrame(cells, [*rows.entry])
    verdicts = pd.DataFrame("", frame.index, frame.columns, dtype=object)
    if "reference" not in set(rows.verdict):  # the verdict of tables is about the best entry
        verdicts["", "mean"] = rows.verdict.where(rows.verdict.isin([*tables.MARKS]), "").to_numpy()
    reference, undefined = [*filter(None, rows.reference.unique())], rows.entry[rows.n < rows.images]
    better, settings = "Higher" if fact.higher_is_better else "Lower", board.written_settings(fact.metric_settings)
    said = ["; ".join(filter(None, [f"{better} is better", settings])) + "."]
    said += [f"The reference is {label(reference[0])}." if reference else "The reference has no score here."]
    said += [f"Undefined on some or all images: {', '.join(map(label, undefined))}."] if len(undefined) else []
    more = {"notes": said, "data": rows, "verdicts": verdicts, "explanations": EXPLANATIONS}
    more |= {"controls": int(rows.control.sum())}
    return here.table(f"Differences in {fact.metric}", frame, str(fact.metric), **more)
