"""Tables as LaTeX for a paper, with booktabs."""

import re
import textwrap
from collections.abc import Sequence

from results import names
from results.tables import MARKS, NONE, Column, Table, blocks_of, columns_of, heads_of, occurring, stub_width

FORMS = {"*": r"\textbf{%s}", "?": r"\textcolor{gray}{%s\,?}", "=": "%s="}  # of marks in LaTeX
LOOKS = {"*": "Bold", "?": "Grey"}
PAGE_LETTERS = 94  # letters of a row of a LaTeX table over both columns, \footnotesize
PAGE_LINES = 52  # of a table that fits a page
TEX = {character: "\\" + character for character in "_%&#${}"} | {
    "~": r"$\sim$",
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


def latex(table: Table, prefix: str = "") -> str:
    """Return booktabs tables over both columns of a page, as many as the table's columns need.

    The labels are `tab:PREFIX-NAME`, so that tables of two sweeps can stand in one paper.

    Bold: the best entry and what is level with it; grey with a question mark: undecided. A table that is longer than a
    page is a longtable, which needs a document of one column.
    """
    blocks = blocks_of(columns_of(table, stacked=True), PAGE_LETTERS - stub_width(table))
    parts = [r"% needs \usepackage{booktabs}, \usepackage{longtable} and \usepackage{xcolor}"]
    for k, block in enumerate(blocks, 1):
        name = f"{prefix} {table.name}" + (f" {k}" if len(blocks) > 1 else "")
        label = re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-")
        parts.append(_environment(table, block, f"tab:{label}"))
    return "\n".join(parts)


def _environment(table: Table, columns: Sequence[Column], label: str) -> str:
    """Return one table* or longtable with some of the table's columns."""
    chosen = [column.place for column in columns]
    frame = table.frame.iloc[:, chosen].astype(str).map(_stacked)
    if table.verdicts is not None:
        marks = table.verdicts.iloc[:, chosen].replace(MARKS)
        for mark, form in FORMS.items():
            frame = frame.mask((marks == mark).to_numpy(), frame.map(form.__mod__))
    heads = heads_of(frame)
    lines = [textwrap.wrap(names.label(head), 13, break_long_words=False) for head in heads]
    lowest = [_stacked("\n".join(words), "") for words in lines]
    above = [tex(names.label(column.over)) for column in columns]
    frame.columns = [above, lowest] if frame.columns.nlevels > 1 else lowest
    index = [tex(names.label(str(name))) for name in frame.index]
    if 0 < table.controls < len(index):
        index[-table.controls] = "\\midrule\n" + index[-table.controls]
    stacked = frame.map(lambda cell: cell.count(r"\\") + 1).max(axis=1)
    wrapped = [max(map(len, cells)) for cells in zip(*(column.cells for column in columns), strict=True)]
    long = sum(map(max, stacked, wrapped)) > PAGE_LINES
    written = frame.set_axis(index).style.to_latex(
        environment="longtable" if long else "table*",
        hrules=True,
        position_float=None if long else "centering",
        caption=tex(_caption(table, heads)),
        label=label,
        column_format="l" + "".join(column.form for column in columns),
        multicol_align="c",
    )
    look = r"\footnotesize\setlength{\tabcolsep}{4pt}"
    return f"{{{look}\n{written}}}\n" if long else written.replace(r"\centering", r"\centering" + look, 1)


def _caption(table: Table, heads: Sequence[str]) -> str:
    """Return what a reader of a paper has to know about a table with some heads."""
    parts = [(table.caption or table.title).rstrip(".") + "."]
    looks = LOOKS if table.verdicts is not None else {}
    parts += [f"{looks.get(mark, mark)}: {sentence}" for mark, sentence in occurring(table).items()]
    parts += ["Controls stand below the line."] if 0 < table.controls < len(table.frame) else []
    shown = [f"{names.label(head)}: {table.settings[head]}" for head in heads if table.settings.get(head)]
    return " ".join([*parts, *table.notes, *([f"Settings: {'; '.join(shown)}."] if shown else [])])


def tex(words: str) -> str:
    """Escape text for LaTeX; hyphens become minus signs and dashes between numbers, and e-05 a power of ten."""
    escaped = "".join(TEX.get(character, character) for character in words)
    escaped = re.sub(r"(?<=\d)-(?=\d)", "--", escaped)
    escaped = re.sub(r"(?<![\w)-])-(?=[\d.]|inf)", "$-$", escaped).replace("$$", "")
    return re.sub(r"(?<=\d)e([+-]\d+)", lambda power: rf"$\cdot 10^{{{int(power[1])}}}$", escaped)


def _stacked(cell: str, small: str = r"\tiny ") -> str:
    """Return a cell for LaTeX, lines of it above one another and every line but the first `small`."""
    first, *rest = (r"--" if part == NONE else tex(part) for part in cell.split("\n"))
    lines = r"\\ ".join([first, *(small + part for part in rest)])
    return rf"\begin{{tabular}}[t]{{@{{}}c@{{}}}}{lines}\end{{tabular}}" if rest else first
