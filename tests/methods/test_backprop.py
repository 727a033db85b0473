"""Excitation backprop's laws of probability, and what deconvnet and guided backprop refuse."""

import pytest
import timm
import torch

from entries import Inapplicable
from methods.backprop import Deconvnet, GuidedBackprop
from methods.positive_rules import ExcitationBackprop
from models.canonical import canonical
from tests.methods import networks
from tests.methods.entries import relative

excitation = ExcitationBackprop(1e-12, canonical)


@pytest.mark.parametrize("kind", [Deconvnet, GuidedBackprop])
def test_a_network_without_relu_is_refused(kind):
    model = timm.create_model("test_efficientnet", num_classes=5).eval()
    with pytest.raises(Inapplicable, match="EfficientNet"):
        kind(canonical)(model, torch.randn(1, 3, 32, 32), torch.tensor([0]))


@pytest.mark.parametrize("name", ["vgg16", "resnet18", pytest.param("inception_v3", marks=pytest.mark.slow)])
def test_winning_probabilities_sum_to_one(name):
    model, x, target, _ = networks.architecture(name)
    maps = excitation(model, x, target)
    assert maps.min() >= 0
    torch.testing.assert_close(maps.sum((1, 2)), torch.ones(2).double(), rtol=0, atol=1e-6)


def test_only_the_ratio_of_winners_counts():
    """A shift and a scale of all logits change no probability."""
    model, (x, target) = networks.network("plain"), networks.images()
    before = excitation(model, x, target)
    model.head[-1].bias += 3
    model.head[-1].weight *= 2
    assert relative(excitation(model, x, target), before) < 1e-6
