"""The parts of tables that are about some entries or metrics."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import pandas as pd

from results.site.bars import named, only, pairs, place
from results.tables import Table, heads_of


def extracts(tables: Sequence[Table], names: Sequence[str], column: str, known: Sequence[str]) -> Iterator[Table]:
    """Yield the rows or columns of these entries or metrics alone, of every table that has some.

    Rows are turned, so that what was scored stands below each other; tables of the same rows on several networks become
    one. Numbers are those of the names in their `column`. `known` are all names of entries and metrics.
    """
    groups: dict[tuple, list[Table]] = {}
    for table in tables:
        own = _part(table, names, known)
        if own is not None:
            data = table.numbers
            data = data[data[column].astype(str).isin(names)] if column in data else data
            key = (frozenset(own.frame.index), *heads_of(own.frame))
            groups.setdefault(key, []).append(replace(own, data=data))
    for own in groups.values():
        places = [place(table.numbers.iloc[0]) if only(table.numbers) else "" for table in own]
        fits = len(own) > 1 and "" not in places and len({*places}) == len(own) and own[0].frame.index.is_unique
        yield from [_joined(dict(zip(places, own, strict=True)))] if fits else own


def _joined(own: Mapping[str, Table]) -> Table:
    """Return tables of the same rows on several networks side by side; what all their captions say is the caption."""
    first = next(iter(own.values()))
    rows = first.frame.index
    said = [re.split("[:,] ", table.caption or table.title) for table in own.values()]
    common = [part for part in said[0][1:] if all(part in words for words in said)]
    caption = ", ".join([said[0][0], *common])
    return replace(
        first,
        title=caption,
        caption=caption,
        frame=pd.concat({place: _lowest(table.frame).loc[rows] for place, table in own.items()}, axis=1),
        verdicts=None
        if any(table.verdicts is None for table in own.values())
        else pd.concat({place: _lowest(table.verdicts).loc[rows] for place, table in own.items()}, axis=1),
        data=pd.concat([table.numbers for table in own.values()]),
        notes=[*dict.fromkeys(note for table in own.values() for note in table.notes)],
        settings={head: words for table in own.values() for head, words in table.settings.items()},
    )


def _lowest(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.set_axis(heads_of(frame), axis=1)


def _part(table: Table, names: Sequence[str], known: Sequence[str]) -> Table | None:
    """Return the rows of a table that begin with one of the names, turned, or else its columns, or None."""
    frame, looks = table.frame, table.verdicts
    rows = [bool(named(text, names)) for text in frame.index]
    if any(rows):
        heads = [_flat(over, head, known) for over, head in pairs(frame)]
        turned = frame[rows].set_axis(heads, axis=1).T
        looks = None if looks is None else looks[rows].set_axis(heads, axis=1).T
        return replace(table, frame=turned, verdicts=looks, controls=0, notes=())
    columns = [any(named(part, names) for part in pair) for pair in pairs(frame)]
    if not any(columns):
        return None
    return replace(table, frame=frame.loc[:, columns], verdicts=None if looks is None else looks.loc[:, columns])


def _flat(over: str, head: str, known: Sequence[str]) -> str:
    """Return the two heads of a column as one, first the one that names an entry or a metric."""
    first, second = (over, head) if named(over, known) else (head, over)
    return f"{first} ({second})" if first and second else first or second
