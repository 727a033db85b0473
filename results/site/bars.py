"""Intervals of the numbers behind a table's cells: which number a cell shows is found by the names in its heads."""

import re
from collections.abc import Collection, Iterable

import pandas as pd

from results.names import label
from results.tables import NONE, Table

NUMBERS = ("mean", "low", "high")
WORD = re.compile(r" ?[^\s,(]*\w")  # what does not stand behind a name: it is then the beginning of another one


def named(text: str, names: Iterable[str]) -> str:
    """Return the longest of the names with which a head or a row begins, "" where it is another word."""
    text = str(text)
    found = [name for name in names if text.startswith(name) and not WORD.match(text, len(name))]
    return max(found, key=len, default="")


def pairs(frame: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the heading and the head of each column."""
    if frame.columns.nlevels == 1:
        return [("", str(head)) for head in frame.columns]
    return [(str(column[0]), str(column[-1])) for column in frame.columns]


def drawn(table: Table) -> dict[tuple[int, int], tuple[int, int, int]]:
    """Return low, mean and high of the cells that have an interval among the table's numbers, by row and column.

    A cell shows the number of the entry, the metric, the network and the category that its row and its heads name.
    Each metric has one scale, from its least to its largest end. A metric has bars where there are two to compare, and
    where its cells show means: a table of ranks has the same numbers behind it.
    """
    data = table.numbers
    if not {"entry", "metric", *NUMBERS} <= {*data.columns}:
        return {}
    known: dict[tuple[str, str], list] = {}
    for number in data.dropna(subset="low").itertuples():
        known.setdefault((str(number.entry), str(number.metric)), []).append(number)
    entries, metrics = {entry for entry, _ in known}, {metric for _, metric in known}
    across = [(head, over, named(head, entries), _metric(head, over, metrics)) for over, head in pairs(table.frame)]
    scales: dict[tuple[str, str], dict] = {}
    for k, text in enumerate(table.frame.index):
        row_entry, row_metric = named(text, entries), named(text, metrics)
        for j, (head, over, entry, metric) in enumerate(across):
            entry, metric = row_entry or entry, row_metric or metric
            some = known.get((entry, metric), [])
            said = f"{text} {over} {head}"
            for fact in (place, _category) if len(some) > 1 else ():
                some = [own for own in some if fact(own) in said] or some
            if len(some) == 1 and table.frame.iat[k, j] != NONE:
                scales.setdefault((metric, _category(some[0])), {})[k, j] = some[0]
    bars = {}
    for cells in scales.values():
        least = min(own.low for own in cells.values())
        width = max(own.high for own in cells.values()) - least
        means = all(shows(table.frame.iat[at], own.mean) for at, own in cells.items())
        for at, own in cells.items() if means and width > 0 and len(cells) > 1 else ():
            bars[at] = tuple(round(100 * (end - least) / width) for end in (own.low, own.mean, own.high))
    return bars


def shows(text: object, mean: float) -> bool:
    """Return whether a cell begins with a number, to as many digits as the cell has."""
    found = re.match(r"([+-]?\d*\.?(\d*))(?:e([+-]?\d+))?", str(text))
    if not found[1].strip("+-."):
        return False
    power = int(found[3] or 0)
    return abs(float(found[1]) * 10.0**power - mean) <= 0.51 * 10.0 ** (power - len(found[2]))


def _metric(head: str, over: str, metrics: Collection[str]) -> str:
    """Return the metric of a column: its head names it, or its heading does, or there is only one."""
    only = next(iter(metrics), "") if len(metrics) == 1 else ""
    return named(head, metrics) or ((named(over, metrics) or only) if head == "mean" else "")


def place(row: object) -> str:
    """Return the network and the data set of a number in words; "" where it has none."""
    return f"{label(row.model)} on {label(row.dataset)}" if hasattr(row, "model") and hasattr(row, "dataset") else ""


def only(data: pd.DataFrame) -> tuple[str, str] | None:
    """Return the data set and the network that all numbers are of; None where there are several or none."""
    if not {"dataset", "model"} <= {*data.columns}:
        return None
    places = {*data[["dataset", "model"]].astype(str).itertuples(index=False, name=None)}
    return places.pop() if len(places) == 1 else None


def _category(row: object) -> str:
    return str(getattr(row, "category", ""))
