"""Every metric of conf/metric keeps every promise that is checked of its kind."""

from dataclasses import MISSING, fields, replace

import pytest

from benchmarks.conformance.cases import case
from benchmarks.conformance.checks import verdicts
from benchmarks.conformance.subject import Company, Subject
from benchmarks.cost import counted
from benchmarks.maps.metrics.baselines import BASELINES
from tests.metrics.entries import METRICS

SMALLER = {  # settings with which the same code is cheaper, by the start of the name
    "clever_": {"batches": 2, "samples": 2},
    "pgd_linf": {"radii": [0.01, 0.2], "steps": 4, "step": 0.5},
    "pgd_l2": {"radii": [1.0, 10.0], "steps": 4, "step": 0.5},
    **{name: {"steps": 4} for name in ("road_", "aopc", "abpc", "pixel_flipping_morf", "pixel_flipping_lerf")},
    **{f"{game}_{baseline}": {"steps": 4} for game in ("deletion", "insertion") for baseline in BASELINES},
}


def smaller(name):
    settings = next((fewer for start, fewer in SMALLER.items() if name.startswith(start)), {})
    return replace(METRICS[name], **settings)


CHECKED = {name: smaller(name) for name in METRICS}
COMPANY = Company(CHECKED)
OF_THE_SCALE = {"completeness", "infidelity"}  # the size of the map is what they measure
# Passes of each metric for six images, after those before it.
PASSES = {"deletion": 91, "insertion": 96, "abpc": 90, "average_drop": 6, "max_sensitivity": 24, "random_logit": 6}
FREE = ("aopc", "pixel_flipping_morf", "noise_stability_spearman", "noise_stability_ssim", "gini", "completeness")


@pytest.mark.slow
@pytest.mark.parametrize("name", CHECKED)
def test_keeps_every_promise(name):
    subject = Subject(name, CHECKED[name], ("tests.answers",), COMPANY)
    assert not [f"{v.check}: {v.sentence}" for v in verdicts(subject) if v.outcome == "fails"]
    if subject.kind == "maps":
        assert ("scale" in subject.metric.invariant) == (name not in OF_THE_SCALE)
    assert all(f.default is MISSING for f in fields(subject.metric)), "values live in YAML"


def test_metrics_of_one_batch_pay_once_for_what_they_share():
    """This is what a table of costs may promise."""
    batch = case()
    batch.clean_logits()
    for name, passes in (PASSES | dict.fromkeys(FREE, 0)).items():
        with counted(batch.model) as cost:
            METRICS[name](batch)
        assert cost.forwards == passes, name
