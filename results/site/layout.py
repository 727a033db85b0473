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
from results.site.sweeps import Sweep
from results.tables import Table

HERE = Path(__file__).parent


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
    """Return the link to the page of an entry or a metric."""
    return f"{root}{sort}/{sweep.kind}/{quote(plain(stem))}.html"


def gridded(sweep: Sweep, table: Table, root: str) -> grids.Grid:
    return grids.grid(table, sweep.entries, sweep.metrics, partial(link, sweep, root))


def keyed(own: Iterable[grids.Grid]) -> list[grids.Grid]:
    """Return grids whose places in a page differ."""
    seen: dict[str, int] = {}
    found = []
    for grid in own:
        seen[grid.key] = count = seen.get(grid.key, 0) + 1
        found.append(replace(grid, key=f"{grid.key}-{count}") if count > 1 else grid)
    return found
