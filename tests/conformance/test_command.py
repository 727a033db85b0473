"""`python -m benchmarks.conformance` for a metric of the user's own."""

import csv
import sys

import pytest

from benchmarks.conformance.__main__ import main

METRIC = """
class Spread:
    category, higher_is_better, version, undefined = "complexity", True, 1, "the map is a number that is none"

    def __call__(self, explained):
        return explained.maps.flatten(1).std(1)
"""
ANSWERS = """
import torch
from benchmarks.conformance.answers import Answer
from benchmarks.conformance.cases import case
from dataclasses import replace

def spread(metric):
    flat = replace(case(n=2), maps=torch.ones(2, 16, 16))
    yield Answer("constant", "a flat map", flat, torch.tensor({known}))
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder with a metric that states only what it must, and its answers."""
    (tmp_path / "conf" / "metric").mkdir(parents=True)
    (tmp_path / "conf" / "metric" / "spread.yaml").write_text("spread:\n  _target_: spreading.Spread\n")
    (tmp_path / "spreading.py").write_text(METRIC)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for module in ("spreading", "spreading_answers"):
        sys.modules.pop(module, None)


def run(monkeypatch, *arguments) -> int:
    monkeypatch.setattr(sys, "argv", ["conformance", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code


def test_metric_of_the_users_own(own, monkeypatch, capsys):
    (own / "spreading_answers.py").write_text(ANSWERS.format(known=[0.0, 0.0]))
    arguments = ("--config-dir", own / "conf", "--answers", "spreading_answers", "--csv", own / "out.csv")
    assert run(monkeypatch, *arguments) == 1
    said = capsys.readouterr().out
    assert "  alone as in a batch: ok\n" in said
    assert "  known answer: a flat map (constant): ok\n" in said
    assert "  prefers the better map: FAILS: it needs to place one pixel before noise" in said
    assert "  scale does not matter: does not apply: declare `invariant` to have it checked\n" in said
    assert said.startswith("spread\n") and "1 metrics: " in said
    with open(own / "out.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["metric"] for row in rows} == {"spread"} and "constant" in {row["model"] for row in rows}


def test_wrong_answer_is_told(own, monkeypatch, capsys):
    (own / "spreading_answers.py").write_text(ANSWERS.format(known=[1.0, 0.0]))
    assert run(monkeypatch, "spread", "--config-dir", own / "conf", "--answers", "spreading_answers") == 1
    assert "FAILS: image 0 scores 0, and 1 is known (a flat map)" in capsys.readouterr().out


def test_metric_that_keeps_every_promise(monkeypatch, capsys):
    assert run(monkeypatch, "gini") == 0
    assert ", 0 fails, 0 departs," in capsys.readouterr().out


def test_no_known_answer_is_told(own, monkeypatch, capsys):
    run(monkeypatch, "spread", "--config-dir", own / "conf")
    assert (
        "  known answers: does not apply: no answer is known; `--answers MODULE` adds some\n" in capsys.readouterr().out
    )


def test_answers_that_raise_are_told(own, monkeypatch, capsys):
    (own / "spreading_answers.py").write_text(ANSWERS.format(known="nothing"))
    assert run(monkeypatch, "spread", "--config-dir", own / "conf", "--answers", "spreading_answers") == 1
    assert "  known answers: FAILS: raises NameError: name 'nothing' is not defined\n" in capsys.readouterr().out
