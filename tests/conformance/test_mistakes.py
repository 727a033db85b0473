"""The checks catch each mistake where it is planted; `test_metrics` shows that they find nothing without it."""

import pytest

from benchmarks.conformance.checks import CHECKS, judge
from benchmarks.conformance.subject import Company, Subject
from tests.conformance import mistakes, removals  # noqa: F401 (they fill the list)
from tests.conformance.planting import MISTAKES
from tests.metrics.entries import METRICS

COMPANY = Company({name: METRICS[name] for name in ("avg_sensitivity", "max_sensitivity")})


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda m: f"{m.name}-{m.metric}")
def test_is_caught(mistake):
    subject = Subject(mistake.metric, mistake.plant(METRICS[mistake.metric]), ("tests.answers",), COMPANY)
    outcomes = {check: judge(subject, check, lambda c=check: CHECKS[c](subject)).outcome for check in mistake.caught}
    assert outcomes == dict.fromkeys(mistake.caught, "fails")


def test_every_mistake_of_the_list_is_planted():
    assert {mistake.number for mistake in MISTAKES} == set(range(21))


def test_every_check_catches_a_mistake():
    assert {check for mistake in MISTAKES for check in mistake.caught} == set(CHECKS)
