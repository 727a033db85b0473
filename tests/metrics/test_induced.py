"""The metric that the output induces on the pixels, and what an attack does to the map."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, rel_entr, softmax

from benchmarks.conformance.cases import case, explained, frozen, images
from benchmarks.conformance.models import Network
from benchmarks.cost import counted
from benchmarks.metrics.networks import fisher
from benchmarks.metrics.robustness.attack import AttackStability
from benchmarks.store import Store
from tests.metrics.entries import METRICS
from tests.metrics.references import networks_induced as second
from tests.metrics.references.networks_induced import matrix
from tests.metrics.writing import dense, logits

INDUCED = [f"{of}_{quantity}" for of in ("fisher", "logit") for quantity in ("eigenvalue", "trace", "radius")]
CHANGES = ("spearman", "top_10", "ssim")


def after(e, i, direction, length):
    """The logits when the pixels of an image move."""
    std = dense(e.std)[:, None, None]
    return logits(e, dense(e.x[i]) + length * direction.reshape(e.x[i].shape) / std)


@pytest.mark.parametrize("i", [0, 3])
def test_half_the_eigenvalue_is_the_divergence_along_its_vector(i):
    e = case(n=4)
    along = np.linalg.eigh(matrix(e, i, "probabilities"))[1][:, -1]
    clean, h = logits(e, e.x[i]), 1e-3
    divergence = np.mean([rel_entr(softmax(clean), softmax(after(e, i, along, s * h))).sum() for s in (1, -1)])
    assert 2 * divergence / h**2 == pytest.approx(METRICS["fisher_eigenvalue"](e)[i].item(), rel=1e-3)


@pytest.mark.parametrize("i", [0, 3])
def test_half_the_eigenvalue_is_half_the_squared_distance_of_the_logits(i):
    e, h = case(n=4), 1e-4
    along = np.linalg.eigh(matrix(e, i, "logits"))[1][:, -1]
    distance = np.linalg.norm(after(e, i, along, h) - after(e, i, along, -h)) / 2
    assert (distance / h) ** 2 == pytest.approx(METRICS["logit_eigenvalue"](e)[i].item(), rel=1e-4)


def test_step_of_the_radius_costs_the_divergence():
    e, metric = case(n=3), replace(METRICS["fisher_radius"], divergence=1e-6)
    for i, radius in enumerate(metric(e).tolist()):
        along = np.linalg.eigh(matrix(e, i, "probabilities"))[1][:, -1]
        clean = logits(e, e.x[i])
        cost = [
            (softmax(clean) * (log_softmax(clean) - log_softmax(after(e, i, along, s * radius)))).sum() for s in (1, -1)
        ]
        assert np.mean(cost) == pytest.approx(1e-6, rel=1e-2)
        other = np.random.default_rng(i).normal(size=along.shape)
        assert rel_entr(softmax(clean), softmax(after(e, i, other / np.linalg.norm(other), radius))).sum() < 1e-6


def test_saturated_softmax_looks_robust_and_its_logits_do_not():
    found = []
    for gain in (1, 10, 100):
        model = Network()
        model.head.weight.data.mul_(gain)
        e = explained(frozen(model), images(3, 16))
        found.append([METRICS[name](e).amax().item() for name in ("fisher_eigenvalue", "logit_eigenvalue")])
        found[-1].append(METRICS["fisher_radius"](e).amin().item())
    fisher, logit, radius = zip(*found, strict=True)
    assert logit[1] / logit[0] == pytest.approx(100, rel=1e-4) and logit[2] / logit[0] == pytest.approx(1e4, rel=1e-4)
    assert fisher[2] < 1e-3 * fisher[0]
    assert radius[2] == pytest.approx((3 * 16 * 16) ** 0.5, rel=1e-6) and radius[2] > 8 * radius[0]


def test_trace_is_of_all_eigenvalues():
    e = case(n=2)
    for of, name in (("probabilities", "fisher_trace"), ("logits", "logit_trace")):
        spectra = [np.linalg.eigvalsh(matrix(e, i, of)) for i in range(2)]
        assert METRICS[name](e).tolist() == pytest.approx([spectrum.sum() for spectrum in spectra], rel=1e-5)
        assert all(
            (spectrum > 1e-9 * spectrum.max()).sum() == (3 if of == "probabilities" else 4) for spectrum in spectra
        )


def test_all_induced_metrics_of_all_methods_share_one_jacobian():
    e = case(n=3)
    e = replace(e, store=Store(None, e.model, "", torch.device("cpu")), shared={})
    e.clean_logits()  # as in every cell
    with counted(e.model) as cost:
        for name in INDUCED:
            METRICS[name](replace(e, shared={}))
    assert (cost.forwards, cost.backwards) == (3, 3 * 4)


def test_only_a_radius_is_undefined_without_a_gradient():
    model = frozen(Network())
    model.head.weight.zero_()
    e = explained(model, images(2, 16))
    for name in INDUCED:
        score = METRICS[name](e)
        assert score.isnan().all() if name.endswith("radius") else score.eq(0).all()


@pytest.mark.parametrize("measure", CHANGES)
def test_every_image_has_a_score_of_one_outcome(measure):
    e, radius = predicted(), 0.1
    kept, changed = (replace(METRICS[f"attacked_{measure}_{p}"], radius=radius)(e) for p in ("kept", "changed"))
    assert kept.isfinite().any() and changed.isfinite().any()
    assert (kept.isfinite() != changed.isfinite()).all()
    whole = replace(METRICS[f"attack_stability_{measure}"], radius=radius)(e)
    assert torch.where(kept.isnan(), changed, kept).equal(whole)


@pytest.mark.parametrize("prediction", ["kept", "changed"])
@pytest.mark.parametrize("measure", CHANGES)
def test_agrees_with_its_reference_where_some_predictions_change(measure, prediction):
    name, e = f"attacked_{measure}_{prediction}", predicted()
    metric = replace(METRICS[name], radius=0.1)
    expected = np.array([getattr(second, name)(e, i, metric) for i in range(len(e.x))])
    np.testing.assert_allclose(metric(e).numpy(), expected, rtol=0, atol=2e-6)
    assert np.isnan(expected).any() and np.isfinite(expected).any()


def predicted():
    """A batch that asks for the predicted classes, as a network's own images do."""
    e = case(n=6)
    target = e.clean_logits().argmax(1)
    return replace(e, target=target, maps=e.explain(target=target), shared={})


def test_outcomes_and_measures_share_attack_and_logits():
    e = predicted()
    e = replace(e, store=Store(None, e.model, "", torch.device("cpu")), shared={})
    e.clean_logits()
    prices = [11, *[0] * 5]
    for name, price in zip([f"attacked_{m}_{p}" for m in CHANGES for p in ("kept", "changed")], prices, strict=True):
        metric = METRICS[name]
        attack = AttackStability(metric.measure, metric.radius, metric.iterations, metric.seed)
        e.once((*attack.key, "maps"), lambda: e.maps)
        with counted(e.model) as cost:
            METRICS[name](e)
        assert cost.forwards + cost.backwards == price * len(e.x), name


def test_images_of_a_large_jacobian_go_in_parts(monkeypatch):
    e = case(n=4)
    whole = fisher.pulled_back(e)
    monkeypatch.setattr(fisher, "HELD", 1)
    seen = []
    with e.model.register_forward_pre_hook(lambda _m, args: seen.append(len(args[0]))):
        parts = fisher.pulled_back(e)
    assert seen == [1, 1, 1, 1]
    assert all(torch.allclose(a, b, rtol=1e-5) for a, b in zip(whole, parts, strict=True))
