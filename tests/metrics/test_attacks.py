"""Attacks on networks: against another library, in and on the ball, stronger with more; CLEVER's fit."""

from dataclasses import replace

import foolbox
import numpy as np
import pytest
import torch
from scipy.stats import weibull_max

from benchmarks.conformance.cases import case, explained, frozen, images
from benchmarks.conformance.models import MEAN, STD, Linear
from benchmarks.metrics.networks.adversarial import in_ball
from benchmarks.metrics.networks.clever import locations
from benchmarks.metrics.networks.minimal import nearest
from tests.metrics.entries import METRICS
from tests.metrics.references import networks
from tests.metrics.references.networks import end

ATTACKS = ("fgsm_linf", "fgsm_l2", "pgd_linf", "pgd_l2")
OURS = (*ATTACKS, "empirical_robustness", "clever_linf", "clever_l2", "loss_gradient")
RADII = {"linf": 0.05, "l2": 1.0}


@pytest.fixture
def e():
    """A batch that is right by itself."""
    batch = case()
    return replace(batch, target=batch.clean_logits().argmax(1), shared={})


@pytest.fixture
def theirs(e):
    """The network as foolbox sees it, reading pixels."""
    return foolbox.PyTorchModel(e.model, (0, 1), "cpu", {"mean": MEAN, "std": STD, "axis": -3})


@pytest.mark.parametrize("name", OURS)
def test_agrees_with_its_reference_on_images_that_are_right(name, e):
    e, metric = replace(e, x=e.x[:3], target=e.target[:3]), METRICS[name]
    expected = [getattr(networks, name)(e, i, metric) for i in range(3)]
    np.testing.assert_allclose(metric(e).numpy(), expected, rtol=getattr(metric, "rounding", 2e-6))
    assert min(expected) > 0


@pytest.mark.parametrize(("norm", "attack"), [("linf", foolbox.attacks.LinfPGD), ("l2", foolbox.attacks.L2PGD)])
def test_pgd_is_that_of_foolbox(norm, attack, e, theirs, monkeypatch):
    """From our start, in place of its draws from torch's global generator, and with its loss."""
    metric, radius, image = METRICS[f"pgd_{norm}"], RADII[norm], e.pixels().clamp(0, 1)
    start = metric.starts(e)[0]
    monkeypatch.setattr(attack, "get_random_start", lambda self, x, size: x + size * start)
    attacked = attack(rel_stepsize=metric.step, steps=metric.steps)(theirs, image, e.target, epsilons=radius)[1]
    ours, right = metric.climb(e, start, radius)
    torch.testing.assert_close(ours, attacked, rtol=0, atol=1e-5)
    assert (right <= (theirs(attacked).argmax(1) == e.target)).all()


@pytest.mark.parametrize(("norm", "attack"), [("linf", foolbox.attacks.FGSM), ("l2", foolbox.attacks.FGM)])
def test_fgsm_is_that_of_foolbox(norm, attack, e, theirs):
    metric, radii = METRICS[f"fgsm_{norm}"], [float(radius) for radius in METRICS[f"fgsm_{norm}"].radii]
    _, _, fooled = attack()(theirs, e.pixels().clamp(0, 1), e.target, epsilons=radii)
    right = metric.curve(e)[1][:, 1:]
    assert right.equal(1 - fooled.T.float()) and 0 < right.mean() < 1


def test_deepfool_is_that_of_foolbox(e, theirs):
    metric, image = METRICS["empirical_robustness"], e.pixels().clamp(0, 1)
    attack = foolbox.attacks.L2DeepFoolAttack(steps=metric.steps, overshoot=metric.overshoot)
    _, attacked, fooled = attack(theirs, image, e.target, epsilons=None)
    expected = (attacked - image).flatten(1).norm(dim=1) / image.flatten(1).norm(dim=1)
    assert fooled.all()
    torch.testing.assert_close(metric(e), expected, rtol=1e-3, atol=0)  # it adds 1e-4 to every distance


def test_deepfool_does_not_stop_on_a_boundary():
    gradients = torch.ones(4, 1, 3, 4, 4)
    steps = nearest(torch.tensor([[0.0], [1e-6], [0.1], [1.0]]), gradients)
    assert steps.flatten(1).norm(dim=1).tolist() == pytest.approx([1e-4, 1e-4, 0.1 / 48**0.5, 1 / 48**0.5])
    assert (steps < 0).all() and nearest(torch.ones(4, 1), 0 * gradients).eq(0).all()


@pytest.mark.parametrize("name", ATTACKS)
def test_attack_stays_in_the_ball_and_in_range(name, e):
    metric = METRICS[name]
    radius, image = RADII[metric.norm], e.pixels().clamp(0, 1)
    pixels, _ = metric.climb(e, metric.starts(e)[0], radius)
    reach = (pixels - image).flatten(1).norm(p=torch.inf if metric.norm == "linf" else 2, dim=1)
    assert (reach <= radius * (1 + 1e-5)).all() and (reach > 0.8 * radius).all()
    assert pixels.min() >= 0 and pixels.max() <= 1


@pytest.mark.parametrize("norm", RADII)
def test_more_effort_is_a_stronger_attack(norm, e):
    radii = [k / 2 * RADII[norm] for k in range(1, 11)]
    weak, strong = (replace(METRICS[f"{attack}_{norm}"], radii=radii) for attack in ("fgsm", "pgd"))
    one, many = weak.curve(e)[1].mean(0), strong.curve(e)[1].mean(0)
    assert (many <= one).all() and many.sum() < one.sum()
    assert (many.diff() <= 0).all() and many[0] == 1 and many[-1] == 0
    again = replace(strong, restarts=3).curve(e)[1]
    assert (again <= strong.curve(e)[1]).all()


def test_l2_moves_as_far_whatever_the_images_gradient(e):
    """Steps are relative to each image's own gradient."""
    metric = METRICS["fgsm_l2"]
    pixels, _ = metric.climb(e, metric.starts(e)[0], 0.01)
    moved = (pixels - e.pixels()).flatten(1).norm(dim=1)
    torch.testing.assert_close(moved, torch.full_like(moved, 0.01), rtol=0.1, atol=0)  # less what is clipped


def test_fgsm_is_one_step():
    with pytest.raises(ValueError, match="needs steps=1, step=1 and restarts=1 for attack=fgsm, one step"):
        replace(METRICS["fgsm_linf"], steps=2)


@pytest.mark.parametrize("radii", [[], [0.1, 0.1], [0.0, 0.1], [0.1, float("inf")], [0.1, "b"], 0.1])
def test_radii_rise(radii):
    with pytest.raises(ValueError, match="RobustAccuracy needs a list radii of rising numbers > 0; radii="):
        replace(METRICS["pgd_l2"], radii=radii)


@pytest.mark.parametrize(("norm", "shares"), [("linf", (0.5, 1 / 3)), ("l2", (12 / 13, 12 / 14))])
def test_points_fill_the_ball(norm, shares):
    """The mean of the distance and of its square: of one coordinate in a cube, and from the middle of 12 dimensions."""
    points = in_ball(norm, (4000, 3, 2, 2), torch.Generator().manual_seed(0)).double().flatten(1)
    size = points.abs() if norm == "linf" else points.norm(dim=1)
    assert size.max() <= 1 + 1e-6 and points.mean(0).abs().max() < 0.03
    assert (size.mean().item(), size.square().mean().item()) == pytest.approx(shares, abs=0.01)


def test_gradient_of_a_sure_network_is_small_and_not_nothing():
    """Of two classes, it is that of the log odds times what the first one lacks."""
    model = Linear(16)
    model.weight = torch.nn.Parameter(model.weight[:2].clone())
    batch = explained(frozen(model), images(4, 16))
    batch = replace(batch, target=batch.clean_logits().argmax(1), shared={})
    margin = batch.clean_logits().double().diff(dim=1).abs()[:, 0]
    slope = (model.weight.double().diff(dim=0)[0] / STD.double()[:, None, None]).norm()
    assert margin.max() > 20
    expected = ((-margin).sigmoid() * slope).float()
    torch.testing.assert_close(METRICS["loss_gradient"](batch), expected, rtol=1e-4, atol=0)


def test_end_of_the_fitted_distribution():
    draw = np.random.default_rng(0)
    for shape in (1.5, 3.0, 6.0):
        sample = weibull_max.rvs(shape, loc=2, scale=0.5, size=(1, 4000), random_state=draw)
        assert locations(sample)[0] == pytest.approx(2, abs=0.03)


def test_fit_is_the_likeliest_of_few_maxima():
    """Where they are skewed to the right, too."""
    samples = 5 + np.random.default_rng(1).gumbel(scale=0.2, size=(6, 8))
    ours, expected = locations(samples), np.array([end(sample) for sample in samples])
    np.testing.assert_allclose(ours, expected, rtol=2e-5)
    assert (ours >= samples.max(1)).all() and (ours > samples.max(1) + 0.1).any()


def test_equal_maxima_are_their_own_end():
    assert locations(np.array([[3.0] * 5, [0.0] * 5, [3.0, 3.0, 3 + 1e-7, 3.0, 3.0]])) == pytest.approx([3, 0, 3])


@pytest.mark.parametrize("norm", RADII)
def test_clever_is_below_the_distance_that_attacks_find(norm, e):
    clever = replace(METRICS[f"clever_{norm}"], radius=10.0 * RADII[norm])(e)
    if norm == "l2":
        image, attacked, _ = METRICS["empirical_robustness"].attacked(e)
        found = (attacked - image).flatten(1).norm(dim=1)
    else:
        radii, right = replace(METRICS["pgd_linf"], radii=[k / 200 for k in range(1, 50)], steps=5).curve(e)
        assert not right[:, -1].any()
        found = radii[right.argmin(1)]
    assert (clever < found).all() and (clever > found / 10).all()
