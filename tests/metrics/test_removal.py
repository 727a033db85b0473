"""What curves of removed pixels and masked images share, and where they are delicate."""

from dataclasses import replace

import pytest
import torch

from benchmarks.conformance.cases import InputXGradient, case, explained, frozen, images, levels
from benchmarks.conformance.models import Linear, Network
from benchmarks.metrics.faithfulness import curves
from tests.metrics.entries import METRICS


def test_only_the_first_of_a_family_pays():
    batch, n, images_passed = case(), 6, [0]
    batch.clean_logits()
    batch.model.register_forward_hook(lambda _m, _i, out: images_passed.__setitem__(0, images_passed[0] + len(out)))
    expected = {"deletion": 15 * n + 1, "abpc": 15 * n, "average_drop": n} | dict.fromkeys(
        ("aopc", "pixel_flipping_morf", "pixel_flipping_lerf", "monotonicity", "sufficiency", "increase_in_confidence"),
        0,
    )
    for name, passes in expected.items():
        images_passed[0] = 0
        METRICS[name](batch)
        assert images_passed[0] == passes, name


def test_scores_are_the_areas_of_what_is_drawn():
    for name in ("deletion", "insertion", "abpc", "pixel_flipping_morf", "pixel_flipping_lerf"):
        batch = case()
        fractions, values = METRICS[name].curve(batch)
        torch.testing.assert_close(torch.trapezoid(values, fractions, dim=1), METRICS[name](batch), rtol=0, atol=1e-5)


def test_gap_is_that_of_the_map_and_its_negative():
    """Without ties, the smallest first is the largest first of the negative."""
    batch = case()
    negative = replace(batch, maps=-batch.maps, shared={})
    gap = METRICS["deletion"](negative) - METRICS["deletion"](batch)
    torch.testing.assert_close(METRICS["abpc"](batch), gap, rtol=0, atol=1e-6)
    torch.testing.assert_close(METRICS["abpc"](negative), -gap, rtol=0, atol=1e-6)
    morf, lerf = METRICS["pixel_flipping_morf"], METRICS["pixel_flipping_lerf"]
    assert not morf.higher_is_better and lerf.higher_is_better
    torch.testing.assert_close(morf(negative), lerf(batch), rtol=0, atol=1e-5)


def test_random_order_may_be_more_monotone_than_the_exact_map():
    """So its docstring warns: with evidence against the class, the exact map begins with falls."""
    batch = explained(frozen(Linear(16)), images(4, 16), method=InputXGradient())
    batch = replace(batch, x=batch.x + 0.5 * batch.model.weight[batch.target].sign())  # most evidence is for the class
    exact = replace(batch, maps=batch.explain(), shared={})
    noise = torch.rand(4, 16, 16, generator=torch.Generator().manual_seed(0))
    random = replace(batch, maps=noise, shared={})
    assert (METRICS["monotonicity"](random) > METRICS["monotonicity"](exact)).all()
    assert (METRICS["abpc"](random) < METRICS["abpc"](exact)).all()


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


def test_log_odds():
    batch = case(n=2)
    logits = torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(0)).double()
    expected = curves.probability(batch, logits).logit()
    torch.testing.assert_close(curves.log_odds(batch, logits), expected)
    logits[:, :, 0] = 60  # 1 - p is below the resolution of p
    assert curves.log_odds(replace(batch, target=torch.zeros(2, dtype=torch.int64)), logits).isfinite().all()


@pytest.mark.parametrize("name", ["monotonicity", "average_drop", "increase_in_confidence", "sufficiency", "abpc"])
def test_no_number_is_undefined(name):
    class Broken(Network):
        def forward(self, x):
            return super().forward(x) * torch.tensor([1.0, torch.nan, 1, 1])

    assert METRICS[name](explained(frozen(Broken()), images(3, 16), levels(3, 16, 9))).isnan().all()


def test_one_class_is_certain():
    class One(Network):
        def forward(self, x):
            return super().forward(x)[:, :1]

    batch = explained(frozen(One()), images(3, 16), levels(3, 16, 9), target=torch.zeros(3, dtype=torch.int64))
    scores = [METRICS[name](batch) for name in ("monotonicity", "average_drop", "increase_in_confidence")]
    assert torch.stack(scores).equal(torch.tensor([1.0, 0, 0])[:, None].expand(3, 3))
