"""Tables, written once for all kinds of benchmarks: as text for a terminal, LaTeX for a paper, Markdown for a page."""

import math
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import pandas as pd

from results import names

NONE = "-"  # where there is no number
SIGNIFICANT = ("best", "level")  # verdicts that are bold
MARKS = {"best": "*", "level": "*", "undecided": "?", "ceiling": "="}
VERDICTS = {
    "*": "The best entry that is no control, or level with it.",
    "?": "Undecided: too few images to tell the entry from the best one.",
    "=": "The entry has the best possible score, but a control has it too, so that it shows nothing.",
}
WORDS = 30  # letters of a column of words, where there is no room for more
PAGE_LETTERS = 108  # letters of a row of a LaTeX table over both columns, \footnotesize
TEX = {character: "\\" + character for character in "_%&#${}"} | {
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\\": r"\textbackslash{}",
    "<": "$<$",
    ">": "$>$",
    "†": r"\textsuperscript{\dag}",
    "≥": r"$\geq$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "±": r"$\pm$",
}


class Inapplicable(ValueError):
    """The view does not suit the sweep; the sentence says what it needs."""


@dataclass(frozen=True)
class Table:
    """A table of display strings and what a reader has to know about it.

    A line break in a cell or a head stacks its lines in LaTeX. Names in heads and rows are stems, as one types them;
    LaTeX and Markdown print their display names.
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
    """Return numbers in one form, and a sign where there is none."""
    return [NONE if pd.isna(value) else f"{value:{spec}}" for value in values]


def spans(low: Iterable[float], high: Iterable[float], write: Callable[..., str] = "{:g}".format) -> list[str]:
    """Return intervals, [low, high], and a sign where there is none."""
    return [NONE if pd.isna(a) or pd.isna(b) else f"[{write(a)}, {write(b)}]" for a, b in zip(low, high, strict=True)]


def p_value(p: float) -> str:
    return NONE if pd.isna(p) else "<.001" if p < 0.001 else f"{p:.3f}"


def known(option: str, given: Iterable[str], names: Iterable[str]) -> None:
    """Refuse what a command names and the sweep does not have."""
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
        lost = abs(value) > 1e-9 * largest and float(f"{value:{form}}") == 0
        return f"{value:{sign}{'.1e' if lost else form}}"

    return written


def interval(mean: float, low: float, high: float, write: Callable[..., str], sign: str = "") -> str:
    """Return a mean over its interval, where it has one."""
    return write(mean, sign) + (f"\n[{write(low, sign)}, {write(high, sign)}]" if mean == mean and low == low else "")


def text(table: Table, width: int = 110) -> str:
    """Return one table with its notes and the legend of the marks that occur in it."""
    return page([table], width)


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
    words = [*table.frame.to_numpy().ravel(), *table.frame.index, *_heads(table.frame)]
    marks |= {mark for mark in table.legend if any(mark in str(word) for word in words)}
    return {mark: sentence for mark, sentence in (VERDICTS | dict(table.legend)).items() if mark in marks}


def markdown(table: Table) -> str:
    """Return the table as GitHub's Markdown; the best entries and those level with them are bold."""
    lines = [["", *map(_flat, map(names.label, _heads(table.frame)))]]
    lines.append(["---"] * len(lines[0]))
    for k, (name, cells) in enumerate(zip(table.frame.index, table.frame.to_numpy(), strict=True)):
        marked = (_weighed(_flat(cell), table, k, j, "**%s**", "%s ?") for j, cell in enumerate(cells))
        lines.append([names.label(str(name)), *marked])
    rows = "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines)
    said = [*table.notes, *(f"{mark} {sentence}" for mark, sentence in occurring(table).items() if mark != "*")]
    return f"### {table.title}\n\n{rows}\n" + "".join(f"\n{sentence}\n" for sentence in said)


def latex(table: Table) -> str:
    """Return booktabs tables over both columns of a page, as many as the table's columns need.

    Bold: the best entry and what is level with it; grey with a question mark: undecided.
    """
    blocks = _blocks([_Column.of(table, j, True) for j in range(table.frame.shape[1])], PAGE_LETTERS - _stub(table), 2)
    parts, start = [r"% needs \usepackage{booktabs} and \usepackage{xcolor}"], 0
    for k, block in enumerate(blocks, 1):
        label = re.sub(r"[^A-Za-z0-9.]+", "-", table.name + (f" {k}" if len(blocks) > 1 else "")).strip("-")
        parts.append(_float(table, range(start, start + len(block)), f"tab:{label}"))
        start += len(block)
    return "\n".join(parts)


def _float(table: Table, chosen: Sequence[int], label: str) -> str:
    """Return one table* with some of the table's columns."""
    frame = table.frame.iloc[:, list(chosen)].astype(str)
    bold, grey = r"\textbf{%s}", r"\textcolor{gray}{%s\,?}"
    cells = [
        [_weighed(_stacked(cell), table, i, j, bold, grey) for j, cell in zip(chosen, row, strict=True)]
        for i, row in enumerate(frame.to_numpy())
    ]
    lines = [textwrap.wrap(names.label(head), 13, break_long_words=False) for head in _heads(frame)]
    heads = [_stacked("\n".join(words), "") for words in lines]
    if frame.columns.nlevels > 1:
        over = [tex(names.label(str(name))) for name in frame.columns.get_level_values(0)]
        heads = pd.MultiIndex.from_arrays([over, heads])
    index = [tex(names.label(str(name))) for name in frame.index]
    sides = "l" + "".join("l" if _Column.of(table, j).left else "r" for j in chosen)
    marks = [f"{mark}: {sentence}" for mark, sentence in occurring(table).items() if mark not in "*?"]
    best = ["Bold: the best entry that is no control, or level with it."] if table.verdicts is not None else []
    undecided = [f"Grey: {VERDICTS['?'][0].lower()}{VERDICTS['?'][1:]}"] if "?" in occurring(table) else []
    line = ["Controls stand below the line."] if 0 < table.controls < len(frame) else []
    shown = [f"{names.label(head)}: {table.settings[head]}" for head in _heads(frame) if table.settings.get(head)]
    settings = [f"Settings: {'; '.join(shown)}."] if shown else []
    about = (table.caption or table.title).rstrip(".") + "."
    caption = tex(" ".join([about, *best, *undecided, *marks, *line, *table.notes, *settings]))
    written = pd.DataFrame(cells, index, heads).style.to_latex(
        environment="table*",
        hrules=True,
        position_float="centering",
        caption=caption,
        label=label,
        column_format=sides,
        multicol_align="c",
    )
    lines = written.replace("\\centering\n", "\\centering\\footnotesize\\setlength{\\tabcolsep}{4pt}\n").splitlines()
    if line:
        lines.insert(lines.index("\\bottomrule") - table.controls, "\\midrule")
    return "\n".join(lines) + "\n"


def tex(words: str) -> str:
    """Escape text for LaTeX; a hyphen before a number becomes a minus sign."""
    escaped = "".join(TEX.get(character, character) for character in words)
    return re.sub(r"(?<![\w)])-(?=[\d.]|inf)", "$-$", escaped).replace("$$", "")


def _stacked(cell: str, small: str = r"\tiny ") -> str:
    """Return a cell for LaTeX, lines of it above one another and every line but the first `small`."""
    first, *rest = (r"--" if part == NONE else tex(part) for part in str(cell).split("\n"))
    if not rest:
        return first
    lines = [first, *(small + part for part in rest)]
    return r"\begin{tabular}[t]{@{}c@{}}" + r"\\ ".join(lines) + r"\end{tabular}"


def _weighed(cell: str, table: Table, i: int, j: int, bold: str, grey: str) -> str:
    """Return a cell in the form of its verdict."""
    verdict = "" if table.verdicts is None else table.verdicts.iat[i, j]
    form = bold if verdict in SIGNIFICANT else grey if verdict == "undecided" else "%s"
    return (form % cell) + (MARKS["ceiling"] if verdict == "ceiling" else "")


def _flat(cell: object) -> str:
    return " ".join(str(cell).split("\n"))


def _heads(frame: pd.DataFrame) -> list[str]:
    """Return the lowest level of the columns."""
    return [str(head) for head in frame.columns.get_level_values(-1)]


def _lines(sentences: Iterable[str], width: int) -> str:
    fill = textwrap.TextWrapper(width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    return "".join(fill.fill(sentence) + "\n" for sentence in sentences)


@dataclass(frozen=True)
class _Column:
    over: str
    head: Sequence[str]  # its lines
    cells: Sequence[str]

    @classmethod
    def of(cls, table: Table, j: int, stacked: bool = False) -> "_Column":
        """Return a column of a table with the marks of its verdicts, which stand below one another.

        Of cells whose lines are `stacked` only the longest line counts.
        """
        cells = [max(str(cell).split("\n"), key=len) if stacked else _flat(cell) for cell in table.frame.iloc[:, j]]
        if table.verdicts is not None and (verdicts := [*table.verdicts.iloc[:, j]]) and any(verdicts):
            cells = [cell + MARKS.get(verdict, " ") for cell, verdict in zip(cells, verdicts, strict=True)]
        over = str(table.frame.columns[j][0]) if table.frame.columns.nlevels > 1 else ""
        return cls(over, packed(_heads(table.frame)[j], max(map(len, cells), default=0)), cells)

    @property
    def left(self) -> bool:
        """Whether it holds words."""
        return sum(cell[:1].isalpha() for cell in self.cells) > len(self.cells) / 2

    @property
    def width(self) -> int:
        return max(len(part) for part in [*self.head, *self.cells])

    @property
    def least(self) -> int:
        """The letters that it needs: words can be wrapped."""
        return min(self.width, WORDS) if self.left else self.width

    def lines(self, cell: str, width: int) -> list[str]:
        """Return the lines of a cell: words are wrapped, numbers never are."""
        return textwrap.wrap(cell, width, break_long_words=False) or [""] if len(cell) > width else [cell]


def packed(head: str, width: int) -> list[str]:
    """Return a head on lines that are no longer than its longest word or `width`; stems break behind underscores."""
    words = re.sub(r"(_|\n| )", r"\1\n", head).split("\n")
    room, lines = max(width, *(len(word.strip()) for word in words)), [""]
    for word in words:
        if lines[-1] and len((lines[-1] + word).strip()) > room:
            lines.append("")
        lines[-1] += word
    return [line.strip() for line in lines]


def _stub(table: Table) -> int:
    return max(map(len, map(str, table.frame.index)), default=0)


def _blocks(columns: Sequence[_Column], room: int, gap: int) -> list[list[_Column]]:
    """Distribute columns over blocks of some letters; those with one heading stay together where they fit."""
    blocks: list[list[_Column]] = [[]]
    for _, family in groupby(columns, key=lambda column: column.over or id(column)):
        family = list(family)
        if blocks[-1] and _extent([*blocks[-1], *family], gap) > room:
            blocks.append([])
        for column in family:
            if blocks[-1] and _extent([*blocks[-1], column], gap) > room:
                blocks.append([])
            blocks[-1].append(column)
    return blocks


def _extent(columns: Sequence[_Column], gap: int) -> int:
    """Return the letters of a row, at least those that the headings need."""
    families = [(over, list(family)) for over, family in groupby(columns, key=lambda column: column.over)]
    return sum(max(sum(gap + column.least for column in family), gap + len(over)) for over, family in families)


def _grid(table: Table, width: int) -> str:
    """Lay out a table in blocks of columns that are at most `width` letters wide."""
    if table.frame.empty:
        return ""
    columns = [_Column.of(table, j) for j in range(table.frame.shape[1])]
    stub = _stub(table)
    return "\n".join(_block(table, stub, block, width) for block in _blocks(columns, width - stub, 2))


def _block(table: Table, stub: int, columns: Sequence[_Column], width: int) -> str:
    widths = [column.width for column in columns]
    wordy = [k for k, column in enumerate(columns) if column.left]
    while stub + sum(widths) + 2 * len(widths) > width and any(widths[k] > WORDS for k in wordy):
        widths[max(wordy, key=lambda k: widths[k])] -= 1
    start = 0
    for over, family in groupby(columns, key=lambda column: column.over):
        count = len(list(family))
        widths[start] += max(0, len(over) - sum(widths[start : start + count]) - 2 * (count - 1))
        start += count

    def line(first: str, cells: Sequence[str]) -> str:
        sides = zip(cells, widths, columns, strict=True)
        return first.ljust(stub) + "".join(
            "  " + (cell.strip().ljust(size) if column.left else cell.rjust(size)) for cell, size, column in sides
        )

    deep = max(len(column.head) for column in columns)
    heads = [[*[""] * (deep - len(column.head)), *column.head] for column in columns]
    lines = [_over(stub, columns, widths), *(line("", row) for row in zip(*heads, strict=True))]
    rule = "-" * len(line("", [""] * len(columns)))
    lines.append(rule)
    last = len(table.frame) - table.controls
    for k, (name, *cells) in enumerate(zip(table.frame.index, *(column.cells for column in columns), strict=True)):
        lines += [rule] if k == last and k > 0 else []
        parts = [column.lines(cell, size) for column, cell, size in zip(columns, cells, widths, strict=True)]
        for row in range(max(map(len, parts))):
            lines.append(line(str(name) if row == 0 else "", [p[row] if row < len(p) else "" for p in parts]))
    return "".join(text.rstrip() + "\n" for text in lines if text.strip())


def _over(stub: int, columns: Sequence[_Column], widths: Sequence[int]) -> str:
    """Return the line of headings, each over its columns."""
    line, start = " " * stub, 0
    for over, family in groupby(columns, key=lambda column: column.over):
        count = len(list(family))
        span = sum(widths[start : start + count]) + 2 * (count - 1)
        line += "  " + (f" {over} ".center(span, "-") if 0 < len(over) <= span - 4 else over.center(span))
        start += count
    return line
