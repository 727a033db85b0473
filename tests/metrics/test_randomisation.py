"""Randomised models: their layers and stages, what is shared, and which models have none."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from benchmarks.conformance.cases import case, explained, frozen, images
from benchmarks.store import Store
from tests.answers.models import Linear
from tests.metrics.entries import METRICS


@pytest.fixture
def sweep():
    """A batch with a store that all methods share, and the number of images in each call of its model."""
    e, calls = case(), []
    e.model.register_forward_hook(lambda _module, _inputs, logits: calls.append(len(logits)))
    return replace(e, store=Store(None, e.model, "", torch.device("cpu")), shared={}), calls


def test_second_method_costs_only_its_maps(sweep):
    e, calls = sweep
    calls.clear()
    first = METRICS["mprt"](e)
    assert calls == [1, 6, 8, 6, 8, 6]  # the order of layers; maps; statistics of batch norms once there is one
    calls.clear()
    assert METRICS["mprt"](replace(e, shared={})).equal(first) and calls == [6, 6, 6]


def test_smooth_mprt_shares_the_randomised_model_and_the_noisy_maps(sweep):
    e, calls = sweep
    for name in ("max_sensitivity", "mprt"):
        METRICS[name](e)
    calls.clear()
    score = METRICS["smooth_mprt"](e)
    assert calls == [6] * 4 and score.equal(METRICS["smooth_mprt"](case()))


def test_one_layer_is_randomised_in_every_stage():
    values = METRICS["mprt"].curve(explained(frozen(Linear(16)), images(4, 16)))[1]
    assert (values[:, 1:] < 0.3).all() and values[:, 1].equal(values[:, 3])


WEIGHTLESS = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
ONE_CLASS = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 1))


@pytest.mark.parametrize(
    ("name", "model"), [("mprt", WEIGHTLESS), ("smooth_mprt", WEIGHTLESS), ("random_logit", ONE_CLASS)]
)
def test_model_without_weights_or_a_second_class_is_refused(name, model):
    with pytest.raises(ValueError):
        METRICS[name](explained(frozen(model), images(2, 16)))
