"""Models whose answers are known beforehand."""

from dataclasses import replace

import pytest
import torch

from benchmarks.conformance.cases import InputXGradient, case, explained, frozen, images, levels
from benchmarks.conformance.models import Constant, Fraction, Linear
from tests.metrics.oracles import METRICS

SIDE = 16


def linear(method=None):
    return explained(frozen(Linear(SIDE)), images(4, SIDE), method=method)


@pytest.mark.parametrize("name", ["deletion", "insertion"])
@pytest.mark.parametrize("steps", [1, 10, 16])
def test_constant_probability_is_its_own_area(name, steps):
    e = explained(frozen(Constant()), images(3, SIDE), levels(3, SIDE, 9))
    probability = torch.tensor([0.3, -1.0, 2.0]).softmax(0)
    assert replace(METRICS[name], steps=steps)(e).equal(probability[e.target])


def test_constant_model_has_no_fall():
    e = explained(frozen(Constant()), images(3, SIDE), levels(3, SIDE, 9))
    assert METRICS["aopc"](e).eq(0).all() and METRICS["faithfulness_correlation"](e).isnan().all()


@pytest.mark.parametrize("steps", [4, 16])
def test_probability_linear_in_the_removed_share_gives_one_half(steps):
    x = torch.full((2, 3, SIDE, SIDE), 2.5)  # white: every pixel counts; the baseline `mean` is not above one half
    e = explained(frozen(Fraction()), x, levels(2, SIDE, 9), target=torch.zeros(2, dtype=torch.int64))
    fractions, probability = replace(METRICS["deletion"], steps=steps).curve(e)
    torch.testing.assert_close(probability, (1 - fractions).expand(2, -1), rtol=0, atol=1e-6)
    score = [replace(METRICS[name], steps=steps, baseline="mean")(e) for name in ("deletion", "insertion", "aopc")]
    expected = torch.tensor([0.5, 0.5, METRICS["aopc"].removed / 2])
    torch.testing.assert_close(torch.stack(score), expected[:, None].expand(3, 2), rtol=0, atol=1e-6)


def test_deletion_falls_at_once_when_the_object_comes_first():
    x = torch.full((1, 3, SIDE, SIDE), -1.0)
    x[:, :, :4] = 2.5  # a quarter of the pixels
    e = explained(frozen(Fraction()), x, torch.zeros(1, SIDE, SIDE), target=torch.zeros(1, dtype=torch.int64))
    first = torch.arange(SIDE * SIDE, 0, -1.0).view(1, SIDE, SIDE)
    metric = replace(METRICS["deletion"], baseline="black")
    assert metric(replace(e, maps=first, shared={})).item() == pytest.approx(0.25 * 0.25 / 2, abs=1e-6)
    assert metric(replace(e, maps=-first, shared={})).item() == pytest.approx(0.25 * (0.75 + 0.25 / 2), abs=1e-6)


def test_exact_map_of_a_linear_model():
    e = linear(InputXGradient(lambda maps: maps / 100))
    assert METRICS["completeness"](e).max() < 1e-4
    torch.testing.assert_close(METRICS["faithfulness_correlation"](e), torch.ones(4), rtol=0, atol=1e-5)
    twice = replace(e, maps=2 * e.maps, shared={})
    torch.testing.assert_close(METRICS["completeness"](twice), torch.ones(4), rtol=0, atol=1e-4)
    against = replace(e, maps=-e.maps, shared={})
    torch.testing.assert_close(METRICS["faithfulness_correlation"](against), -torch.ones(4), rtol=0, atol=1e-5)


def test_completeness_is_undefined_without_a_law():
    assert METRICS["completeness"](linear(InputXGradient(complete=""))).isnan().all()
    assert METRICS["completeness"](replace(linear(), method=lambda *_: None)).isnan().all()
    with pytest.raises(ValueError, match="it is 'sum'"):
        METRICS["completeness"](linear(InputXGradient(complete="sum")))


def test_nothing_to_explain_is_undefined():
    e = linear(InputXGradient(complete="difference", baseline=0.25))
    e = replace(e, x=torch.full_like(e.x, 0.25), shared={})
    assert METRICS["completeness"](e).isnan().all()


def test_gini():
    def gini(maps):
        return METRICS["gini"](replace(case(n=len(maps)), maps=maps))

    one = torch.zeros(1, 8, 8)
    one[0, 2, 3] = -5
    assert gini(one).item() == pytest.approx(1 - 1 / 64, abs=1e-7)
    assert gini(torch.full((1, 8, 8), 0.3)).item() == pytest.approx(0, abs=1e-7)
    assert gini(torch.zeros(1, 8, 8)).isnan().all()
    half = torch.cat([torch.zeros(1, 4, 8), torch.ones(1, 4, 8)], 1)
    assert gini(half).item() == pytest.approx(0.5)
    assert gini(1e-12 * half).equal(gini(half))


def test_localisation_by_hand():
    maps = torch.tensor([[4.0, 1, -9, 2, 3, 0], [1, 1, 1, 1, 1, 1], [5, 0, 0, 0, 0, 5], [-1, -2, -3, -4, -5, -6]])
    mask = torch.tensor([[1, 1, 1], [0, 0, 0]], dtype=torch.bool).expand(4, -1, -1)
    e = replace(case(n=4), maps=maps.view(4, 2, 3), mask=mask)
    torch.testing.assert_close(METRICS["pointing_game"](e), torch.tensor([1, 0.5, 0.5, 1]))
    torch.testing.assert_close(METRICS["energy_in_mask"](e), torch.tensor([0.5, 0.5, 0.5, torch.nan]), equal_nan=True)
    torch.testing.assert_close(METRICS["relevance_rank"](e), torch.tensor([1 / 3, 0.5, (1 + 2 / 4) / 3, 1]))


class Ignorant(InputXGradient):
    """Edges: a map that knows the image only."""

    def __call__(self, model, x, target):
        return x.sum(1).abs()


class Deaf(InputXGradient):
    """The same map for everything."""

    def __call__(self, model, x, target):
        return torch.randn(x.shape[2:], generator=torch.Generator().manual_seed(1)).expand(len(x), -1, -1).clone()


@pytest.mark.parametrize("method", [Ignorant(), Deaf()])
def test_map_that_ignores_the_model_is_told(method):
    e = case(method)
    torch.testing.assert_close(METRICS["mprt"](e), torch.ones(6))
    torch.testing.assert_close(METRICS["random_logit"](e), torch.ones(6))
    still = torch.ones(6) if isinstance(method, Deaf) else None
    if still is not None:
        assert METRICS["max_sensitivity"](e).eq(0).all()
        for measure in ("spearman", "ssim", "top_10"):
            torch.testing.assert_close(METRICS[f"noise_stability_{measure}"](e), still)


def test_map_that_follows_the_model_changes_with_it():
    e = case()
    assert METRICS["mprt"](e).abs().mean() < 0.5 and METRICS["random_logit"](e).mean() < 0.5


def test_linear_change_has_the_sensitivity_of_the_noise():
    """Of a map that is the image itself: the relative size of the noise."""

    class Image(InputXGradient):
        def __call__(self, model, x, target):
            return x[:, 0]

    e, metric = case(Image()), METRICS["max_sensitivity"]
    size = metric(e) * e.x[:, 0].flatten(1).norm(dim=1)  # the noise in model units, of 256 uniform draws
    expected = metric.radius / e.std[0].item() * (256 / 3) ** 0.5
    assert size.std() < 1e-6 and size[0].item() == pytest.approx(expected, rel=0.1)
    with_more = replace(metric, samples=40)(replace(e, shared={}))
    assert (with_more >= metric(e)).all() and (with_more < 1.3 * metric(e)).all()


def test_mprt_curve_starts_at_the_original_and_leaves_it_out():
    e = case()
    fractions, values = METRICS["mprt"].curve(e)
    torch.testing.assert_close(fractions, torch.tensor([0, 1 / 3, 2 / 3, 1]))
    assert values[:, 0].eq(1).all()
    torch.testing.assert_close(METRICS["mprt"](e), values[:, 1:].mean(1))


def test_one_layer_is_randomised_in_every_stage():
    e = linear(InputXGradient())
    values = METRICS["mprt"].curve(e)[1]
    assert (values[:, 1:].abs() < 0.3).all()


def test_random_logit_needs_two_classes():
    class One(Linear):
        def forward(self, x):
            return super().forward(x)[:, :1]

    with pytest.raises(ValueError, match="at least 2 classes; it has 1"):
        METRICS["random_logit"](explained(frozen(One(SIDE)), images(2, SIDE)))
