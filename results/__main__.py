"""Print a sweep's tables, and write them and its figures: `python -m results outputs/NAME [VIEW] [options]`."""

import argparse
import shutil
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from results.names import plain

CHOICES = ("metric", "to", "model", "beside")  # options of which a view may read some
WIDEST = 150  # letters of a line, however wide the terminal is


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser("python -m results", description=__doc__)
    arguments.add_argument("sweep", type=Path, help="the sweep's folder: outputs/NAME")
    arguments.add_argument("view", nargs="?", help="which tables; without it the sweep's first view")
    arguments.add_argument("--metric", nargs="+", default=[], metavar="M", help="show these metrics in detail")
    arguments.add_argument("--to", metavar="E", help="the entry that others are compared with")
    arguments.add_argument("--model", metavar="M", help="show this network only")
    arguments.add_argument("--beside", nargs="+", type=Path, default=[], metavar="SWEEP", help="add further sweeps")
    arguments.add_argument("--csv", action="store_true", help="write the numbers to SWEEP/tables")
    arguments.add_argument("--latex", action="store_true", help="write booktabs tables and refs.bib to SWEEP/tables")
    arguments.add_argument("--figures", action="store_true", help="write PNG and PDF to SWEEP/figures")
    arguments.add_argument("--explain", action="store_true", help="say how the numbers are made")
    return arguments


def asked(**given: object) -> argparse.Namespace:
    """Return the options that views read: those `given`, and for all others what the command takes without them."""
    return argparse.Namespace(**vars(parser().parse_args(["."])) | given)


def show(options: argparse.Namespace) -> None:
    """Print one view of a sweep and write the files that the options ask for."""
    from results import scores, tables  # pandas takes a second to import, which --help must not

    kind = package(options.sweep)
    table = partial(scores.read, without=kind.unread(options) if hasattr(kind, "unread") else ())
    rows = table(options.sweep)
    options.sweeps_beside, options.beside = options.beside, [table(sweep) for sweep in options.beside]
    view = options.view or (kind.default(rows) if hasattr(kind, "default") else next(iter(kind.VIEWS)))
    if view not in kind.VIEWS:
        raise ValueError(f"There is no view {view!r} of this sweep; its views are {', '.join(kind.VIEWS)}")
    read = kind.OPTIONS.get(view, ()) if hasattr(kind, "OPTIONS") else CHOICES
    if unread := [f"--{name}" for name in CHOICES if getattr(options, name) and name not in read]:
        raise ValueError(f"The view {view} has no use for {' and '.join(unread)}")
    shown = kind.VIEWS[view](rows, options)
    print(tables.page(shown, min(shutil.get_terminal_size((110, 24)).columns, WIDEST), options.explain), end="")
    if failed := sorted(options.sweep.rglob("failure.txt")):
        count = "1 cell has" if len(failed) == 1 else f"{len(failed)} cells have"
        print(f"{count} failed and may be missing in these tables; {failed[0]} says why.")
    views = kind.suited(rows) if hasattr(kind, "suited") else [*kind.VIEWS]
    if not options.view and (others := [name for name in views if name != view]):
        print(f"Further views: python -m results {options.sweep} {' | '.join(others)}")
    paths = [*files(shown, view, [rows, *options.beside], options)]
    for path in [*paths, *(figures(kind, rows, options) if options.figures else [])]:
        print(f"written: {path}", file=sys.stderr)


def package(sweep: Path) -> ModuleType:
    """Return the package with the views of the kind of the sweep's first cell."""
    from results import scores

    kind = f"results.{scores.read(scores.finished(sweep)[0].parent).kind[0]}"
    if find_spec(kind) is None:
        raise ValueError(f"{sweep} holds a kind of benchmark for which there is no package {kind}")
    return import_module(kind)


def files(shown: list, view: str, sweeps: list, options: argparse.Namespace) -> Iterator[Path]:
    """Write tables as the options ask for; the options that change a file's content are part of its name."""
    from results import latex, names, tables

    stem, contents = view + suffix(options), {}
    if options.csv:
        for name, data in tables.numbers(shown).items():
            contents["_".join(filter(None, [stem, plain(name)])) + ".csv"] = tables.csv(data)
    if options.latex:
        for table in (table for table in shown if len(table.frame)):
            name = f"{stem}_{plain(table.name)}.tex" if len(shown) > 1 else f"{stem}.tex"
            contents[name] = latex.latex(table, f"{options.sweep.name} {stem}")
        cited = (rows[column].dropna().unique() for rows in sweeps for column in ("cites", "metric_cites"))
        contents["refs.bib"] = names.references(work for works in cited for work in works)
    for name, content in contents.items():
        path = options.sweep / "tables" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content, encoding="utf-8")
        yield path


def figures(kind: ModuleType, rows, options: argparse.Namespace) -> Iterator[Path]:
    """Draw every figure that the sweep has the data for, and write the kind's other files beside them."""
    from results import style

    folder = options.sweep / "figures"
    folder.mkdir(exist_ok=True)
    for name, figure in kind.figures(rows, options) if hasattr(kind, "figures") else ():
        chosen = suffix(options).replace(f"_{options.model}", "") if f"{options.model}" in name else suffix(options)
        yield from style.save(figure, folder / f"{plain(name)}{chosen}")
    yield from kind.files(rows, folder) if hasattr(kind, "files") else ()


def suffix(options: argparse.Namespace) -> str:
    """Return the options that choose rows, as a part of a file's name."""
    parts = [*options.metric, f"to_{options.to}" if options.to else "", options.model or ""]
    parts += [f"beside_{sweep.name}" for sweep in options.sweeps_beside]
    return "".join(f"_{plain(part)}" for part in parts if part)


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    if find_spec("pandas") is None:
        print(f"{sys.executable} has no pandas; activate the environment: . .venv/bin/activate", file=sys.stderr)
        return 1
    try:
        show(options)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
