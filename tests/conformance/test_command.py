"""`python -m benchmarks.conformance` for metrics of the user's own."""

import sys

import pandas as pd
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

def answer(*known):
    flat = replace(case(n=2), maps=torch.ones(2, 16, 16))
    return Answer("constant", "a flat map", flat, torch.tensor(known))

def spread(metric):
    yield answer(0.0, 0.0)

def misread(metric):
    yield answer(1.0, 0.0)

def unknown(metric):
    yield answer(nothing)
"""


@pytest.mark.slow
def test_metrics_of_the_users_own(tmp_path, monkeypatch):
    """They state only what they must, have right, wrong and broken answers, and are checked beside one of ours."""
    (tmp_path / "metric").mkdir()
    for name in ("spread", "misread", "unknown"):
        (tmp_path / "metric" / f"{name}.yaml").write_text("_target_: spreading.Spread\n")
    (tmp_path / "spreading.py").write_text(METRIC)
    (tmp_path / "spreading_answers.py").write_text(ANSWERS)
    monkeypatch.syspath_prepend(tmp_path)
    options = {"--config-dir": tmp_path, "--answers": "spreading_answers", "--csv": tmp_path / "out.csv"}
    arguments = [str(word) for option in options.items() for word in option]
    monkeypatch.setattr(sys, "argv", ["conformance", "gini", "spread", "misread", "unknown", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 1
    outcome = pd.read_csv(options["--csv"]).set_index(["metric", "check"]).outcome
    assert "fails" not in set(outcome["gini"])
    assert list(outcome["spread"][outcome["spread"] == "fails"].index) == ["prefers_the_better_map"]
    assert outcome["spread", "alone_as_in_a_batch"] == outcome["spread", "known answer: a flat map"] == "ok"
    assert outcome["spread", "scale_does_not_matter"] == "does not apply"
    assert outcome["misread", "known answer: a flat map"] == outcome["unknown", "known_answers"] == "fails"
