"""Curves of removed pixels and masked images: where they are delicate."""

import pytest
import torch

from benchmarks.conformance.cases import case, explained, frozen, images, levels
from benchmarks.conformance.models import Network
from tests.metrics.entries import METRICS


@pytest.mark.slow
def test_road_combined_is_the_difference_of_both_orders():
    difference = METRICS["road_lerf"](case()) - METRICS["road_morf"](case())
    torch.testing.assert_close(METRICS["road_combined"](case()), difference, rtol=0, atol=1e-6)
    assert difference.unique().numel() > 1


class Shaken(Network):
    """Rounding noise of another batch size."""

    def forward(self, x):
        logits = super().forward(x)
        noise = torch.randn(logits.shape, generator=torch.Generator().manual_seed(int(x.abs().sum()) % 1000))
        return logits * 0 + torch.tensor([30.0, -20, 5, 0]) + 30 * 2.0**-23 * noise


@pytest.mark.parametrize("target", [0, 1])
def test_rounding_is_neither_a_fall_nor_a_rise(target):
    """At a probability of 1 - 1e-11 as at one of 1e-22."""
    batch = explained(frozen(Shaken()), images(3, 16), levels(3, 16, 9), target=torch.full((3,), target))
    assert METRICS["monotonicity"](batch).eq(1).all() and METRICS["increase_in_confidence"](batch).eq(0).all()


@pytest.mark.parametrize("name", ["monotonicity", "average_drop", "increase_in_confidence", "sufficiency", "abpc"])
def test_logit_that_is_no_number_leaves_the_score_undefined(name):
    class Broken(Network):
        def forward(self, x):
            return super().forward(x) * torch.tensor([1.0, torch.nan, 1, 1])

    assert METRICS[name](explained(frozen(Broken()), images(3, 16), levels(3, 16, 9))).isnan().all()
