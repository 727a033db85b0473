"""Every metric's value is proved: by known answers, by a second writing, or as the reason below says.

A kind keeps its answers in tests/KIND/answers.py; a dictionary OTHERWISE there adds reasons to those below.
"""

from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest

from benchmarks.conformance.answers import answers
from benchmarks.conformance.cases import case, part
from tests.metrics import references
from tests.metrics.entries import ANSWERS, METRICS

TWICE = [name for name in METRICS if hasattr(references, name)]
OTHERWISE = {
    "increase_in_confidence": "it is 0 or 1, and both are known",
    "road_combined": "it is the difference of two metrics with known values: test_removal",
    "random_logit": "it is the rank correlation that scipy proves: test_ranking",
    "noise_stability_": "it is the mean of a measure that scipy or scikit-image proves: test_robustness, test_ranking",
    "attack_stability_": "its attack is that of foolbox: test_attacks, test_robustness",
    "attacked_": "it is attack_stability on those images that have the outcome: test_robustness",
}
REASONS = OTHERWISE | {k: v for module in ANSWERS for k, v in getattr(import_module(module), "OTHERWISE", {}).items()}


@pytest.mark.parametrize("name", METRICS)
def test_value_is_proved(name):
    """Several values are known, and one of them is no bound that another formula would reach as well."""
    known = [answer.score.flatten().tolist() for answer in answers(name, METRICS[name], *ANSWERS)]
    values = {round(value, 6) for scores in known for value in scores if np.isfinite(value)}
    assert len(known) >= 2 and len(values) >= 2
    assert values - {-1, 0, 1} or name in TWICE or name.startswith(tuple(REASONS))


@pytest.mark.slow
@pytest.mark.parametrize("name", TWICE)
def test_agrees_with_its_second_writing(name):
    e = case()
    e = replace(e, target=e.clean_logits().argmax(1), shared={})
    e = part(replace(e, maps=e.explain()), [2, 3, 4, 5])
    expected = [getattr(references, name)(e, i, METRICS[name]) for i in range(4)]
    np.testing.assert_allclose(METRICS[name](e), expected, rtol=0, atol=2e-4)
    assert len(set(expected)) > 1
