"""The suite catches each mistake where it is planted, and finds nothing in the metric without it."""

from dataclasses import replace

import pytest

from benchmarks.conformance.checks import CHECKS, judge
from benchmarks.conformance.subject import Company, Subject
from tests.conformance.mistakes import MISTAKES, MORE
from tests.metrics.entries import METRICS

LISTED = 20
COMPANY = Company(METRICS)


def failed(name, metric, checks=tuple(CHECKS)):
    """Return the sentences of the checks that fail, by check."""
    subject = Subject(name, metric, company=COMPANY)
    verdicts = {check: judge(subject, check, lambda check=check: CHECKS[check](subject)) for check in checks}
    return {check: verdict.sentence for check, verdict in verdicts.items() if verdict.outcome == "fails"}


each = pytest.mark.parametrize(
    "mistake", MISTAKES + MORE, ids=lambda m: f"{m.number}-{m.what.replace(' ', '_')}-{m.metric}"
)


@each
def test_is_caught(mistake):
    metric = replace(METRICS[mistake.metric], **mistake.settings)
    without = CHECKS if mistake.settings else mistake.caught  # all of them pass on the metrics of conf/
    assert failed(mistake.metric, metric, without) == {}
    assert failed(mistake.metric, mistake.plant(metric), mistake.caught).keys() == set(mistake.caught)


def test_every_listed_mistake_is_planted():
    assert {mistake.number for mistake in MISTAKES} == {str(n) for n in range(1, LISTED + 1)}


def test_every_check_catches_a_mistake():
    assert {check for mistake in MISTAKES + MORE for check in mistake.caught} == set(CHECKS)
