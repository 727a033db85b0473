"""Randomised models: their stages, and which models have none."""

import pytest
from torch import nn

from benchmarks.conformance.cases import explained, frozen, images
from tests.answers.models import Linear
from tests.metrics.entries import METRICS


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
