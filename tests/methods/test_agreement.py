"""Every method agrees with an independent reference on every architecture that it applies to."""

import pytest

from tests.conftest import options
from tests.methods.agreement import agreement
from tests.methods.references import references


def test_every_method_has_a_reference():
    assert sorted(references()) == options("method")


@pytest.mark.parametrize("network", ["vgg16", "resnet18", pytest.param("inception_v3", marks=pytest.mark.slow)])
def test_agreement(method_name, network):
    """One image; that its map does not depend on others beside it is part of the contract."""
    row, refused = agreement(method_name, network, 1, single=False), references()[method_name].inapplicable
    assert len(refused) <= 1, "at least two architectures"
    if network in refused:
        assert refused[network] in row["reason"]
    else:
        assert row["reason"] == "" and row["float64"] <= 1e-4
