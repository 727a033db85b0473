"""The pages of entries and metrics: what each computes, and its part of the tables of all sweeps of its kind."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from urllib.parse import quote

from results.names import bibliography, plain, works
from results.site import facts, figures, files, grids
from results.site.layout import Site, gridded, keyed
from results.site.sweeps import Sweep, spelled
from results.tables import Table

SORTS = {"entries": "entry", "metrics": "metric"}  # of pages, and the column of numbers that has their names
ROOT = "../../"


def known(sweeps: Sequence[Sweep], sort: str) -> list[str]:
    """Return the entries or metrics of some sweeps as one types them."""
    return sorted({stem for sweep in sweeps for stem in getattr(sweep, sort).stem})


def write(site: Site, kind: str, sweeps: Sequence[Sweep], sort: str, stem: str) -> None:
    """Write the page of an entry or a metric."""
    parts, every, cited = [], [], []
    for sweep in sweeps:
        own = getattr(sweep, sort)
        own = own[own.stem == stem]
        if own.empty:
            continue
        grids_ = []
        for view, table, source in taken(sweep, sort, [*own.index]):
            anchor = f"#{plain(source.name)}" if source is not table else ""
            href, key = f"{ROOT}sweeps/{quote(sweep.name)}/{view}.html{anchor}", f"{sweep.name}_{view}_{table.name}"
            grids_.append(replace(gridded(sweep, table, ROOT), source=href, key=plain(key)))
            every.append(replace(table, data=table.numbers.assign(sweep=sweep.name, view=view)))
        pictures = figures.of_entry(sweep, [*own.index], site.out) if sort == "entries" else []
        parts.append((sweep, own, keyed(grids_), pictures))
        cited += [*own.cites]
    folder = site.out / sort / kind
    content = {
        "described": facts.described(stem, *(["metric"] if sort == "metrics" else facts.groups(kind))),
        "works": {work: bibliography()[work] for work in works(cited) if work in bibliography()},
        "files": files.written(every, folder, plain(stem), stem),
        "refs": files.references(cited, folder, plain(stem)),
    }
    path = f"{sort}/{kind}/{plain(stem)}.html"
    site.page("stem.html", path, kind=kind, sort=sort, stem=stem, parts=parts, spelled=spelled, **content)


def taken(sweep: Sweep, sort: str, names: Sequence[str]) -> Iterator[tuple[str, Table, Table]]:
    """Yield view, table and the table that it is a part of, for some entries or metrics.

    Views that show single metrics in detail are asked for these; of others, the rows or columns are taken.
    """
    detailed = sweep.detailed() if sort == "metrics" else ()
    for view, tables in sweep.tables.items():
        if view in detailed:
            yield from ((view, table, table) for table in sweep.shown(view, *names) if len(table.frame))
        else:
            yield from ((view, *pair) for pair in grids.extracts(tables, names, SORTS[sort]))
