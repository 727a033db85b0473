"""`python -m results` and `python -m results.publish` on sweeps that never ran."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from results import publish, style
from results.__main__ import main
from tests.results.synthetic import curves, gallery, scores, write

ROOT = Path(__file__).parents[2]
ENTRIES = ("gradient", "grad_cam", "rise", "uniform", "truth")
METRICS = ("deletion", "insertion", "gini")


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    table = scores(ENTRIES, METRICS, ("resnet18",), images=8)
    return write(tmp_path_factory.mktemp("sweeps") / "tiny", table, curves(table), lambda row: gallery(row.entry))


def run(capsys, *arguments) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    return code, *capsys.readouterr()


@pytest.mark.parametrize(
    ("code", "modules"),
    [
        ("from results.__main__ import parser; parser().format_help()", {"pandas", "numpy", "matplotlib", "torch"}),
        ("import results.maps", {"matplotlib", "scipy.stats", "statsmodels", "torch"}),
    ],
)
def test_what_takes_long_is_imported_only_where_it_is_needed(code, modules):
    code = f"import sys; {code}; print({modules} & {{*sys.modules}})"
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"


@pytest.mark.slow
def test_the_first_view_is_printed_and_the_others_are_named(sweep, capsys):
    code, out, _ = run(capsys, sweep)
    assert (
        code == 0 and "shapes / resnet18: 8 images" in out and "undefined | methods | compare --metric M\n" in out
    )  # not budget, not protocols
    assert not (sweep / "tables").exists() and "failed" not in out


@pytest.mark.slow
def test_failed_cells_are_pointed_out(tmp_path, capsys):
    folder = write(tmp_path / "broken", scores(ENTRIES[:2], METRICS[:1], ("resnet18",), images=2))
    (folder / "maps" / "failure.txt").write_text("Traceback")
    assert "1 cell has failed" in run(capsys, folder)[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing"], "leaderboard, compare"),
        (["--metric", "nothing"], "deletion, insertion, gini"),
        (["compare", "--metric", "gini", "--to", "nothing"], "grad_cam"),
        (["--model", "nothing"], "resnet18"),
        (["compare"], "--metric"),
        (["budget"], "budget"),
        (["protocols"], "protocols"),
        (["judged"], "condition"),
        (["undefined", "--to", "grad_cam"], "--to"),
    ],
)
def test_what_the_sweep_does_not_have_is_one_sentence(sweep, capsys, arguments, words):
    code, out, error = run(capsys, sweep, *arguments)
    assert code == 1 and out == "" and words in error and error.count("\n") == 1


def test_sweeps_of_no_and_of_an_unknown_kind_are_one_sentence(tmp_path, capsys):
    table = scores(ENTRIES[:2], METRICS[:1], ("resnet18",), images=2)
    write(tmp_path / "odd", table.assign(kind="nothing"))
    for folder in (tmp_path / "odd", tmp_path / "missing"):
        code, _, error = run(capsys, folder)
        assert code == 1 and error.count("\n") == 1 and "Traceback" not in error


@pytest.mark.slow
def test_files_have_names_of_their_own(sweep, capsys):
    calls = ["", "--metric deletion", "--metric deletion gini", "compare --metric deletion"]
    calls += ["compare --metric deletion --to rise", "undefined", "methods"]
    contents: dict[str, str] = {}
    for call in calls:
        _, _, error = run(capsys, sweep, *call.split(), "--csv", "--latex")
        written = [Path(line.removeprefix("written: ")) for line in error.splitlines()]
        assert written and all(path.parent == sweep / "tables" for path in written)
        for path in written:
            text = path.read_text(encoding="utf-8")
            assert contents.setdefault(path.name, text) == text  # nothing replaces another call's file
    assert {"leaderboard.csv", "leaderboard_deletion.csv", "compare_deletion_to_rise.csv", "refs.bib"} <= {*contents}
    table = pd.read_csv(sweep / "tables" / "leaderboard.csv")
    assert set(table.entry) == {*ENTRIES} and set(table.metric) == {*METRICS, "mean rank"}
    assert "cited = {Petsiuk et al. 2018}" in contents["refs.bib"]


def test_a_python_without_the_environment_is_told_to_activate_it(sweep, capsys, monkeypatch):
    monkeypatch.setattr("results.__main__.find_spec", lambda _: None)
    code, _, error = run(capsys, sweep)
    assert code == 1 and "activate" in error


@pytest.mark.slow
def test_class_names_may_have_any_letters(tmp_path, capsys):
    shown = Figure((2, 1))
    shown.text(0.1, 0.5, "a$x and $y_{z \U000f0000")  # a formula that has an error, and a letter that no font has
    assert [path.suffix for path in style.save(shown, tmp_path / "odd")] == [".png", ".pdf"]
    assert "odd" in capsys.readouterr().err


@pytest.mark.slow
def test_published_files_know_the_code_that_made_them(sweep, tmp_path, capsys, monkeypatch):
    _, _, error = run(capsys, sweep, "--figures")
    names = [Path(line.removeprefix("written: ")).name for line in error.splitlines()]
    assert {"ranks_shapes_resnet18.png", "ranks_shapes_resnet18.pdf", "gallery_shapes_resnet18.png"} <= {*names}
    assert len(names) == len({*names})
    (sweep / "figures" / "graph_a.json").write_text("{}")
    publish.publish(sweep, "python run.py", folder=tmp_path)
    made = json.loads((tmp_path / "tiny.json").read_text())
    assert made["kind"] == "maps" and made["code"] == publish.digest("maps") and publish.stale(tmp_path) == []
    assert {"tiny.parquet", "tiny.csv", "tiny_methods.csv", "tiny.md", "figures/tiny_graph_a.json"} <= {*made["files"]}
    rows = pd.read_parquet(tmp_path / "tiny.parquet")
    assert len(rows) == 8 * len(ENTRIES) * len(METRICS) and "folder" not in rows
    text = (tmp_path / "tiny.md").read_text(encoding="utf-8")
    assert "`python run.py`" in text and "shapes / resnet18: 8 images" in text
    with Image.open(tmp_path / "figures" / "tiny_gallery_shapes_resnet18.png") as picture:
        assert picture.mode == "RGB" and len(picture.getcolors(2**24)) > 256
    monkeypatch.setattr(publish, "digest", lambda kind: "other")
    assert publish.stale(tmp_path) == ["tiny"]
    monkeypatch.undo()
    (tmp_path / "tiny.csv").unlink()
    assert publish.stale(tmp_path) == ["tiny"]


def test_comments_and_docstrings_make_no_other_code():
    plain, commented = "def f(x):\n    return x\n", '"""Doc."""\n\n\ndef f(x):\n    """Doc."""\n    return x  # same\n'
    assert publish.undocumented(plain) == publish.undocumented(commented) != publish.undocumented("def f(x):\n    y")


@pytest.mark.slow
def test_published_sweeps_are_as_new_as_the_code():
    assert publish.stale() == []
    assert not [path for path in publish.PUBLISHED.rglob("*") if " " in path.name]
