"""Randomised models: their layers and stages, what is shared, and which models have none."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from benchmarks.conformance.cases import case, explained, frozen, images
from benchmarks.conformance.models import Linear
from benchmarks.metrics.randomisation.parameters import run_order, top_down
from benchmarks.store import Store
from tests.metrics.entries import METRICS

SIDE = 16


def batch(store=None):
    e = case()
    return replace(e, store=store or Store(None, e.model, "", torch.device("cpu")), shared={})


def test_layers_lose_their_weights_in_the_order_of_the_run():
    e = case()
    layers = top_down(e.model, run_order(e.model, e.x[:1]).tolist())
    assert [name for name, _ in layers] == ["head", "second", "norm", "first"]  # never `idle`
    assert [name.rpartition(".")[2] for name in layers[2][1]] == ["weight", "bias", "running_mean", "running_var"]


def test_curve_starts_at_the_original_and_leaves_it_out():
    fractions, values = METRICS["mprt"].curve(e := case())
    torch.testing.assert_close(fractions, torch.tensor([0, 1 / 3, 2 / 3, 1]))
    assert values[:, 0].eq(1).all()
    torch.testing.assert_close(METRICS["mprt"](e), values[:, 1:].mean(1))


def test_second_method_costs_only_its_maps():
    e, calls = batch(), []
    e.model.register_forward_hook(lambda _module, _inputs, logits: calls.append(len(logits)))
    first = METRICS["mprt"](e)
    assert calls == [1, 6, 8, 6, 8, 6]  # the order of layers; maps; statistics of batch norms once there is one
    calls.clear()
    assert METRICS["mprt"](replace(e, shared={})).equal(first) and calls == [6, 6, 6]


def test_smooth_mprt_shares_the_randomised_model_and_the_noisy_maps():
    e, calls = batch(), []
    for name in ("max_sensitivity", "mprt"):
        METRICS[name](e)
    e.model.register_forward_hook(lambda _module, _inputs, logits: calls.append(len(logits)))
    score = METRICS["smooth_mprt"](e)
    assert calls == [6] * 4 and score.equal(METRICS["smooth_mprt"](case()))


def test_one_layer_is_randomised_in_every_stage():
    values = METRICS["mprt"].curve(explained(frozen(Linear(SIDE)), images(4, SIDE)))[1]
    assert (values[:, 1:] < 0.3).all() and values[:, 1].equal(values[:, 3])


def test_map_that_follows_the_model_and_the_class_changes_with_them():
    for name in ("mprt", "smooth_mprt", "random_logit"):
        assert METRICS[name](case()).mean() < 0.5


@pytest.mark.parametrize("name", ["mprt", "smooth_mprt"])
def test_model_without_weights_is_refused(name):
    model = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(ValueError, match="needs a model with weights; Sequential has none"):
        METRICS[name](explained(frozen(model), images(2, SIDE)))


def test_random_logit_needs_two_classes():
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, 1))
    with pytest.raises(ValueError, match="at least 2 classes; it has 1"):
        METRICS["random_logit"](explained(frozen(model), images(2, SIDE)))
