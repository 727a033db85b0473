"""Quality against passes: what the variants of a sweep that differ in their budget spend and reach."""

import pandas as pd

from results.tables import ALL_MODELS, MEAN_RANK
from results.validity import PLACE

BUDGETS = ["scale", "steps", "samples", "masks", "iterations"]  # settings that say how much a method spends
LABEL = rf"^(?P<stem>[^\[]+) \[(?P<setting>{'|'.join(BUDGETS)})=(?P<value>[\d.e+-]+)\]$"


def varied(scores: pd.DataFrame) -> bool:
    """Return whether the sweep varies a method's budget, and nothing else of it."""
    return bool(pd.Series(scores.method.unique()).str.match(LABEL).any())


def budgets(table: pd.DataFrame, cost: pd.DataFrame) -> pd.DataFrame:
    """Return the leaderboard's rows of methods that the sweep varies in budget, with `stem`, `value` and `passes`.

    `cost` is the table of `results.methods`. Variants that spend the same are one row: their budget means nothing.
    Empty unless some method has two budgets.
    """
    rows = table[(table.metric != MEAN_RANK) & (table.model != ALL_MODELS)]
    rows = rows.join(rows.method.str.extract(LABEL)).dropna(subset="stem")
    rows = rows.assign(value=pd.to_numeric(rows.value)).drop(columns="setting")
    rows = rows.join(cost.set_index(PLACE)[["passes"]], on=PLACE).dropna(subset=["passes", "mean"])
    rows = rows.sort_values(["stem", "passes", "value"], kind="stable")
    rows = rows.drop_duplicates(["dataset", "model", "metric", "stem", "passes"])
    several = rows.groupby(["dataset", "model", "stem"]).passes.transform("nunique") > 1
    return rows if several.any() else rows.iloc[:0]
