"""A table for a page: cells with their bars, links, and what its rows can be chosen by."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

import pandas as pd

from results.names import label, plain
from results.tables import MARKS, NONE, SIGNIFICANT, Table, occurring

NUMBERS = ("mean", "low", "high")


@dataclass(frozen=True)
class Cell:
    text: str
    small: str = ""  # further lines
    look: str = ""  # "best", "unsure" or ""
    bar: tuple[int, int, int] | None = None  # in percent of the column: low, mean, high


@dataclass(frozen=True)
class Row:
    text: str
    href: str
    cells: Sequence[Cell]
    facts: Mapping[str, object]  # what a reader can choose rows by


@dataclass(frozen=True)
class Head:
    text: str
    href: str
    over: str
    about: str  # settings


@dataclass(frozen=True)
class Grid:
    """One table with all that its page shows of it."""

    key: str  # its place in the page
    table: Table
    heads: Sequence[Head]
    rows: Sequence[Row]
    files: Mapping[str, str] = field(default_factory=dict)  # links by the name of a format
    source: str = ""  # a link to the table of which this is a part

    @property
    def parts(self) -> list[tuple[str, Sequence[Row]]]:
        """The rows that are ranked, and the controls below the line."""
        at = len(self.rows) - self.table.controls
        return [(name, rows) for name, rows in (("", self.rows[:at]), ("controls", self.rows[at:])) if rows]

    @property
    def families(self) -> list[tuple[str, int]]:
        """The headings over neighbouring columns, with the number of these."""
        return [(over, len(list(own))) for over, own in groupby(self.heads, key=lambda head: head.over)]

    @property
    def legend(self) -> dict[str, str]:
        return occurring(self.table)


def named(text: str, names: Iterable[str]) -> str:
    """Return the longest of the names with which a head or a row begins, "" where it is another word."""
    text = str(text)
    found = [name for name in names if text == name or re.match(re.escape(name) + r"[ ,\u00a0]", text)]
    return max(found, key=len, default="")


def grid(table: Table, entries: pd.DataFrame, metrics: pd.DataFrame, link: Callable[[str, str], str]) -> Grid:
    """Return a table whose heads and rows link to the pages of entries and metrics by `link(sort, stem)`."""

    def place(text: str) -> tuple[str, str, str]:
        for sort, known in (("entries", entries), ("metrics", metrics)):
            if name := named(text, known.index):
                return sort, name, link(sort, known.stem[name])
        return "", "", ""

    frame, bars, heads = table.frame, drawn(table), []
    for over, head in _pairs(frame):
        sort, name, href = place(head)
        about = table.settings.get(head, "") or (metrics.settings[name] if sort == "metrics" else "")
        heads.append(Head(label(head), href, label(over), "" if about == "{}" else about))
    marks = [mark for mark in table.legend if not mark.isalnum()]
    looks = None if table.verdicts is None else table.verdicts.to_numpy(object)
    rows = []
    for k, (text, cells) in enumerate(zip(frame.index, frame.astype(str).to_numpy(object), strict=True)):
        sort, name, href = place(text)
        facts = {"stem": str(text)} | {"marks": "".join(mark for mark in marks if str(text).endswith(mark))}
        if sort == "entries":
            passes = entries.passes[name]
            facts |= {"group": label(entries.group[name])} | ({"passes": f"{passes:.6g}"} if passes == passes else {})
        shown = [_cell(cell, "" if looks is None else looks[k][j], bars.get((k, j))) for j, cell in enumerate(cells)]
        rows.append(Row(label(str(text)), href, shown, facts))
    return Grid(plain(table.name), table, heads, rows)


def _pairs(frame: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the heading and the head of each column."""
    if frame.columns.nlevels == 1:
        return [("", str(head)) for head in frame.columns]
    return [(str(column[0]), str(column[-1])) for column in frame.columns]


def _cell(text: str, verdict: str, bar: tuple[int, int, int] | None) -> Cell:
    first, *rest = text.split("\n")
    look = "best" if verdict in SIGNIFICANT else "unsure" if verdict == "undecided" else ""
    return Cell(first + MARKS.get(verdict, ""), " ".join(rest), look, bar)


def drawn(table: Table) -> dict[tuple[int, int], tuple[int, int, int]]:
    """Return low, mean and high of the cells that have an interval among the table's numbers, by row and column.

    A cell shows the number of an entry and a metric, or of an entry where there is one metric; each column has its own
    scale, from its least to its largest end.
    """
    data = table.numbers
    if not {"entry", "metric", *NUMBERS} <= {*data.columns}:
        return {}
    known: dict[tuple[str, str], list] = {}
    for row in data.dropna(subset="low").itertuples():
        known.setdefault((str(row.entry), str(row.metric)), []).append(row)
    names, metrics = {entry for entry, _ in known}, {metric for _, metric in known}
    rows, found = [named(text, names) for text in table.frame.index], {}
    for j, (over, head) in enumerate(_pairs(table.frame)):
        metric = named(head, metrics) or (named(over, metrics) or "".join([*metrics][:1]) if head == "mean" else "")
        several = [known.get((name, metric), []) for name in rows]
        single = [[own for own in some if len(some) == 1 or getattr(own, "category", "") == over] for some in several]
        column = {k: own[0] for k, own in enumerate(single) if len(own) == 1 and table.frame.iat[k, j] != NONE}
        least = min((own.low for own in column.values()), default=0)
        width = max((own.high for own in column.values()), default=0) - least
        for k, own in column.items() if width > 0 else ():
            found[k, j] = tuple(round(100 * (end - least) / width) for end in (own.low, own.mean, own.high))
    return found


def extracts(tables: Sequence[Table], names: Sequence[str], column: str) -> Iterator[tuple[Table, Table]]:
    """Yield of every table that has rows or columns of these entries or metrics those alone, and the table.

    Rows are turned, so that what was scored stands below each other. Numbers are those of the names in their `column`.
    """
    for table in tables:
        own = _part(table, names)
        if own is not None:
            data = table.numbers
            data = data[data[column].astype(str).isin(names)] if column in data else data
            yield replace(own, data=data), table


def _part(table: Table, names: Sequence[str]) -> Table | None:
    """Return the rows of a table that begin with one of the names, turned, or else its columns, or None."""
    frame, looks = table.frame, table.verdicts
    rows = [bool(named(text, names)) for text in frame.index]
    if any(rows):
        heads = [f"{over}: {head}" if over else head for over, head in _pairs(frame)]
        turned = frame[rows].set_axis(heads, axis=1).T
        looks = None if looks is None else looks.set_axis(heads, axis=1)[rows].T
        return replace(table, frame=turned, verdicts=looks, controls=0, notes=())
    columns = [any(named(part, names) for part in pair) for pair in _pairs(frame)]
    if not any(columns):
        return None
    return replace(table, frame=frame.loc[:, columns], verdicts=None if looks is None else looks.loc[:, columns])
