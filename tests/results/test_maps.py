"""The views of maps: one golden text per view, LaTeX and figures of every view.

`python -m tests.results.test_maps` rewrites the golden texts after an intended change.
"""

import shutil
from pathlib import Path

import pytest

from results import latex, maps, tables
from results import scores as stored
from results.pictures import Column, grid
from tests.results.drawn import checked
from tests.results.sweeps_of_maps import SWEEPS, options, sweep, with_budgets, with_conditions, with_protocols
from tests.results.synthetic import categorical, curves, gallery, write
from tests.results.test_tables import compiles

GOLDEN = Path(__file__).parent / "golden"


def shown(view: str, **more) -> list[tables.Table]:
    make, given = SWEEPS[view]
    return maps.VIEWS[view](categorical(make().assign(folder="nowhere")), options(**given | more))


@pytest.mark.slow
@pytest.mark.parametrize("view", SWEEPS)
def test_golden_text(view):
    text = tables.page(shown(view), 110)
    assert text == (GOLDEN / f"{view}.txt").read_text(encoding="utf-8")
    assert max(map(len, text.splitlines())) <= 110


@pytest.mark.slow
@pytest.mark.parametrize("view", SWEEPS)
def test_latex_markdown_and_csv_of_every_view(view, tmp_path):
    found = shown(view, latex=True)
    assert len({table.name for table in found}) == len(found)
    for table in found:
        assert latex.latex(table).count("\\begin{tabular}{") == latex.latex(table).count("\\bottomrule") > 0
        assert len(table.numbers)
    if shutil.which("pdflatex"):
        compiles("\n".join(map(latex.latex, found)), tmp_path)


DRAWN = {
    "maps": lambda: sweep(models=("resnet18",), accuracy=0.5),
    "budget": with_budgets,
    "protocols": with_protocols,
    "judged": with_conditions,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", DRAWN)
def test_figures(name, tmp_path):
    rows = DRAWN[name]()
    kept = (curves(rows), lambda row: gallery(row.entry)) if name == "maps" else ()
    write(tmp_path / "sweep", rows, *kept)
    found = dict(maps.figures(stored.read(tmp_path / "sweep"), options()))
    expected = {
        "maps": {"ranks", "differences", "curves", "agreement", "gallery", "similarity"},
        "budget": {"ranks", "differences", "agreement", "budget"},
        "protocols": {"ranks", "differences", "agreement", "protocols", "baselines"},
        "judged": {"judged"},
    }[name]
    assert {stem.removesuffix("_shapes_resnet18") for stem in found} == expected
    for stem, figure in found.items():
        if name == "maps" or not stem.startswith(("ranks", "differences", "agreement")):  # drawn alike in all sweeps
            checked(figure)


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 49])
def test_grids_of_pictures_fit_a_page(count):
    own = gallery("rise", 4)
    about = {"words": own["target"], "tops": [2.0] * 4, "outlines": own["mask"]}
    columns = [Column(f"Some long method {k}", own["maps"], "black box", k > 3, **about) for k in range(count)]
    checked(grid(columns, own["target"], "A title", "A note.", Column("image", own["pixels"]), together=3))


def test_the_picture_of_one_cell(tmp_path):
    own = gallery("gradient", 3)
    maps.pictures(own, tmp_path)
    assert (tmp_path / "first_maps.png").stat().st_size > 10_000


if __name__ == "__main__":
    for name in SWEEPS:
        (GOLDEN / f"{name}.txt").write_text(tables.page(shown(name), 110), encoding="utf-8")
