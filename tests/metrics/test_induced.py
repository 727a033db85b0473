"""The metric that the output induces on the pixels, beside its known answers: the longest step, and large Jacobians."""

from dataclasses import replace

import pytest
import torch

from benchmarks.conformance.cases import case
from benchmarks.networks.metrics import fisher
from tests.metrics.entries import METRICS


@pytest.mark.parametrize("of", ["fisher", "logit"])
def test_no_image_is_farther_than_the_diagonal_of_the_pixel_space(of):
    radius = replace(METRICS[f"{of}_radius"], divergence=1e9)(case(n=3))
    torch.testing.assert_close(radius, torch.full((3,), (3 * 16 * 16) ** 0.5))


def test_images_of_a_large_jacobian_go_in_parts(monkeypatch):
    e, seen = case(n=4), []
    together = fisher.pulled_back(e)
    monkeypatch.setattr(fisher, "HELD", 1)
    with e.model.register_forward_pre_hook(lambda _m, args: seen.append(len(args[0]))):
        parts = fisher.pulled_back(e)
    assert seen == [1, 1, 1, 1]
    assert all(torch.allclose(a, b, rtol=1e-5) for a, b in zip(together, parts, strict=True))
