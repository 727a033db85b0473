"""Tests find here every metric of conf/metric, and the modules with the known answers of metrics."""

from pathlib import Path

from benchmarks.conformance.entries import entries

METRICS = entries()
# tests/answers, and of a kind with a folder of tests its tests/KIND/answers.py
OF_KINDS = [f"tests.{path.parent.name}.answers" for path in sorted(Path(__file__).parents[1].glob("*/answers.py"))]
ANSWERS = ("tests.answers", *OF_KINDS)
