"""Tables, written once for all kinds of benchmarks: as text for a terminal and CSV for programs."""

import math
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import groupby, zip_longest

import pandas as pd

NONE = "-"  # where there is no number
SIGNIFICANT = ("best", "level")  # verdicts that are bold
MARKS = {"best": "*", "level": "*", "undecided": "?", "ceiling": "="}
VERDICTS = {
    "*": "The best entry that is no control, or level with it.",
    "?": "Undecided: too few images to tell the entry from the best one.",
    "=": "The entry has the best possible score, but a control has it too, so that it shows nothing.",
}
WORDS = 30  # letters that a column of words has at least room for


class Inapplicable(ValueError):
    """The view does not suit the sweep; the sentence says what it needs."""


@dataclass(frozen=True)
class Table:
    """A table of display strings and what a reader has to know about it.

    A line break in a cell or a head stacks its lines in LaTeX. Names in heads and rows are stems, as one types them;
    LaTeX prints their display names.
    """

    name: str  # of its file
    title: str
    frame: pd.DataFrame  # its columns may have two levels: a heading over several columns, and their heads
    notes: Sequence[str] = ()  # sentences about this table
    caption: str = ""  # of LaTeX: data set, network, number of images, settings
    data: pd.DataFrame | None = None  # numbers for CSV; by default the frame
    verdicts: pd.DataFrame | None = None  # shaped as `frame`: best, level, worse, undecided, ceiling or ""
    controls: int = 0  # rows at the end, below a line
    legend: Mapping[str, str] = field(default_factory=dict)  # what a mark in a cell or a row's head means
    settings: Mapping[str, str] = field(default_factory=dict)  # of the metrics in its heads, for captions
    explanations: Sequence[str] = ()  # how the numbers are made: printed with --explain

    @property
    def numbers(self) -> pd.DataFrame:
        return self.frame if self.data is None else self.data


def numbers(tables: Iterable[Table]) -> dict[str, pd.DataFrame]:
    """Return the numbers of tables by a name for their file; tables with the same columns are one, called ""."""
    files: dict[tuple, list[Table]] = {}
    for table in tables:
        files.setdefault((*table.numbers.columns, *table.numbers.index.names), []).append(table)
    return {
        members[0].name if k else "": pd.concat([table.numbers for table in members]).drop_duplicates()
        for k, members in enumerate(files.values())
    }


def csv(data: pd.DataFrame) -> str:
    """Return numbers as CSV, six digits each; an index without a name is left out."""
    return data.to_csv(index=any(data.index.names), float_format="%.6g", lineterminator="\n")


def numerals(values: Iterable[float], spec: str = "g") -> list[str]:
    """Return numbers as text; a dash stands for a missing one."""
    return [NONE if pd.isna(value) else f"{value:{spec}}" for value in values]


def spans(low: Iterable[float], high: Iterable[float], write: Callable[..., str] = "{:g}".format) -> list[str]:
    """Return intervals as text, [low, high]; a dash stands for a missing one."""
    return [NONE if pd.isna(a) or pd.isna(b) else f"[{write(a)}, {write(b)}]" for a, b in zip(low, high, strict=True)]


def p_value(p: float) -> str:
    return NONE if pd.isna(p) else "<.001" if p < 0.001 else f"{p:.3f}"


def known(option: str, given: Iterable[str], names: Iterable[str]) -> None:
    """Refuse names in a command that the sweep does not have."""
    names = list(dict.fromkeys(names))
    for name in given:
        if name not in names:
            raise ValueError(f"{option} needs one of {', '.join(names)}; {name} was given")


def writer(rows: pd.DataFrame) -> Callable[..., str]:
    """Return how to write one quantity, whose `mean`, `low` and `high` are given: to two digits of its usual interval.

    Powers of ten stand where most digits would be zeros; a number that would be written as 0 is not.
    """
    sizes = rows[["mean", "low", "high"]].astype(float).abs()
    half, largest, means = ((rows.high - rows.low) / 2).astype(float), sizes.max(axis=None), sizes["mean"]
    half, usual = half[half > 0].median(), means[means > 1e-9 * largest].quantile(0.25)
    decimals = int(min(max(1 - math.floor(math.log10(half)), 0), 4)) if half == half else 3
    form = ".1e" if largest >= 1e5 or usual < 1e-3 else f".{decimals}f"

    def written(value: float, sign: str = "") -> str:
        if value != value:
            return NONE
        if value == 0:
            return "0" if form.endswith("e") else f"{0:{sign}{form}}"
        lost = abs(value) > 1e-9 * largest and float(f"{value:{form}}") == 0
        return f"{value:{sign}{'.1e' if lost else form}}"

    return written


def interval(mean: float, low: float, high: float, write: Callable[..., str], sign: str = "") -> str:
    """Return a mean over its interval, where it has one."""
    return write(mean, sign) + (f"\n[{write(low, sign)}, {write(high, sign)}]" if mean == mean and low == low else "")


def page(tables: Sequence[Table], width: int = 110, explain: bool = False) -> str:
    """Return tables, each with its notes, then one legend of all marks, then the explanations if asked for."""
    parts = [
        f"\n{table.title}\n{'=' * len(table.title)}\n{_grid(table, width)}" + _lines(table.notes, width)
        for table in tables
    ]
    legend = dict(pair for table in tables for pair in occurring(table).items())
    parts += ["\n" * bool(legend) + _lines((f"{mark} {sentence}" for mark, sentence in legend.items()), width)]
    said = dict.fromkeys(sentence for table in tables for sentence in table.explanations)
    if said and explain:
        parts += ["\n", _lines(said, width)]
    elif said:
        parts.append("--explain says how these numbers are made.\n")
    return "".join(parts).lstrip("\n")


def occurring(table: Table) -> dict[str, str]:
    """Return the legend's sentences by mark, of those marks that the table has."""
    verdicts = set() if table.verdicts is None else set(table.verdicts.to_numpy().ravel())
    marks = {mark for verdict, mark in MARKS.items() if verdict in verdicts}
    heads = (
        head for level in range(table.frame.columns.nlevels) for head in table.frame.columns.get_level_values(level)
    )
    words = [*table.frame.to_numpy().ravel(), *table.frame.index, *heads]
    marks |= {mark for mark in table.legend if any(mark in str(word) for word in words)}
    return {mark: sentence for mark, sentence in (VERDICTS | dict(table.legend)).items() if mark in marks}


def heads_of(frame: pd.DataFrame) -> list[str]:
    """Return the lowest level of the columns."""
    return [str(head) for head in frame.columns.get_level_values(-1)]


def _lines(sentences: Iterable[str], width: int) -> str:
    fill = textwrap.TextWrapper(width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    return "".join(fill.fill(sentence) + "\n" for sentence in sentences)


@dataclass(frozen=True)
class Column:
    """A column of a table of text: what stands over it, and the lines of its head and of its cells."""

    place: int
    over: str
    head: Sequence[str]
    cells: Sequence[Sequence[str]]
    left: bool  # whether it holds words

    @property
    def form(self) -> str:
        """Return LaTeX's letter of the column; words that were wrapped need a column of so many letters."""
        wrapped = self.left and any(len(lines) > 1 for lines in self.cells)
        return f"p{{{self.width / 2:g}em}}" if wrapped else "l" if self.left else "r"

    @cached_property
    def width(self) -> int:
        return max(len(line) for lines in [self.head, *self.cells] for line in lines)


def columns_of(table: Table, words: int = WORDS, stacked: bool = False) -> Iterator[Column]:
    """Yield columns with the marks of their verdicts; words are wrapped, numbers never are.

    Of cells whose lines are `stacked` only the longest line counts.
    """
    frame, join = table.frame, partial(max, key=len) if stacked else " ".join
    texts = frame.astype(str).to_numpy(object).T
    verdicts = None if table.verdicts is None else table.verdicts.to_numpy(object).T
    for place, (over, head) in enumerate(zip(frame.columns.get_level_values(0), heads_of(frame), strict=True)):
        cells = [join(cell.split("\n")) for cell in texts[place]]
        if verdicts is not None and (verdicts[place] != "").any():
            marks = (MARKS.get(verdict, " ") for verdict in verdicts[place])
            cells = [cell + mark for cell, mark in zip(cells, marks, strict=True)]
        left = sum(cell[:1].isalpha() for cell in cells) > len(cells) / 2
        wrapped = [(textwrap.wrap(cell, words, break_long_words=False) if left else [cell]) or [""] for cell in cells]
        widest = max((len(line) for lines in wrapped for line in lines), default=0)
        yield Column(place, over if frame.columns.nlevels > 1 else "", packed(head, widest), wrapped, left)


def packed(head: str, width: int) -> list[str]:
    """Return a head on lines that are no longer than its longest word or `width`; stems break behind underscores."""
    words = head.replace("_", "_ ").split()
    lines = textwrap.wrap(" ".join(words), max([width, *map(len, words)]), break_long_words=False)
    return [line.replace("_ ", "_") for line in lines] or [""]


def stub_width(table: Table) -> int:
    return max(map(len, map(str, table.frame.index)), default=0)


def _families(columns: Sequence[Column]) -> list[tuple[str, list[Column]]]:
    """Return neighbours under one heading; a column without a heading stands alone."""
    families = groupby(columns, key=lambda column: (column.over, column.over or id(column)))
    return [(over, list(family)) for (over, _), family in families]


def _width(over: str, family: Sequence[Column]) -> int:
    """Return the letters of neighbours with the gaps between them, at least those that their heading needs."""
    return max(sum(2 + column.width for column in family) - 2, len(over))


def blocks_of(columns: Sequence[Column], room: int) -> list[list[Column]]:
    """Distribute columns over blocks of some letters; those with one heading stay together where they fit."""
    blocks: list[list[Column]] = [[]]
    for over, family in _families(columns):
        for part in [family] if _width(over, family) + 2 <= room else [[column] for column in family]:
            if blocks[-1] and sum(2 + _width(*each) for each in _families([*blocks[-1], *part])) > room:
                blocks.append([])
            blocks[-1] += part
    return blocks


def _grid(table: Table, width: int) -> str:
    """Lay out a table in blocks of columns that are at most `width` letters wide."""
    stub = stub_width(table)
    columns = columns_of(table, max(WORDS, (width - stub) // 3))
    return "\n".join(_block(table, stub, block) for block in blocks_of(columns, width - stub) if block)


def _block(table: Table, stub: int, columns: Sequence[Column]) -> str:
    """Lay out one block: a line of headings, the heads, a rule, and the rows with a rule above the controls."""
    over, form = " " * stub, f"{{:{stub}}}"
    for heading, family in _families(columns):
        span = _width(heading, family)
        over += "  " + (f" {heading} ".center(span, "-") if 0 < len(heading) <= span - 4 else heading.center(span))
        extra = span - _width("", family)  # a long heading widens its first column
        for column in family:
            form += f"  {{:{'<' if column.left else '>'}{column.width + extra}}}"
            extra = 0

    def lines(name: str, cells: Iterable[Sequence[str]]) -> list[str]:
        return [form.format(*parts) for parts in zip_longest([name], *cells, fillvalue="")]

    deep = max(len(column.head) for column in columns)
    written = [over, *lines("", ([""] * (deep - len(column.head)) + [*column.head] for column in columns))]
    rule = "-" * len(written[-1])
    written.append(rule)
    for k, (name, *cells) in enumerate(zip(table.frame.index, *(column.cells for column in columns), strict=True)):
        if 0 < k == len(table.frame) - table.controls:
            written.append(rule)
        written += lines(str(name), cells)
    return "".join(line.rstrip() + "\n" for line in written if line.strip())
