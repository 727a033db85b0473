"""LIME and KernelSHAP in games with known values, and against captum's Shapley values."""

from dataclasses import replace

import pytest
import torch
from captum.attr import ShapleyValues
from torch import nn
from torch.nn.functional import one_hot

from methods.superpixels import superpixels
from methods.surrogate import KernelShap, Lime
from tests.methods import networks

LIME = Lime(masks=60, segments=12, width=0.25, ridge=1.0, value=-0.3, seed=0, batch=200)
SHAP = KernelShap(masks=60, segments=12, baseline=-0.3, seed=0, batch=200)
METHODS = pytest.mark.parametrize("method", [LIME, SHAP], ids=["lime", "kernel_shap"])


class Game(nn.Module):
    """Two classes; the first's logit is what the superpixels of one image that are not painted over are worth."""

    def __init__(self, labels, worth):
        super().__init__()
        member = one_hot(labels).flatten(0, 1).double()
        self.share, self.worth = member / member.sum(0), worth

    def forward(self, x):
        first = self.worth((x[:, 0] != SHAP.baseline).double().flatten(1) @ self.share)
        return torch.stack([first, torch.zeros_like(first)], 1)


def values(method, model, x, target):
    """The values (n, k) of the superpixels: sums of the map."""
    labels, maps = superpixels(x, method.segments).flatten(1), method(model, x, target)
    return torch.zeros(len(x), labels.max() + 1).to(maps).scatter_add_(1, labels, maps.flatten(1))


def played(method, worth):
    """The values (8,) of a game of eight squares, each in its own colour."""
    colours = torch.randn(1, 3, 2, 4, generator=torch.Generator().manual_seed(0)).double()
    x, method = colours.repeat_interleave(8, 2).repeat_interleave(8, 3), replace(method, segments=8)
    squares = torch.arange(8).view(2, 4).repeat_interleave(8, 0).repeat_interleave(8, 1)
    assert torch.equal(superpixels(x, 8)[0], squares)
    return values(method, Game(squares, worth), x, torch.tensor([0]))[0]


def test_kernel_shap_nears_shapley_values():
    """Over ten seeds the mean is as near as ten draws make it, the error is 1 / sqrt(16) at 16 times the samples.

    captum's Shapley values are means over all orders of the superpixels.
    """
    model, (x, target) = networks.network("plain").double(), networks.images(1, side=16)
    x, method, error, bias = x.double(), replace(SHAP, segments=7), [], []
    labels = superpixels(x, 7)
    options = {"baselines": method.baseline, "target": target, "feature_mask": labels[:, None]}
    shares = ShapleyValues(model).attribute(x, perturbations_per_eval=100, **options)[0, 0]
    wanted = torch.stack([shares[labels[0] == i].mean() for i in range(int(labels.max()) + 1)]).double()
    assert len(wanted) > 4
    for samples in (40, 640):
        runs = [replace(method, masks=samples, seed=seed) for seed in range(10)]
        found = torch.cat([values(run, model, x, target) for run in runs]) - wanted
        error.append(found.square().mean().sqrt().item())
        bias.append(found.mean(0).square().mean().sqrt().item())
    assert error[1] < 0.02 * wanted.abs().max() and 2.5 < error[0] / error[1] < 7
    assert bias[1] < 2 * error[1] / 10**0.5


@pytest.mark.parametrize("samples", [28, 29])
def test_kernel_shap_is_exact_for_an_additive_game(samples):
    """Any sample will do that tells the superpixels apart, and a dummy gets nothing."""
    wanted = torch.tensor([3.0, -1.0, 0.0, 2.0, 0.5, 0.0, 7.0, -4.0]).double()
    found = played(replace(SHAP, masks=samples), lambda shown: 5 + shown @ wanted)
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-10)


# a game of eight, and its Shapley values
GAMES = {
    "a team of three": (lambda shown: shown[:, 1:4].prod(1), [0, 1 / 3, 1 / 3, 1 / 3, 0, 0, 0, 0]),
    "any of two": (lambda shown: shown[:, 4:6].amax(1), [0, 0, 0, 0, 1 / 2, 1 / 2, 0, 0]),
    "a majority of five": (lambda shown: (shown[:, :5].sum(1) > 2.5).double(), [1 / 5] * 5 + [0] * 3),
    "a glove and two": (lambda shown: shown[:, 0] * shown[:, 1:3].amax(1), [2 / 3, 1 / 6, 1 / 6, 0, 0, 0, 0, 0]),
}


@pytest.mark.parametrize("name", GAMES)
def test_kernel_shap_knows_dummies_and_twins(name):
    """In the limit, where superpixels interact."""
    worth, wanted = GAMES[name]
    few, many = ((played(replace(SHAP, masks=n), worth) - torch.tensor(wanted)).norm() for n in (100, 20000))
    assert many < 0.04 and many <= few


@pytest.mark.parametrize("samples", [90, 96])
def test_kernel_shap_is_tame_with_as_many_pairs_as_superpixels(samples):
    """No more noise than signal, where full least squares has up to 40 times as much."""
    model, (x, target) = networks.network("branches"), networks.images(1, side=64)
    wanted, found = (replace(SHAP, segments=50, masks=n)(model, x, target) for n in (2000, samples))
    assert (found - wanted).norm() < 1.2 * wanted.norm()


@pytest.mark.parametrize("samples", [1, 5, 300])
def test_kernel_shap_is_complete(samples):
    model, (x, target) = networks.network("residual").double(), networks.images()
    x = x.double()
    maps = replace(SHAP, masks=samples)(model, x, target)
    logits = model(x) - model(torch.full_like(x, SHAP.baseline))
    torch.testing.assert_close(maps.sum((1, 2)), logits.gather(1, target[:, None])[:, 0])


def test_kernel_shap_without_samples_to_tell_is_nearest_to_equal():
    """One coalition, which earns nothing of the 8 that there are: its members get 0, the others share alike."""
    found = played(replace(SHAP, masks=1), lambda shown: 8.0 * (shown.sum(1) > 7.5))
    others = found > 1e-9
    assert 0 < others.sum() < 8
    torch.testing.assert_close(found, others * 8 / others.sum().double())


@METHODS
@pytest.mark.parametrize("samples", [6, 400])
def test_map_does_not_depend_on_images_with_other_numbers_of_superpixels(method, samples):
    model, method = networks.network("residual").double(), replace(method, masks=samples, segments=50)
    x, target = networks.images(3)[0].double(), networks.images(3)[1]
    assert len(set(superpixels(x, 50).amax((1, 2)).tolist())) > 1
    alone = torch.cat([method(model, x[i : i + 1], target[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(method(model, x, target), alone, rtol=1e-8, atol=1e-10)


@METHODS
def test_one_superpixel_is_all_there_is(method):
    model, (x, target) = networks.network("plain").double(), networks.images(2)
    x, method = x.double(), replace(method, segments=1)
    maps = method(model, x, target)
    assert superpixels(x, 1).max() == 0 and (maps != 0).all() and (maps == maps[:, :1, :1]).all()


def test_lime_finds_the_weights_of_a_linear_probability():
    """Whatever the samples weigh; the penalty shrinks them."""
    wanted = torch.tensor([0.1, -0.05, 0.0, 0.2, 0.05, -0.1, 0.1, 0.0]).double()
    linear = lambda shown: torch.logit(0.4 + shown @ wanted)  # noqa: E731
    torch.testing.assert_close(played(replace(LIME, ridge=1e-10), linear), wanted, rtol=1e-6, atol=1e-9)
    assert played(replace(LIME, ridge=10.0), linear).norm() < 0.5 * wanted.norm()


def test_lime_looks_near_the_image_as_far_as_its_kernel_is_wide():
    """Of a product of two, z z', the slope in z is the mean of z': 1/2 for all that is drawn, more near the image."""
    both = lambda shown: torch.logit(0.2 + 0.6 * shown[:, :2].prod(1))  # noqa: E731
    runs = [replace(LIME, masks=10000, width=width) for width in (100.0, 0.1)]
    wide, narrow = (played(run, both) / 0.6 for run in runs)
    torch.testing.assert_close(wide, torch.tensor([0.5, 0.5, 0, 0, 0, 0, 0, 0]).double(), rtol=0, atol=0.03)
    assert narrow[:2].min() > 0.65
