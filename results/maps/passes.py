"""Quality against passes: what the variants of an entry that differ in their budget spend and reach."""

import json
from argparse import Namespace

import pandas as pd

from results import scores, tables
from results.maps import laws
from results.maps.board import MEAN_RANK, leaders, written_settings
from results.maps.cost import costs
from results.maps.place import ALL_MODELS, place, places
from results.tables import Inapplicable, Table

BUDGETS = {"steps", "samples", "masks", "iterations"}  # settings that say how much an entry spends
PASSES = "Passes: forward and backward passes of one map. ↑ higher is better, ↓ lower is better."
NEEDED = "The view budget needs an entry with two budgets, such as method=rise method.masks=100,1000"


def budgets(rows: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Return the leaderboard's rows of the entries that the sweep varies in budget, with `line` and `passes`.

    A `line` is an entry with all settings but its budget. Variants that spend the same are one row. Controls, whose
    maps cost nothing, are lines of one point. Empty unless some entry has two budgets.
    """
    entries = rows.drop_duplicates("entry")
    lines = pd.Series([_line(row) for row in entries.itertuples()], entries.entry.astype(str))
    several = lines[lines.duplicated(keep=False)]
    table = table[(table.metric != MEAN_RANK) & (table.model != ALL_MODELS)].dropna(subset="mean")
    table = table.assign(line=table.entry.map(lines)).merge(costs(rows)[[*laws.PLACE, "passes"]], on=laws.PLACE)
    table = table[table.line.isin(several) | table.control]
    table = table.sort_values(["control", "line", "passes"], kind="stable")
    table = table.drop_duplicates(["dataset", "model", "metric", "line", "passes"], ignore_index=True)
    spent = table.groupby(["dataset", "model", "line"]).passes.transform("nunique")
    return table[((spent > 1) | table.control) & (spent > 1).any()]


def varied(rows: pd.DataFrame) -> bool:
    """Return whether some entry has two budgets."""
    entries = scores.numbered(rows, ["entry", "settings"])[1]
    spent = [{name: own[name] for name in BUDGETS & {*own}} for own in map(json.loads, entries.settings)]
    return bool(pd.Series(map(str, spent)).groupby(entries.entry.to_numpy()).nunique().gt(1).any())


def _line(row) -> str:
    settings = {name: value for name, value in json.loads(row.settings).items() if name not in BUDGETS}
    return row.entry_stem + (f" ({written_settings(json.dumps(settings, sort_keys=True))})" if settings else "")


def budget(rows: pd.DataFrame, options: Namespace) -> list[Table]:
    """Return the passes of one map and the mean scores, by network."""
    points = budgets(rows, leaders(rows, options))
    if points.empty:
        raise Inapplicable(NEEDED)
    found = []
    for (dataset, model), cells in places(rows):
        own = points[(points.dataset == dataset) & (points.model == model)]
        entries = own.drop_duplicates("entry").set_index("entry")
        frame = {"passes": [f"{passes:,.0f}" for passes in entries.passes]}
        for metric, some in own.groupby("metric", sort=False):
            write, means = tables.writer(some), some.set_index("entry")["mean"]
            head = f"{metric} {'↑' if some.higher_is_better.iloc[0] else '↓'}"
            frame[head] = [write(mean) for mean in means.reindex(entries.index)]
        here, more = place(cells, own.images.iloc[0]), {"notes": [PASSES], "data": own}
        found.append(here.entries("Quality against passes", entries.control, own, frame, **more))
    return found
