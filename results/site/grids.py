"""A table for a page: cells with their bars, links, and what its rows can be chosen by."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from results.names import label, labels, plain
from results.site.bars import drawn, named, pairs
from results.site.sweeps import Sweep
from results.tables import MARKS, SIGNIFICANT, Table, occurring


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
    entry: str = ""  # its label
    small: str = ""  # a link to a small picture


@dataclass(frozen=True)
class Head:
    text: str
    href: str
    over: str
    about: str  # settings
    words: bool = False  # whether its cells hold words


@dataclass(frozen=True)
class Grid:
    """One table with all that its page shows of it."""

    key: str  # its place in the page
    table: Table
    heads: Sequence[Head]
    rows: Sequence[Row]
    files: Mapping[str, str] = field(default_factory=dict)  # links by the name of a format
    with_provenance: bool = False  # whether its last columns say how the rows were computed
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

    @property
    def has_small(self) -> bool:
        return any(row.small for row in self.rows)

    @property
    def has_bars(self) -> bool:
        return any(cell.bar for row in self.rows for cell in row.cells)


def grid(table: Table, sweep: Sweep, link: Callable[[str, str], str], smalls: Mapping[str, str]) -> Grid:
    """Return a table whose heads and rows link to the pages of entries, metrics and networks by `link(sort, stem)`.

    `smalls` are links to small pictures by entry.
    """
    entries, metrics = sweep.entries, sweep.metrics

    def page(text: str) -> tuple[str, str, str]:
        for sort, known in (("entries", entries), ("metrics", metrics), ("models", sweep.networks)):
            if name := named(text, known.index):
                return sort, name, link(sort, known.stem[name])
        return "", "", ""

    bars, heads, texts = drawn(table), [], table.frame.astype(str).to_numpy(object)
    for (over, head), column in zip(pairs(table.frame), texts.T, strict=True):
        sort, name, href = page(head)
        about = table.settings.get(head, "") or (metrics.settings[name] if sort == "metrics" else "")
        heads.append(Head(printed(head), href, printed(over), "" if about == "{}" else about, are_words(column)))
    looks = None if table.verdicts is None else table.verdicts.to_numpy(object)
    rows = []
    for k, (text, cells) in enumerate(zip(table.frame.index, texts, strict=True)):
        sort, name, href = page(text)
        facts, entry = {"stem": str(text)}, name if sort == "entries" else ""
        if sort == "entries":
            passes, marks = entries.passes[name], [mark for mark in table.legend if str(text).endswith(mark)]
            facts |= {"group": label(entries.group[name]), "marks": "".join(marks)}
            facts |= {"passes": f"{passes:.6g}"} if passes == passes else {}
        shown = [_cell(cell, "" if looks is None else looks[k][j], bars.get((k, j))) for j, cell in enumerate(cells)]
        rows.append(Row(printed(str(text)), href, shown, facts, entry, smalls.get(entry, "")))
    return Grid(plain(table.name), table, heads, rows)


def are_words(cells: Collection[str]) -> bool:
    return sum(cell[:1].isalpha() for cell in cells) > len(cells) / 2


def printed(text: str) -> str:
    """Return the display name of what has one; other words, as names of layers, stay as they are."""
    known = labels()
    return label(text) if text.partition(" (")[0] in known or re.match(r"\w*", text)[0] in known else text


def _cell(text: str, verdict: str, bar: tuple[int, int, int] | None) -> Cell:
    first, *rest = text.split("\n")
    look = "best" if verdict in SIGNIFICANT else "unsure" if verdict == "undecided" else ""
    return Cell(first + MARKS.get(verdict, ""), " ".join(rest), look, bar)
