"""LIME and KernelSHAP against captum, Shapley's formula and games with known values."""

import itertools
import math
from dataclasses import replace

import pytest
import torch
from captum._utils.models.linear_model import SkLearnRidge
from captum.attr import Lime as CaptumLime
from captum.attr import ShapleyValues
from torch import nn
from torch.nn.functional import one_hot

from methods.superpixels import superpixels
from methods.surrogate import KernelShap, Lime
from tests.methods import networks

LIME = Lime(masks=60, segments=12, width=0.25, ridge=1.0, value=-0.3, seed=0, batch=200)
SHAP = KernelShap(masks=60, segments=12, baseline=-0.3, seed=0, batch=200)
METHODS = pytest.mark.parametrize("method", [LIME, SHAP], ids=["lime", "kernel_shap"])


@pytest.fixture(params=["residual", "plain", "branches"])
def case(request):
    model, (x, target) = networks.network(request.param).double(), networks.images()
    return model, x.double(), target


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


def shapley(worth, n):
    """Shapley's formula, over all coalitions (tuples of True and False)."""
    total = torch.zeros(n).double()
    for members in itertools.product((False, True), repeat=n):
        for i in itertools.compress(range(n), members):
            weight = math.factorial(sum(members) - 1) * math.factorial(n - sum(members)) / math.factorial(n)
            total[i] += weight * (worth[members] - worth[(*members[:i], False, *members[i + 1 :])])
    return total


def exact(method, model, x, target):
    """The Shapley values of the superpixels of one image."""
    labels, worth = superpixels(x, method.segments)[0], {}
    for members in itertools.product((False, True), repeat=int(labels.max()) + 1):
        seen = torch.tensor(members)[labels]
        worth[members] = model(torch.where(seen, x, method.baseline))[0, target].item()
    return shapley(worth, int(labels.max()) + 1)


def test_shapley_formula_is_captums():
    """Captum's mean over all orders of the superpixels, which it keeps in single precision."""
    model, (x, target) = networks.network("plain").double(), networks.images(1, side=16)
    x, method = x.double(), replace(SHAP, segments=7)
    options = {"baselines": method.baseline, "target": target, "feature_mask": superpixels(x, 7)[:, None]}
    found = ShapleyValues(model).attribute(x, perturbations_per_eval=100, **options)
    wanted = exact(method, model, x, target)
    assert len(wanted) > 4 and (found[0, 0] - wanted[superpixels(x, 7)[0]]).abs().max() < 1e-5 * wanted.abs().max()


def test_kernel_shap_nears_shapley_values(case):
    """Over ten seeds the mean is as near as ten draws make it, the error is 1 / sqrt(16) at 16 times the samples."""
    model, x, target = case[0], case[1][:1], case[2][:1]
    method, error, bias = replace(SHAP, segments=7), [], []
    wanted = exact(method, model, x, target)
    for samples in (40, 640):
        runs = [replace(method, masks=samples, seed=seed) for seed in range(10)]
        found = torch.cat([values(run, model, x, target) for run in runs]) - wanted
        error.append(found.square().mean().sqrt().item())
        bias.append(found.mean(0).square().mean().sqrt().item())
    assert error[1] < 0.02 * wanted.abs().max() and 2.5 < error[0] / error[1] < 7
    assert bias[1] < 2 * error[1] / 10**0.5


@pytest.mark.parametrize("samples", [28, 29, 200])
def test_kernel_shap_is_exact_for_an_additive_game(samples):
    """Any sample will do that tells the superpixels apart, and a dummy gets nothing."""
    wanted = torch.tensor([3.0, -1.0, 0.0, 2.0, 0.5, 0.0, 7.0, -4.0]).double()
    found = played(replace(SHAP, masks=samples), lambda shown: 5 + shown @ wanted)
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-10)


def test_kernel_shap_of_a_linear_model_is_what_each_superpixel_adds():
    """The sum of w (x - baseline) over it."""
    x, target = networks.images(2, side=24)[0].double(), torch.tensor([1, 0])
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 24 * 24, 2)).double()
    added = (model[1].weight[target].view_as(x) * (x - SHAP.baseline)).sum(1).detach()
    wanted = torch.einsum("nhw,nhwk->nk", added, one_hot(superpixels(x, SHAP.segments)).double())
    torch.testing.assert_close(values(SHAP, model, x, target), wanted)


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


@pytest.mark.parametrize("samples", [90, 92, 94, 96, 98, 100])
def test_kernel_shap_is_tame_with_as_many_pairs_as_superpixels(samples):
    """No more noise than signal, where full least squares has up to 40 times as much."""
    model, (x, target) = networks.network("branches"), networks.images(1, side=64)
    wanted, found = (replace(SHAP, segments=50, masks=n)(model, x, target) for n in (2000, samples))
    assert (found - wanted).norm() < 1.2 * wanted.norm()


@pytest.mark.parametrize("samples", [1, 2, 5, 23, 300])
def test_kernel_shap_is_complete(case, samples):
    model, x, target = case
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
@pytest.mark.parametrize("samples", [6, 60, 400])
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


@METHODS
@pytest.mark.parametrize("channels", [1, 5])
def test_any_number_of_channels_will_do(method, channels):
    model = nn.Sequential(nn.Conv2d(channels, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    x = networks.images(2, side=16)[0].repeat(1, 2, 1, 1)[:, :channels]
    maps = method(model.requires_grad_(False), x, torch.tensor([0, 1]))
    assert maps.shape == (2, 16, 16) and maps.isfinite().all() and maps.std() > 0


def test_lime_is_captums(case):
    """Captum's ridge over its feature mask, told what to show and how much a sample weighs."""
    model, x, target = case
    labels, maps = superpixels(x, LIME.segments), LIME(model, x, target)
    for i in range(len(x)):
        rng = torch.Generator().manual_seed(LIME.seed)
        shown = torch.rand(LIME.masks, 4 * LIME.segments, generator=rng) < 0.5
        shown[0] = True
        rows = iter(shown[:, None, : labels[i].max() + 1].long())

        def weigh(_image, _perturbed, row, **_):
            return torch.exp(-(((1 - row.double().mean().sqrt()) / LIME.width) ** 2))

        def perturb(_image, rows=rows, **_):
            return next(rows)

        lime = CaptumLime(nn.Sequential(model, nn.Softmax(1)), SkLearnRidge(alpha=LIME.ridge), weigh, perturb)
        options = {"baselines": LIME.value, "target": int(target[i]), "feature_mask": labels[i][None, None]}
        wanted = lime.attribute(x[i : i + 1], n_samples=LIME.masks, **options)[0, 0].double()
        size = labels[i].flatten().bincount()[labels[i]]
        assert (maps[i] * size - wanted).abs().max() < 1e-5 * wanted.abs().max()  # captum fits in single precision


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


@pytest.mark.parametrize(
    ("method", "field", "wrong"),
    [
        (LIME, "masks", 0),
        (LIME, "segments", 0),
        (LIME, "width", 0.0),
        (LIME, "ridge", 0.0),
        (LIME, "value", float("nan")),
        (SHAP, "masks", 2.5),
        (SHAP, "segments", True),
        (SHAP, "baseline", float("inf")),
    ],
)
def test_misuse_is_one_sentence(method, field, wrong):
    with pytest.raises(ValueError, match=rf"^{type(method).__name__} needs .*{field}={wrong!r} was given$"):
        replace(method, **{field: wrong})
