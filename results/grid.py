"""Lay out columns of text so that they fit a terminal."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise


@dataclass(frozen=True)
class Column:
    """A column of text; neighbours with the same `over` share that heading."""

    over: str
    head: Sequence[str]
    cells: Sequence[str]
    left: bool = False
    least: int = 0  # of the width

    @property
    def width(self) -> int:
        return max(self.least, *map(len, [*self.head, *self.cells]))

    def cut(self, letters: int) -> "Column":
        """Return the column with no word of its head longer than its cells or `letters`."""
        letters = max(letters, *map(len, self.cells))
        return replace(self, head=[word[:letters] for word in self.head])


def grid(stub: Column, columns: Sequence[Column], rule: int, width: int) -> str:
    """Lay out columns beside `stub`, with a line above row `rule`; long heads are cut, then blocks are stacked.

    Of many blocks a third more is better than words that nobody can read.
    """
    room = width - stub.width
    layouts = [
        _blocks(roomy([column.cut(letters) for column in columns]), room)
        for letters in (14, 11, 9, 8, 7, 6, 5)
        for roomy in (_widened, list)
    ]
    fewest = min(map(len, layouts))
    best = next(layout for layout in layouts if len(layout) <= max(fewest, fewest * 4 // 3))  # with the longest words
    return "\n".join(_block(stub, block, rule) for block in best)


def _blocks(columns: Sequence[Column], room: int) -> list[list[Column]]:
    """Distribute columns over blocks, headings kept together where they fit."""
    blocks: list[list[Column]] = [[]]
    for _, family in groupby(columns, key=lambda column: column.over or id(column)):
        family = list(family)
        if blocks[-1] and _extent([*blocks[-1], *family]) > room:
            blocks.append([])
        for column in family:
            if blocks[-1] and _extent([*blocks[-1], column]) > room:
                blocks.append([])
            blocks[-1].append(column)
    return blocks


def _widened(columns: Sequence[Column]) -> list[Column]:
    """Widen the first column of each heading until the heading fits."""
    wide = []
    for name, family in groupby(columns, key=lambda column: column.over):
        first, *rest = family
        lack = len(name) - (_extent([first, *rest]) - 2)
        wide += [replace(first, least=first.width + max(0, lack)), *rest]
    return wide


def _gaps(columns: Sequence[Column]) -> list[str]:
    """Return what stands before each column: two spaces before a heading or a column without one."""
    overs = [None, *(column.over for column in columns)]
    return [" " if over and over == before else "  " for before, over in pairwise(overs)]


def _extent(columns: Sequence[Column]) -> int:
    return sum(len(gap) + column.width for gap, column in zip(_gaps(columns), columns, strict=True))


def _block(stub: Column, columns: Sequence[Column], rule: int) -> str:
    every = [stub, *columns]

    def line(texts: Sequence[str]) -> str:
        cells = zip(texts, every, strict=True)
        first, *rest = (text.ljust(c.width) if c.left else text.rjust(c.width) for text, c in cells)
        return first + "".join(gap + cell for gap, cell in zip(_gaps(columns), rest, strict=True))

    over = " " * stub.width
    for name, family in groupby(columns, key=lambda column: column.over):
        span = _extent(list(family)) - 2
        over += "  " + (f" {name} ".center(span, "-") if 0 < len(name) <= span - 4 else name[:span].center(span))
    deep = max(len(column.head) for column in every)
    heads = [[*[""] * (deep - len(column.head)), *column.head] for column in every]
    dashes = "-" * (stub.width + _extent(columns))
    body = [line(texts) for texts in zip(*(column.cells for column in every), strict=True)]
    body[rule:rule] = [dashes] if 0 < rule < len(body) else []
    lines = [over, *map(line, zip(*heads, strict=True)), dashes, *body]
    return "".join(text.rstrip() + "\n" for text in lines if text.strip())


def wrapped(text: str, width: int) -> str:
    return textwrap.fill(text, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False) + "\n"


def underlined(text: str) -> str:
    return f"\n{text}\n{'=' * len(text)}\n"
