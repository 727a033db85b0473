"""The oracle's evidence, derived again pixel by pixel in float64."""

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from torchvision.transforms.functional import gaussian_blur

from models.planted import Planted
from tests.conftest import composed


@pytest.fixture(scope="module")
def oracle():
    """The configured network with its images: network, pixels, labels, masks."""
    cfg = composed("model=planted", "dataset=planted")
    dataset = instantiate(cfg.dataset)
    network = instantiate(cfg.model)(dataset)
    _, pixels, labels, masks = zip(*dataset.test(network.input_size), strict=True)
    return network, torch.stack(pixels), torch.tensor(labels), torch.stack(masks)


def test_logits_are_mean_evidence(oracle):
    network, x, _, _ = oracle
    for pixels in (x, torch.rand(5, 3, 17, 40, generator=torch.Generator().manual_seed(0))):
        expected = 48 * np.maximum(pixels.double().numpy() - 0.5, 0).mean((2, 3))
        np.testing.assert_allclose(network.module(pixels).numpy(), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.slow
def test_network_is_in_pixel_units(oracle):
    network = oracle[0]
    assert network.mean == (0, 0, 0) and network.std == (1, 1, 1) and network.input_size == 32
    assert network.module.get_submodule(composed("model=planted").model.last_conv)(oracle[1]).ndim == 4


def test_evidence_is_equal_on_the_object_and_zero_elsewhere(oracle):
    network, x, labels, masks = oracle
    x = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(network.module(x).gather(1, labels[:, None]).sum(), x)
    on_object = torch.nn.functional.one_hot(labels, 3)[..., None, None].bool() & masks[:, None]
    assert torch.equal(gradient, on_object * torch.tensor(48 / 32**2))
    other = network.module(x) * (1 - torch.nn.functional.one_hot(labels, 3))
    assert (other == 0).all()


def test_probability_is_neither_saturated_nor_flat_while_the_object_goes(oracle):
    network, x, labels, masks = oracle
    order = masks.flatten(1).to(int).argsort(dim=1, descending=True, stable=True).argsort(dim=1).view_as(masks)
    curve = []
    for part in (0, 0.25, 0.5, 0.75, 1):
        gone = order < part * masks.sum((1, 2), keepdim=True)
        p = network.module(torch.where(gone[:, None], 0.0, x)).softmax(1).gather(1, labels[:, None])
        curve.append(p.mean().item())
    assert 0.9 < curve[0] < 0.95 and curve[-1] == pytest.approx(1 / 3)
    assert all(a - b > 0.05 for a, b in pairwise(curve))


def test_nothing_but_the_object_changes_the_probability(oracle):
    """Else a map that marks it as evidence against the class would beat the mask, also where a blur replaces pixels."""
    network, x, _, masks = oracle
    before = network.module(x)
    for fill in (torch.zeros_like(x), gaussian_blur(x, 21, 3.2), gaussian_blur(x, 11, 5.0)):
        assert (network.module(torch.where(masks[:, None], x, fill)) - before).abs().max() < 0.02


def planted(**fields) -> Planted:
    return Planted(**{"threshold": 0.5, "scale": 48, "last_conv": "features", "input_size": 32, **fields})


def test_other_classes_are_refused():
    with pytest.raises(ValueError, match="SimpleNamespace"):
        planted()(SimpleNamespace(classes=("cat",)))
    assert planted()(SimpleNamespace(classes=())).module(torch.rand(1, 3, 32, 32)).shape == (1, 3)


WRONG = {"threshold": [1.0, -0.1, "abc"], "scale": [0, True], "input_size": [8, 32.0], "last_conv": ["layer4", None]}


@pytest.mark.parametrize("name", WRONG)
def test_values_out_of_range_are_refused_by_name(name):
    for value in WRONG[name]:
        with pytest.raises(ValueError, match=name):
            planted(**{name: value})
