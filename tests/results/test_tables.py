"""Tables, figures' style and names: what every kind of benchmark writes."""

import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from results import latex, names, style, tables
from results.tables import Table


def table() -> Table:
    heads = [["", "faithfulness", "faithfulness", "complexity"], ["group", "deletion", "pixel_flipping_morf", "gini"]]
    rows = {
        "rise (masks=200) !": ["black box", "1", "0.13\n[-0.10, 0.20]", "1"],
        "grad_cam": ["linearisation", "2", "-3\n[-4, -1]", "1"],
        "a_50%_&_more": ["structure", "-", "-1e-05\n[-inf, 2]", "12"],
        "uniform": ["control", "4", "-", "1"],
    }
    verdicts = [["", "best", "level", "ceiling"], ["", "undecided", "worse", "ceiling"], ["", "", "worse", "worse"]]
    frame = pd.DataFrame([*rows.values()], [*rows], heads)
    more = {"legend": {"!": "A law is broken.", "~": "This mark does not occur."}, "explanations": ("How.",)}
    more |= {"verdicts": pd.DataFrame([*verdicts, [""] * 4], frame.index, frame.columns), "controls": 1}
    return Table("a b/c", "shapes", frame, ("A note.",), "Ranks", settings={"deletion": "steps=16"}, **more)


@pytest.mark.parametrize("width", [60, 80, 110, 200])
def test_text_fits_the_width_and_loses_nothing(width):
    text = tables.page([table()], width)
    assert max(map(len, text.splitlines())) <= width
    for word in ("0.13 [-0.10, 0.20]*", "pixel_", "1=", "2?", "black box", "A note.", "linearisation", "uniform"):
        assert word in text
    assert text.count("-\nuniform") == text.count("\nuniform") > 0  # a line above the controls, in every block


def test_words_are_wrapped_where_they_do_not_fit():
    frame = pd.DataFrame({"metric": ["gini"], "reason": ["a long reason " * 12]}, ["rise"])
    text = tables.page([Table("t", "t", frame)], 60)
    assert max(map(len, text.splitlines())) <= 60 and text.count("long") == 12


def test_the_legend_explains_the_marks_that_occur_once():
    text = tables.page([table(), table()])
    assert text.count("A law is broken.") == 1 and "does not occur" not in text and "How." not in text
    assert tables.page([table()], explain=True).count("How.") == 1


def test_latex_shows_the_verdicts_of_the_text():
    written = latex.latex(table())
    lines = {line.split(" & ")[0]: line for line in written.splitlines() if " & " in line}
    assert r"\textbf{1}" in lines["RISE (masks=200) !"] and r"\textbf{\begin{tabular}" in lines["RISE (masks=200) !"]
    assert r"\textcolor{gray}{2\,?}" in lines["Grad-CAM"] and "1=" in lines["Grad-CAM"]
    assert r"\textbf" not in lines[r"a 50\% \& more"] + lines["Uniform noise"]
    assert written.index(r"\midrule") < written.rindex(r"\midrule") < written.index("Uniform noise")
    assert r"\label{tab:a-b-c}" in written and r"\begin{table*}" in written
    assert "steps=16" in written and "$-$3" in written and " -- " in written


def test_latex_of_many_columns_and_of_many_rows():
    columns = pd.MultiIndex.from_product([["one", "two", "three"], [f"metric_{k}" for k in range(12)]])
    written = latex.latex(Table("t", "t", pd.DataFrame("0.123\n[0.1, 0.2]", ["x", "y"], columns)))
    assert written.count(r"\begin{table*}") == written.count(r"\label{tab:t-") > 2
    assert sum(line.count("[0.1, 0.2]") for line in written.splitlines() if line.startswith("x")) == 36
    frame = pd.DataFrame({"a": ["1"] * 60}, [f"row {k}" for k in range(60)])
    written = latex.latex(Table("t", "t", frame, controls=2))
    assert r"\begin{longtable}" in written and "table*" not in written and r"\label{tab:t}" in written
    assert " & a \\\\" in written and written.index("row 57") < written.rindex(r"\midrule") < written.index("row 58")


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="there is no pdflatex")
def test_latex_compiles(tmp_path):
    compiles(latex.latex(table()), tmp_path)


def compiles(written: str, folder) -> None:
    """Check that a document with the tables compiles."""
    head = (
        "\\documentclass{article}\\usepackage{booktabs,longtable,xcolor}\\usepackage[utf8]{inputenc}\\begin{document}\n"
    )
    (folder / "t.tex").write_text(f"{head}{written}\\end{{document}}\n", encoding="utf-8")
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "t.tex"]
    answer = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout[-2000:]


def test_numbers_with_the_same_columns_are_one_file():
    data = pd.DataFrame({"a": [1.0], "b": [2.0]})
    parts = [Table(name, name, data, data=data + k) for k, name in enumerate("xy")]
    parts.append(Table("z", "z", data, data=pd.DataFrame({"c": [1 / 3]}, pd.Index(["r"], name="row"))))
    written = tables.numbers(parts)
    assert [*written] == ["", "z"] and len(written[""]) == 2
    assert tables.csv(written["z"]) == "row,c\nr,0.333333\n" and tables.csv(written[""]) == "a,b\n1,2\n2,3\n"


def test_missing_numbers_have_one_sign():
    assert tables.numerals([1.5, np.nan, 2]) == ["1.5", tables.NONE, "2"]
    assert tables.spans([1, np.nan], [2, 3]) == ["[1, 2]", tables.NONE]
    assert [*map(tables.p_value, (0.0004, 0.5, np.nan))] == ["<.001", "0.500", tables.NONE]


def test_names_and_references():
    assert names.label("rise (masks=200)") == "RISE (masks=200)" and names.label("no_such_stem") == "no such stem"
    written = names.references(["Petsiuk et al. 2018; Ghorbani et al. 2019", "Petsiuk et al. 2018", "Nobody 1900"])
    assert written.count("cited = {Petsiuk et al. 2018}") == written.count("cited = {Ghorbani et al. 2019}") == 1
    assert written.count("@") == 2 and "% results/bibliography.bib has no entry" in written


@pytest.mark.parametrize("width", [2.6, 3.4, 7.0])
def test_a_note_stays_inside_the_figure(width):
    figure = style.figure(width, 2.5)
    figure.subplots()
    style.heading(figure, "A heading of some length, ResNet-18 on Shapes, 24 images, which has to be wrapped " * 2)
    style.note(figure, "A sentence with $ signs $ and many words that say how to read the figure. " * 6)
    figure.draw_without_rendering()
    page = figure.bbox
    for text in (figure._suptitle, figure._supxlabel):
        box = text.get_window_extent()
        assert box.x0 >= page.x0 and box.x1 <= page.x1 and box.y0 >= page.y0 and box.y1 <= page.y1


@pytest.mark.slow
def test_saved_figures_are_true_colour_and_reproducible(tmp_path):
    for name in "ab":
        figure = style.figure(2, 2)
        figure.subplots().imshow(np.random.default_rng(0).random((64, 64, 3)))
        style.save(figure, tmp_path / name / "f.1")
    with Image.open(tmp_path / "a" / "f.1.png") as picture:
        assert picture.mode in ("RGB", "RGBA") and len(picture.convert("RGB").getcolors(2**24)) > 1000
    assert (tmp_path / "a" / "f.1.pdf").read_bytes() == (tmp_path / "b" / "f.1.pdf").read_bytes()
