"""Backward passes with rules of their own, against matrices written out in float64 and their laws."""

import pytest
import timm
import torch
from torch import Tensor, nn

from methods import Inapplicable
from methods.backprop import Deconvnet, Guided, GuidedBackprop, GuidedGradCam, modified_gradient
from methods.cam import GradCam
from methods.positive_rules import ExcitationBackprop
from models.canonical import canonical
from tests.methods import networks
from tests.methods.entries import relative
from tests.methods.networks import randomised

KINDS = (Deconvnet, GuidedBackprop)


@pytest.mark.parametrize("kind", KINDS)
def test_matrices(kind):
    """Two hidden layers written out: W1'(m1 * W2'(m2 * w3)) with the masks of the method."""
    hidden = (nn.Linear(18, 12), nn.ReLU(True), nn.Linear(12, 9), nn.ReLU(True))
    net = randomised(nn.Sequential(nn.Flatten(), *hidden, nn.Linear(9, 3)))
    x = torch.randn(1, 2, 3, 3, generator=torch.Generator().manual_seed(2))
    (w1, b1), (w2, b2), w3 = *((net[i].weight.double(), net[i].bias.double()) for i in (1, 3)), net[5].weight.double()
    a1 = w1 @ x.double().reshape(-1) + b1
    a2 = w2 @ a1.relu() + b2

    def back(g: Tensor, a: Tensor) -> Tensor:
        return g * (g > 0) * ((a > 0) if kind is GuidedBackprop else 1)

    for target in range(3):
        theirs = w1.t() @ back(w2.t() @ back(w3[target], a2), a1)
        ours = kind(canonical)(net, x, torch.tensor([target]))
        torch.testing.assert_close(ours.double()[0], theirs.reshape(2, 3, 3).abs().amax(0), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_without_relu_is_refused(kind):
    model = timm.create_model("efficientnet_b0", num_classes=5).eval()
    with pytest.raises(Inapplicable, match=f"{kind.__name__} needs a plain ReLU; EfficientNet has none"):
        kind(canonical)(model, torch.randn(1, 3, 32, 32), torch.tensor([0]))


def test_guided_grad_cam_may_reduce_channels_before_or_after():
    """The paper's product of each channel with the CAM, and then the largest magnitude."""
    model, (x, target) = networks.network("resnet18"), networks.images()
    method = GuidedGradCam("layer2", canonical)
    product = modified_gradient(method, model, x, target) * GradCam("layer2")(model, x, target)[:, None]
    torch.testing.assert_close(method(model, x, target), product.abs().amax(1), rtol=1e-6, atol=0)
    assert method.rectifier is Guided
    with pytest.raises(Inapplicable, match=r"GuidedGradCam needs a Grad-CAM: .*'nowhere'; ResNet has none"):
        GuidedGradCam("nowhere", canonical)(model, x, target)


excitation = ExcitationBackprop(1e-12, canonical)


def test_winning_probabilities_of_two_layers():
    """P(j) = sum_k P(k) a_j w_jk^+ / sum_i a_i w_ik^+, written out; biases have no part."""
    net = randomised(nn.Sequential(nn.Flatten(), nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 3))).double()
    net[1].weight[:, 0] = net[1].weight[:, 0].abs()  # whatever wins has been excited
    x = torch.rand(1, 2, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    a0 = x.flatten()
    a1 = net[2](net[1](a0))
    for target in range(3):
        p1, p0 = torch.zeros(6).double(), torch.zeros(8).double()
        wins = a1 * net[3].weight[target].clamp(min=0)
        p1 += wins / wins.sum()
        for k in range(6):
            wins = a0 * net[1].weight[k].clamp(min=0)
            p0 += p1[k] * wins / wins.sum() if p1[k] > 0 else 0
        ours = excitation(net, x, torch.tensor([target]))
        torch.testing.assert_close(ours[0], p0.reshape(2, 2, 2).sum(0), rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", networks.ARCHITECTURES)
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
