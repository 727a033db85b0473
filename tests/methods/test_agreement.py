"""Every method agrees with an independent reference on every architecture that it applies to."""

from dataclasses import replace

import pytest

from tests.conftest import METHODS
from tests.methods import networks
from tests.methods.agreement import agreement
from tests.methods.entries import entry, explain, relative
from tests.methods.references import references
from tests.methods.references.optimisation import REFERENCES as OPTIMISED


def test_every_method_has_a_reference():
    assert sorted(references()) == METHODS


@pytest.mark.slow
@pytest.mark.parametrize("network", ["vgg16", "resnet18", "inception_v3"])
def test_agreement(method_name, network):
    """One image; that its map does not depend on others beside it is part of the contract."""
    row, refused = agreement(method_name, network, published=False), references()[method_name].inapplicable
    assert len(refused) <= 1, "at least two architectures"
    if network in refused:
        assert refused[network] in row["reason"]
    else:
        assert row["reason"] == "" and row["float64"] <= 1e-4


# What the test above does not reach: (method, its fields, network, height, width)
CASES = [
    ("occlusion", {"window": 0.3, "stride": 0.2}, "plain", 20, 13),
    ("occlusion", {"window": 0.01, "stride": 0.01}, "plain", 9, 8),  # single pixels
    ("occlusion", {"window": 1.0, "stride": 0.5}, "plain", 11, 12),
    ("expected_gradients", {"samples": 7}, "branches", 16, 16),  # the background has five images
    ("guided_integrated_gradients", {"deviation": 0.05, "fraction": 1.0}, "branches", 16, 16),
    ("guided_integrated_gradients", {"deviation": 1.0, "fraction": 0.01}, "branches", 16, 16),
    ("cam", {}, "resnet18", 66, 66),  # maps of 3 x 3 pixels, with several peaks
    ("peak_response", {}, "resnet18", 66, 66),
    # In three steps no mask of three areas feels its area, and no attack reaches its ball.
    *((name, {"iterations": 12}, "plain", 32, 32) for name in OPTIMISED),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "fields", "family", "height", "width"), CASES)
def test_agreement_with_other_settings(name, fields, family, height, width):
    model, (x, target) = networks.network(family).double(), networks.images(2, height)
    method, x = replace(entry(name), **fields), x[..., :width].double()
    assert relative(explain(method, model, x, target), references()[name].maps(method, model, x, target)) < 1e-5
