"""The schedule of extremal perturbation does what it is for; references prove what optimised masks and attacks are."""

from dataclasses import replace

import pytest
import torch

from tests.methods import networks
from tests.methods.entries import entry


@pytest.mark.slow
def test_an_extremal_mask_has_its_area():
    model, (x, target) = networks.network("plain"), networks.images(2)
    maps = replace(entry("extremal_perturbation"), cells=32, areas=(0.1,), iterations=100)(model, x, target)
    assert (maps.mean((1, 2)) - 0.1).abs().max() < 0.03
    wanted = torch.arange(32 * 32) >= 32 * 32 * 0.9
    assert (maps.flatten(1).sort(1).values - wanted.float()).square().mean() < 0.04, "kept or hidden, little between"
