"""Every metric against a second writing of it."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from benchmarks.conformance.cases import InputXGradient, case, images, levels
from benchmarks.conformance.models import MEAN, STD
from benchmarks.metrics.baselines import baseline
from tests.metrics.entries import METRICS
from tests.metrics.references import REFERENCE
from tests.metrics.writing import SIDE, dense, logits


def compare(name, e, metric):
    expected = np.array([REFERENCE[name](e, i, metric) for i in range(len(e.x))])
    rtol = getattr(metric, "rounding", 2e-6) if metric.bounds[1] == np.inf else 0
    atol = 1e-5 if "falls" in dir(metric) else 2e-6  # float32 logits
    np.testing.assert_allclose(metric(e).numpy(), expected, rtol=rtol, atol=atol)
    return expected


def test_every_metric_has_a_reference():
    assert set(METRICS) == set(REFERENCE)


@pytest.mark.parametrize("name", METRICS)
def test_agrees_with_its_reference(name):
    expected = compare(name, case(n=4), METRICS[name])
    assert len(set(expected)) > 1 or name == "pointing_game"


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if "explain" not in metric.needs])
def test_agrees_with_its_reference_on_ties(name):
    compare(name, replace(case(n=4), maps=levels(4, SIDE, 6), shared={}), METRICS[name])


@pytest.mark.parametrize("baseline", ["black", "mean", "blur", "uniform"])
@pytest.mark.parametrize("name", ["deletion", "insertion", "aopc", "faithfulness_correlation"])
def test_agrees_with_its_reference_for_every_baseline(name, baseline):
    compare(name, case(n=2), replace(METRICS[name], baseline=baseline))


@pytest.mark.parametrize("steps", [1, 7])
def test_agrees_with_its_reference_for_other_steps(steps):
    compare("deletion", case(n=2), replace(METRICS["deletion"], steps=steps))


def test_completeness_of_a_difference():
    compare("completeness", case(InputXGradient(complete="difference", baseline=0.3), n=4), METRICS["completeness"])


class Blurring(InputXGradient):
    """Compares an image with one of its own."""

    def reference(self, x):
        return 0.5 * x.flip(3)


def test_completeness_of_a_difference_to_an_image_of_the_methods_own():
    e = case(Blurring(complete="difference"), n=4)
    scores = METRICS["completeness"](e)
    for i in range(4):
        known = (logits(e, e.x[i]) - logits(e, 0.5 * e.x[i].flip(2)))[e.target[i]]
        assert scores[i].item() == pytest.approx(abs(dense(e.maps[i]).sum() - known) / abs(known), rel=1e-5)


def test_completeness_of_a_difference_to_the_background():
    e = replace(case(InputXGradient(complete="background"), n=4), background=images(3, SIDE, seed=8))
    scores = METRICS["completeness"](e)
    for i in range(4):
        known = (logits(e, e.x[i]) - np.mean([logits(e, rest) for rest in e.background], axis=0))[e.target[i]]
        assert scores[i].item() == pytest.approx(abs(dense(e.maps[i]).sum() - known) / abs(known), rel=1e-5)


def test_relevance_rank_is_the_mean_over_all_orders_of_tied_pixels():
    values, mask = np.array([3, 1, 1, 1, 0, 1]), np.array([1, 1, 0, 1, 0, 0], dtype=bool)
    hits = [mask[sorted(range(6), key=lambda p: (-values[p], tie[p]))[:3]].mean() for tie in permutations(range(6))]
    e = replace(case(n=1), maps=torch.tensor(values).view(1, 2, 3).float(), mask=torch.tensor(mask).view(1, 2, 3))
    assert METRICS["relevance_rank"](e).item() == pytest.approx(np.mean(hits))


def test_blur_of_another_shape():
    e = replace(case(n=2), x=images(2, 20)[:, :, :13])
    mean, std = (dense(t)[:, None, None] for t in (MEAN, STD))
    for ours, image in zip(baseline(e, "blur", 0), e.x.double().numpy() * std + mean, strict=True):
        theirs = np.stack([gaussian_filter(c, (1.3, 2.0), mode="mirror", radius=(4, 6)) for c in image])
        np.testing.assert_allclose(ours.numpy() * std + mean, theirs, atol=1e-6)
