"""The suite catches each mistake where it is planted, and nothing in the metric without it."""

from dataclasses import replace

import pytest

from benchmarks.conformance.checks import CHECKS, judge
from benchmarks.conformance.subject import Company, Subject
from tests.conformance.mistakes import MISTAKES
from tests.metrics.oracles import METRICS

COMPANY = Company(METRICS)


def failed(name, metric):
    subject = Subject(name, metric, company=COMPANY)
    verdicts = {check: judge(subject, check, lambda check=check: CHECKS[check](subject)) for check in CHECKS}
    return {check: verdict.sentence for check, verdict in verdicts.items() if verdict.outcome == "fails"}


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda m: f"{m.number}-{m.what.replace(' ', '_')}-{m.metric}")
def test_is_caught(mistake):
    metric = replace(METRICS[mistake.metric], **(mistake.settings or {}))
    assert failed(mistake.metric, metric) == {}
    assert set(mistake.caught) <= failed(mistake.metric, mistake.plant(metric)).keys()
