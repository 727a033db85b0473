"""Features and heads of networks against the networks themselves, and fitted heads against scikit-learn."""

from dataclasses import replace

import numpy as np
import pytest
import timm
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from entries import Inapplicable
from methods.examples.training import Training, fitted_head, with_bias
from tests.examples.trained import convolutional, labelled, linear

L2 = 0.01


@pytest.mark.slow
def test_logits_are_those_of_the_network():
    x, labels = torch.randn(7, 3, 32, 32), torch.arange(7) % 5
    for model in (linear(3, 32, 5), convolutional(5), timm.create_model("resnet18", num_classes=5)):
        training = Training(model.eval().requires_grad_(False), x, labels, 3)
        assert torch.allclose(training.logits(x), model(x).double(), atol=1e-5)
        weight, bias = training.head()
        assert training.features(x).dtype == weight.dtype == bias.dtype == torch.float64
        assert not any(module._forward_pre_hooks or module._forward_hooks for module in model.modules())


def test_another_network_has_features_of_its_own_in_a_store_as_well():
    kept = {}

    def keep(inputs, key, compute):
        return kept.setdefault((key, *(x.numpy().tobytes() for x in inputs)), compute())

    x, labels, (a, b) = torch.randn(4, 3, 8, 8), torch.arange(4), (convolutional(4) for _ in range(2))
    training = Training(a, x, labels, 2, keep)
    for one, model in ((training, None), (training, b), (replace(training, model=b), None)):
        assert torch.allclose(one.logits(x, model), (model or one.model)(x).double(), atol=1e-5)


@pytest.mark.parametrize(
    "model",
    [
        nn.Sequential(nn.Flatten(), nn.Linear(192, 4), nn.ReLU()),
        nn.Sequential(nn.Flatten(), nn.Linear(192, 1)),
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    ],
    ids=["more after it", "one logit", "3 x 3 convolution", "no weights"],
)
def test_a_network_without_a_head_is_refused(model):
    with pytest.raises(Inapplicable, match="linear layer or a 1 x 1 convolution"):
        Training(model.requires_grad_(False), torch.randn(2, 3, 8, 8), torch.zeros(2).long(), 2).head()


def test_labels_that_are_no_classes_of_the_network_are_refused():
    x = torch.randn(3, 3, 8, 8)
    with pytest.raises(ValueError, match="labels from 0 to 3"):
        Training(linear(3, 8, 4), x, torch.tensor([0, 1, 4]), 2).head()
    with pytest.raises(ValueError, match="a label of each"):
        Training(linear(3, 8, 4), x, torch.tensor([0, 1]), 2)
    with pytest.raises(ValueError, match="labels from 0 to 2"):
        fitted_head(torch.randn(3, 2), torch.tensor([0, 1, -1]), 3, L2)
    with pytest.raises(ValueError, match="as many labels"):
        fitted_head(torch.randn(3, 2), torch.tensor([0, 1]), 3, L2)


@pytest.mark.parametrize("weighted", [False, True], ids=["all images", "weights"])
def test_a_fitted_head_is_scikit_learn_s(weighted):
    h, y = labelled(150, 6, 3)
    weights = torch.rand(150).double().round(decimals=1) if weighted else None
    weight, bias = fitted_head(h, y, 3, L2, weights)
    model = LogisticRegression(C=1 / (150 * L2), fit_intercept=False, tol=1e-10, max_iter=10_000)
    model.fit(with_bias(h).numpy(), y.numpy(), None if weights is None else weights.numpy())
    assert np.allclose(model.coef_[:, :-1], weight, atol=1e-6) and np.allclose(model.coef_[:, -1], bias, atol=1e-6)


def test_a_fitted_head_has_a_gradient_of_0_also_from_another_start():
    h, y = labelled(80, 5, 3)
    h[:, 0] *= 30  # badly scaled
    weights = torch.ones(80).double()
    weights[7] = 0
    full = fitted_head(h, y, 4, L2)  # no image has class 3
    for start in (None, full):
        weight, bias = (part.requires_grad_() for part in fitted_head(h, y, 4, L2, weights, start))
        loss = (weights * nn.functional.cross_entropy(h @ weight.T + bias, y, reduction="none")).sum() / 80
        (loss + L2 / 2 * (weight.square().sum() + bias.square().sum())).backward()
        assert torch.cat([weight.grad.flatten(), bias.grad]).norm() < 2e-10
        without = fitted_head(h[weights > 0], y[weights > 0], 4, L2 * 80 / 79)
        assert torch.allclose(weight, without[0], atol=1e-7)
