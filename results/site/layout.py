"""What all pages of a site share: its folder, its templates, its links."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from results.names import label, plain
from results.site import grids
from results.site.bars import only
from results.site.sweeps import Sweep, spelled
from results.tables import Table

HERE = Path(__file__).parent
SORTS = {"entries": "entry", "metrics": "metric"}  # of pages, and the column of numbers that has their names


@dataclass(frozen=True)
class Site:
    """A folder for pages, and what they all have in common."""

    out: Path
    title: str
    sweeps: Sequence[Sweep]

    @cached_property
    def templates(self) -> Environment:
        loader = FileSystemLoader(HERE / "templates")
        templates = Environment(
            loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        templates.filters |= {"label": label, "plain": plain, "quote": quote}
        return templates

    def page(self, template: str, path: str, **content) -> None:
        """Write one page; every link in it is relative, so that the site can stand anywhere."""
        file = self.out / path
        file.parent.mkdir(parents=True, exist_ok=True)
        root = "../" * path.count("/")
        text = self.templates.get_template(template).render(site=self, root=root, date=date(), **content)
        file.write_text(text, encoding="utf-8")

    @property
    def kinds(self) -> dict[str, list[Sweep]]:
        """The sweeps by kind."""
        found: dict[str, list[Sweep]] = {}
        for sweep in self.sweeps:
            found.setdefault(sweep.kind, []).append(sweep)
        return found


def date() -> str:
    """Return today, or the day that SOURCE_DATE_EPOCH names, so that a site can be made again bit by bit."""
    seconds = os.environ.get("SOURCE_DATE_EPOCH")
    return (datetime.fromtimestamp(int(seconds), UTC) if seconds else datetime.now(UTC)).date().isoformat()


def link(sweep: Sweep, root: str, sort: str, stem: str) -> str:
    """Return the link to the page of an entry or a metric, or to that of a network, which all kinds share."""
    return f"{root}{sort}/{f'{sweep.kind}/' if sort in SORTS else ''}{quote(plain(stem))}.html"


def gridded(sweep: Sweep, table: Table, root: str) -> grids.Grid:
    """Return a table with links; where it is of one network, its entries have small pictures of their maps."""
    place = only(table.numbers)
    smalls = {entry: root + quote(path) for (*own, entry), path in sweep.small.items() if (*own,) == place}
    return grids.grid(table, sweep, partial(link, sweep, root), smalls)


def with_provenance(grid: grids.Grid, sweep: Sweep) -> grids.Grid:
    """Return a table of entries with what each row costs, its settings and its digest in further columns."""
    place, cells = only(grid.table.numbers), sweep.computed
    here = cells[(cells.dataset == place[0]) & (cells.model == place[1])] if place else cells
    cells = here if len(here) else cells  # a table of all networks
    own = dict(list(cells.groupby("entry", sort=False)))
    if len({row.entry for row in grid.rows} & {*own} - {""}) < len(grid.rows):
        return grid
    words = {"passes": False, "settings": True, "digest": False}
    heads = [grids.Head(name, "", "", "", are_words) for name, are_words in words.items()]
    rows = []
    for row in grid.rows:
        of = own[row.entry]
        more = f" and {len(of) - 1} more" * (len(of) > 1)
        said = f"{of.passes.mean():.4g}", "; ".join(of.settings.map(spelled).unique()), of.key.iloc[0] + more
        rows.append(replace(row, cells=[*row.cells, *map(grids.Cell, said)]))
    return replace(grid, heads=[*grid.heads, *heads], rows=rows, with_provenance=True)


def keyed(own: Iterable[grids.Grid]) -> list[grids.Grid]:
    """Return grids whose places in a page differ."""
    seen: dict[str, int] = {}
    found = []
    for grid in own:
        seen[grid.key] = count = seen.get(grid.key, 0) + 1
        found.append(replace(grid, key=f"{grid.key}-{count}") if count > 1 else grid)
    return found
