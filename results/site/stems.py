"""The pages of entries and metrics: what each computes, and its part of the tables of all sweeps of its kind."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from urllib.parse import quote

from results.names import bibliography, plain, works
from results.site import facts, figures, files
from results.site.extracts import extracts
from results.site.layout import SORTS, Site, gridded, keyed
from results.site.sweeps import Sweep, spelled
from results.tables import Table

ROOT = "../../"


def known(sweeps: Sequence[Sweep], sort: str) -> list[str]:
    """Return the entries or metrics of some sweeps as one types them."""
    return sorted({stem for sweep in sweeps for stem in getattr(sweep, sort).stem})


def write(site: Site, kind: str, sweeps: Sequence[Sweep], sort: str, stem: str, figured: Mapping) -> None:
    """Write the page of an entry or a metric; `figured` holds the names of figures by sweep."""
    parts, every, cited = [], [], []
    for sweep in sweeps:
        own = getattr(sweep, sort)
        own = own[own.stem == stem]
        if own.empty:
            continue
        shown = []
        for view, table in taken(sweep, sort, [*own.index]):
            href, key = f"{ROOT}sweeps/{quote(sweep.name)}/{view}.html", f"{sweep.name}_{view}_{table.name}"
            shown.append(replace(gridded(sweep, table, ROOT), source=href, key=plain(key)))
            every.append(replace(table, data=table.numbers.assign(sweep=sweep.name, view=view)))
        pictures = figures.of_entry(sweep, [*own.index], site.out) if sort == "entries" else []
        parts.append((sweep, own, keyed(shown), pictures))
        cited += [*own.cites]
    folder = site.out / sort / kind
    content = {
        "spelled": spelled,
        "figured": figured,
        "described": facts.described(stem, *(["metric"] if sort == "metrics" else facts.groups(kind))),
        "works": {work: bibliography()[work] for work in works(cited) if work in bibliography()},
        "files": files.written(every, folder, plain(stem), stem),
        "refs": files.references(cited, folder, plain(stem)),
    }
    path = f"{sort}/{kind}/{plain(stem)}.html"
    site.page("stem.html", path, kind=kind, sort=sort, stem=stem, parts=parts, **content)


def taken(sweep: Sweep, sort: str, names: Sequence[str]) -> Iterator[tuple[str, Table]]:
    """Yield views and their tables of some entries or metrics.

    Views that show single metrics in detail are asked for these; of others, the rows or columns are taken.
    """
    every = [*sweep.metrics.index, *sweep.entries.index]
    for view, tables in sweep.tables.items():
        shown = sweep.details.get(view, tables) if sort == "metrics" else tables
        whole = [table for table in shown if sort == "metrics" and _only(table, names)]
        rest = [table for table in shown if all(table is not one for one in whole)]
        parts = extracts(rest, names, SORTS[sort], every)
        yield from ((view, table) for table in (*whole, *parts) if len(table.frame))


def _only(table: Table, metrics: Sequence[str]) -> bool:
    """Return whether all numbers of a table are of these metrics."""
    return "metric" in table.numbers and {*table.numbers["metric"].astype(str)} <= {*metrics}
