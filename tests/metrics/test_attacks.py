"""Attacks on networks against another library, and the fit of CLEVER against scipy."""

from dataclasses import replace
from itertools import product

import foolbox
import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.stats import weibull_max

from benchmarks.conformance.cases import case, explained, frozen, images
from benchmarks.conformance.models import MEAN, STD
from benchmarks.networks.metrics.adversarial import in_ball
from benchmarks.networks.metrics.clever import locations
from benchmarks.networks.metrics.minimal import nearest
from tests.answers.models import Linear
from tests.metrics.entries import METRICS

RADII = {"linf": 0.05, "l2": 1.0}


@pytest.fixture
def e():
    """A batch of which every image is right by itself."""
    batch = case()
    return replace(batch, target=batch.clean_logits().argmax(1), shared={})


@pytest.fixture
def network(e):
    """The network as foolbox sees it: it reads pixels."""
    return foolbox.PyTorchModel(e.model, (0, 1), "cpu", {"mean": MEAN, "std": STD, "axis": -3})


@pytest.mark.parametrize(("norm", "attack"), [("linf", foolbox.attacks.LinfPGD), ("l2", foolbox.attacks.L2PGD)])
def test_pgd_is_that_of_foolbox(norm, attack, e, network, monkeypatch):
    """From our start, in place of its draws from torch's global generator."""
    metric, radius, image = METRICS[f"pgd_{norm}"], RADII[norm], e.pixels().clamp(0, 1)
    start = metric.starts(e)[0]
    monkeypatch.setattr(attack, "get_random_start", lambda self, x, size: x + size * start)
    expected = attack(rel_stepsize=metric.step, steps=metric.steps)(network, image, e.target, epsilons=radius)[1]
    attacked, right = metric.climb(e, start, radius)
    torch.testing.assert_close(attacked, expected, rtol=0, atol=1e-5)
    assert (right <= (network(expected).argmax(1) == e.target)).all()
    assert (replace(metric, restarts=2).survives(e, radius) <= metric.survives(e, radius)).all()
    reach = (attacked - image).flatten(1).norm(p=torch.inf if norm == "linf" else 2, dim=1)
    assert (reach <= radius * (1 + 1e-5)).all() and attacked.min() >= 0 and attacked.max() <= 1


def test_attack_on_a_map_is_that_of_foolbox(e, network):
    """Without a random start, in steps of 2.5 radii together."""
    metric = METRICS["attack_stability_spearman"]
    e = replace(e, x=e.normalised(e.pixels().clamp(0, 1)), shared={})
    attack = foolbox.attacks.LinfPGD(rel_stepsize=2.5 / metric.iterations, steps=metric.iterations, random_start=False)
    expected = attack(network, e.pixels(), e.target, epsilons=metric.radius)[1]
    attacked = replace(e, x=metric.attacked(e)).pixels()
    torch.testing.assert_close(attacked, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("norm", "attack"), [("linf", foolbox.attacks.FGSM), ("l2", foolbox.attacks.FGM)])
def test_fgsm_is_that_of_foolbox(norm, attack, e, network):
    metric = METRICS[f"fgsm_{norm}"]
    _, _, fooled = attack()(network, e.pixels().clamp(0, 1), e.target, epsilons=list(map(float, metric.radii)))
    right = metric.curve(e)[1][:, 1:]
    assert right.equal(1 - fooled.T.float()) and 0 < right.mean() < 1


@pytest.mark.slow
def test_deepfool_is_that_of_foolbox(e, network):
    metric, image = METRICS["empirical_robustness"], e.pixels().clamp(0, 1)
    attack = foolbox.attacks.L2DeepFoolAttack(steps=metric.steps, overshoot=metric.overshoot)
    _, attacked, fooled = attack(network, image, e.target, epsilons=None)
    expected = (attacked - image).flatten(1).norm(dim=1) / image.flatten(1).norm(dim=1)
    assert fooled.all()
    torch.testing.assert_close(metric(e), expected, rtol=1e-3, atol=0)  # it adds 1e-4 to every distance


def test_deepfool_does_not_stop_on_a_boundary():
    gradients = torch.ones(4, 1, 3, 4, 4)
    steps = nearest(torch.tensor([[0.0], [1e-6], [0.1], [1.0]]), gradients)
    assert steps.flatten(1).norm(dim=1).tolist() == pytest.approx([1e-4, 1e-4, 0.1 / 48**0.5, 1 / 48**0.5])
    assert (steps < 0).all() and nearest(torch.ones(4, 1), 0 * gradients).eq(0).all()


@pytest.mark.parametrize(("norm", "shares"), [("linf", (0.5, 1 / 3)), ("l2", (12 / 13, 12 / 14))])
def test_points_fill_the_ball(norm, shares):
    """The mean of the distance and of its square: of one coordinate in a cube, and from the middle of 12 dimensions."""
    points = in_ball(norm, (4000, 3, 2, 2), torch.Generator().manual_seed(0)).double().flatten(1)
    size = points.abs() if norm == "linf" else points.norm(dim=1)
    assert size.max() <= 1 + 1e-6 and points.mean(0).abs().max() < 0.03
    assert (size.mean().item(), size.square().mean().item()) == pytest.approx(shares, abs=0.01)


def test_gradient_of_a_sure_network_is_small_and_not_nothing():
    batch = explained(frozen(Linear(16)), images(4, 16))
    batch = replace(batch, target=batch.clean_logits().argmax(1), shared={})
    score = METRICS["loss_gradient"](batch)
    assert batch.score(batch.x).eq(1).any() and (score > 0).all() and score.min() < 1e-6


def weibull_end(maxima):
    """Return the location at which scipy's likelihood of the sample is largest, of shapes from 1 to 10."""
    peak, spread = maxima.max(), np.ptp(maxima)
    sample, bounds = (maxima - peak) / spread, [(1, 10), (1e-6, 100), (1e-6, None)]
    precise = {"xatol": 1e-9, "fatol": 1e-12, "maxfev": 4000}
    fits = [
        minimize(
            lambda p: weibull_max.nnlf(tuple(p), sample), start, method="Nelder-Mead", bounds=bounds, options=precise
        )
        for start in ((shape, reach, reach + 0.5) for shape, reach in product((1.5, 9), (0.01, 0.3, 3)))
    ]
    return peak + spread * min(fits, key=lambda fit: fit.fun).x[1]


@pytest.mark.slow
def test_fit_of_clever_is_the_likeliest_of_few_maxima():
    """Where they are skewed to the right, too."""
    samples = 5 + np.random.default_rng(1).gumbel(scale=0.2, size=(4, 8))
    ends, expected = locations(samples), [weibull_end(sample) for sample in samples]
    np.testing.assert_allclose(ends, expected, rtol=2e-5)
    assert (ends >= samples.max(1)).all() and (ends > samples.max(1) + 0.1).any()


def test_equal_maxima_are_their_own_end():
    assert locations(np.array([[3.0] * 5, [0.0] * 5, [3.0, 3.0, 3 + 1e-7, 3.0, 3.0]])) == pytest.approx([3, 0, 3])


@pytest.mark.slow
def test_clever_takes_the_steepest_sample_of_each_batch(e):
    """One sample a batch leaves the slope of each; known answers pin that of a linear network."""
    metric, others = METRICS["clever_linf"], (e.target[:, None] + torch.arange(1, 4)) % 4
    each = replace(metric, samples=1, batches=metric.samples * metric.batches).largest(e, others)
    steepest = each.unflatten(2, (metric.batches, metric.samples)).amax(3)
    torch.testing.assert_close(metric.largest(e, others), steepest)
    assert not steepest.equal(each[..., :: metric.samples])
