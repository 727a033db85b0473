"""Every kind's views but those of maps, on the sweep of its test_KIND.py: golden texts, LaTeX, figures and pictures.

`python -m tests.results.test_views` rewrites the golden texts after an intended change.
"""

from argparse import Namespace
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import NamedTuple

import pandas as pd
import pytest

from results import latex, scores, tables
from tests.conftest import options
from tests.results.drawn import checked
from tests.results.synthetic import OPTIONS, categorical

GOLDEN = Path(__file__).with_name("golden")
KINDS = [kind for kind in options("benchmark") if kind != "maps"]


class Sweep(NamedTuple):
    """A kind's views and tests, and the scores of a sweep with the options of a command that shows it."""

    views: ModuleType
    tests: ModuleType
    rows: pd.DataFrame
    options: Namespace


def swept(kind: str, folder: Path) -> Sweep:
    """Write and read the sweep of a kind, and those beside it."""
    tests = import_module(f"tests.results.test_{kind}")
    beside = [scores.read(tests.beside(folder / "beside"))] if hasattr(tests, "beside") else []
    rows = scores.read(tests.written(folder / "own"))
    return Sweep(import_module(f"results.{kind}"), tests, rows, Namespace(**vars(OPTIONS) | {"beside": beside}))


@pytest.fixture(scope="module", params=KINDS)
def sweep(request, tmp_path_factory):
    return swept(request.param, tmp_path_factory.mktemp(request.param))


def shown(sweep: Sweep) -> list[list[tables.Table]]:
    return [view(sweep.rows, sweep.options) for view in sweep.views.VIEWS.values()]


def text(shown: list[list[tables.Table]]) -> str:
    return "".join(tables.page(view, 110, True) + "\n" for view in shown)


def golden(sweep: Sweep) -> Path:
    return GOLDEN / f"{sweep.views.__name__.rpartition('.')[2]}.txt"


@pytest.mark.slow
def test_the_text_is_the_golden_one(sweep):
    views = shown(sweep)
    assert text(views) == golden(sweep).read_text(encoding="utf-8")
    assert all(r"\toprule" in latex.latex(table) for view in views for table in view)


@pytest.mark.slow
def test_figures(sweep):
    drawn = dict(sweep.views.figures(sweep.rows, sweep.options))
    assert {*drawn} == sweep.tests.FIGURES
    for figure in drawn.values():
        checked(figure)


@pytest.mark.slow
def test_pictures_of_a_cell(sweep, tmp_path):
    for place, gallery in enumerate(getattr(sweep.tests, "PICTURED", ())):
        (tmp_path / str(place)).mkdir()
        sweep.views.pictures(gallery, tmp_path / str(place))
        (picture,) = (tmp_path / str(place)).iterdir()
        assert picture.stat().st_size > 10_000


@pytest.mark.slow
def test_views_are_those_that_the_sweep_has_the_rows_for(sweep):
    """By view, `ALONE` of a file makes scores that no other view suits."""
    for view, made in getattr(sweep.tests, "ALONE", {}).items():
        rows = categorical(made())
        assert sweep.views.suited(rows) == [view] == [sweep.views.default(rows)]
        for other in sweep.views.VIEWS.keys() - {view}:
            with pytest.raises(tables.Inapplicable, match="needs scores such as"):
                sweep.views.VIEWS[other](rows, OPTIONS)


if __name__ == "__main__":
    for kind in KINDS:
        with TemporaryDirectory() as place:
            sweep = swept(kind, Path(place))
            golden(sweep).write_text(text(shown(sweep)), encoding="utf-8")
