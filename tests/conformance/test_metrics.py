"""Every metric of conf/metric keeps every promise that is checked of its kind."""

import importlib
from dataclasses import MISSING, fields, replace

import pytest

import benchmarks
from benchmarks.conformance.cases import case
from benchmarks.conformance.checks import CHECKS, verdicts
from benchmarks.conformance.kinds import brought
from benchmarks.conformance.subject import Company, Subject
from benchmarks.cost import counted
from benchmarks.maps.metrics.baselines import BASELINES
from tests.conftest import looked_up_in
from tests.metrics.entries import ANSWERS, METRICS

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
FACTS = {"states_its_facts", "states_its_sources"}
TOY = '''
from entries import scores


@scores("distance", higher_is_better=False, cites="")
class Brightness:
    """Mean of the pixels, with a fault: the first image of a batch scores 0."""

    def __call__(self, batch):
        means = batch.x.mean((1, 2, 3))
        means[0] = 0
        return means
'''
OF_THE_TOY = "from benchmarks.conformance.cases import case, part"
FREE = ("aopc", "pixel_flipping_morf", "noise_stability_spearman", "noise_stability_ssim", "gini", "completeness")


@pytest.mark.slow
@pytest.mark.parametrize("name", CHECKED)
def test_keeps_every_promise(name):
    subject = Subject(name, CHECKED[name], ANSWERS, COMPANY)
    assert not [f"{v.check}: {v.sentence}" for v in verdicts(subject) if v.outcome == "fails"]
    if "map" in subject.traits:
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


@pytest.fixture
def kind(tmp_path):
    """A kind of benchmark in a folder outside of this checkout, with a metric that the fixture returns."""
    own = tmp_path / "benchmarks" / "toy"
    own.mkdir(parents=True)
    (own / "__init__.py").write_text(TOY)
    with looked_up_in(tmp_path, benchmarks):
        yield lambda conformance="": toy(own / "conformance.py", conformance)
    brought.cache_clear()


def toy(path, conformance):
    if conformance:
        path.write_text(conformance)
    return Subject("toy", importlib.import_module("benchmarks.toy").Brightness())


def test_a_kind_without_batches_has_its_facts_checked(kind):
    outcomes = {v.check: v.outcome for v in verdicts(kind())}
    assert {check for check, outcome in outcomes.items() if outcome == "ok"} == FACTS
    assert set(outcomes) == set(CHECKS) and set(outcomes.values()) == {"ok", "does not apply"}


def test_a_kind_brings_what_the_checks_need(kind):
    outcomes = {v.check: v.outcome for v in verdicts(kind(OF_THE_TOY))}
    assert outcomes.pop("order_of_the_batch_does_not_matter") == "fails", "the fault that is planted in it"
    assert {check for check, outcome in outcomes.items() if outcome == "ok"} > FACTS | {"leaves_no_trace"}
    assert "scale_does_not_matter" not in outcomes


def test_a_metric_of_which_nothing_is_checked_fails(kind, monkeypatch):
    for name in FACTS:
        monkeypatch.delitem(CHECKS, name)
    assert [v.check for v in verdicts(kind()) if v.outcome == "fails"] == ["some_check"]
