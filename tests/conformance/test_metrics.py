"""Every metric of conf/metric passes every check."""

from dataclasses import MISSING, fields

import pytest

from benchmarks.conformance.answers import answers
from benchmarks.conformance.cases import case
from benchmarks.conformance.checks import CHECKS, judge
from benchmarks.conformance.subject import Company, Subject
from tests.metrics.entries import METRICS

COMPANY = Company(METRICS)
SUBJECTS = {name: Subject(name, metric, company=COMPANY) for name, metric in METRICS.items()}
OF_THE_SCALE = {"completeness", "infidelity"}  # the size of the map is what they measure
every = pytest.mark.parametrize("name", METRICS)


@pytest.mark.parametrize(("name", "check"), [(name, check) for name in METRICS for check in CHECKS])
def test_passes(name, check):
    verdict = judge(SUBJECTS[name], check, lambda: CHECKS[check](SUBJECTS[name]))
    assert verdict.outcome != "fails", verdict.sentence


@every
def test_states_all_facts(name):
    for fact in ("bounds", "needs", "invariant", "passes", "cites"):
        assert hasattr(METRICS[name], fact), fact
    assert ("scale" in METRICS[name].invariant) == (name not in OF_THE_SCALE)
    assert all(f.default is MISSING for f in fields(METRICS[name])), "values live in YAML"


@every
def test_has_known_answers(name):
    assert len(list(answers(name, METRICS[name]))) >= 2


def test_passes_of_a_full_set():
    """The price of six images, in passes, where all metrics share one batch: what a table of costs may promise."""
    batch, n, forwards = case(), 6, [0]
    batch.clean_logits()
    batch.model.register_forward_hook(lambda _m, _i, out: forwards.__setitem__(0, forwards[0] + len(out)))
    expected = {"deletion": 15 * n + 1, "aopc": 0, "insertion": 16 * n, "faithfulness_correlation": 32 * n,
                "max_sensitivity": 4 * n, "noise_stability_spearman": 0, "noise_stability_ssim": 0,
                "noise_stability_top_10": 0, "mprt": 3 * n + 1 + 2 * 8, "random_logit": n, "gini": 0,
                "completeness": 0}  # fmt: skip
    for name, passes in expected.items():
        forwards[0] = 0
        METRICS[name](batch)
        assert forwards[0] == passes, name
