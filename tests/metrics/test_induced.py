"""The metric that the output induces on the pixels: what its eigenvalues mean, and what it costs."""

from dataclasses import replace
from math import sqrt

import pytest
import torch
from torch.autograd.functional import jacobian
from torch.nn.functional import kl_div

from benchmarks.conformance.cases import case
from benchmarks.cost import counted
from benchmarks.networks.metrics import fisher
from benchmarks.store import Store
from tests.metrics.entries import METRICS

INDUCED = [f"{of}_{quantity}" for of in ("fisher", "logit") for quantity in ("eigenvalue", "trace", "radius")]


def divergence(before, after):
    return kl_div(after.log_softmax(0), before.log_softmax(0), log_target=True, reduction="sum")


def half_squared_distance(before, after):
    return (before - after).square().sum() / 2


@pytest.mark.parametrize(("of", "cost"), [("fisher", divergence), ("logit", half_squared_distance)])
def test_costliest_step_costs_half_the_eigenvalue(of, cost):
    """Along the first singular vector of the Jacobian, in pixels and float64; a radius is the step of a given cost."""
    e, i, small = case(n=4), 3, 1e-6
    model, image = e.model.double(), e.pixels()[i].double()
    mean, std = (t.double()[:, None, None] for t in (e.mean, e.std))

    def logits(pixels):
        return model(((pixels - mean) / std)[None])[0]

    slopes, before = jacobian(logits, image).flatten(1), logits(image)
    p = before.softmax(0)
    weight = (p.diag() - p[:, None] * p) if of == "fisher" else torch.eye(len(p)).double()
    spectrum, vectors = torch.linalg.eigh(slopes.T @ weight @ slopes)
    model.float()
    assert METRICS[f"{of}_eigenvalue"](e)[i].item() == pytest.approx(spectrum[-1].item(), rel=1e-5)
    assert METRICS[f"{of}_trace"](e)[i].item() == pytest.approx(spectrum.sum().item(), rel=1e-5)
    radius = replace(METRICS[f"{of}_radius"], divergence=small)(e)[i].item()
    step = radius * vectors[:, -1].view_as(image)
    model.double()
    both = [cost(before, logits(image + sign * step)).item() for sign in (1, -1)]
    assert sum(both) / 2 == pytest.approx(small, rel=1e-2)
    other = torch.randn_like(step)
    assert cost(before, logits(image + radius * other / other.norm())) < small
    model.float()
    farthest = replace(METRICS[f"{of}_radius"], divergence=1e9)(e)
    torch.testing.assert_close(farthest, torch.full_like(farthest, sqrt(image.numel())))


def test_all_induced_metrics_of_all_methods_share_one_jacobian():
    e = case(n=3)
    e = replace(e, store=Store(None, e.model, "", torch.device("cpu")), shared={})
    e.clean_logits()  # as in every cell
    with counted(e.model) as cost:
        for name in INDUCED:
            METRICS[name](replace(e, shared={}))
    assert (cost.forwards, cost.backwards) == (3, 3 * 4)


def test_images_of_a_large_jacobian_go_in_parts(monkeypatch):
    e, seen = case(n=4), []
    together = fisher.pulled_back(e)
    monkeypatch.setattr(fisher, "HELD", 1)
    with e.model.register_forward_pre_hook(lambda _m, args: seen.append(len(args[0]))):
        parts = fisher.pulled_back(e)
    assert seen == [1, 1, 1, 1]
    assert all(torch.allclose(a, b, rtol=1e-5) for a, b in zip(together, parts, strict=True))
