"""DeepLIFT: the rules of activations and pools."""

import copy
import warnings

import captum.attr
import pytest
import torch
from torch import Tensor, nn

from methods.deep_lift import DeepLift, DeepLiftShap
from models.canonical import canonical
from tests.methods.entries import relative
from tests.methods.networks import OWN, Assorted, precise
from tests.methods.references.deep_lift import derived

deep_lift = DeepLift(baseline=0.0, canonical=canonical)
shap = DeepLiftShap(batch=8, canonical=canonical)


def seeded(*layers: nn.Module, size: tuple[int, ...] = (3, 8, 8)) -> nn.Module:
    """The layers and a linear one behind them, in float64, with random weights and biases."""
    rng, features = torch.Generator().manual_seed(0), nn.Sequential(*layers).double()
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(features(torch.zeros(1, *size).double()).numel(), 3))
    for p in model.double().parameters():
        p.data = torch.randn(p.shape, generator=rng).double() / max(1, p[0].numel()) ** 0.5
    return model.eval().requires_grad_(False)


def noise(n: int = 3, size: tuple[int, ...] = (3, 8, 8)) -> tuple[Tensor, Tensor, Tensor]:
    """Images, references and targets."""
    rng = torch.Generator().manual_seed(1)
    return *torch.randn(2, n, *size, generator=rng).double(), torch.arange(n) % 3


def residual(maps: Tensor, model: nn.Module, x: Tensor, reference: Tensor, target: Tensor) -> float:
    """Largest |sum - logit difference| / |logit difference|."""
    difference = (model(x) - model(reference)).gather(1, target[:, None])[:, 0]
    return ((maps.flatten(1).sum(1) - difference) / difference).abs().max().item()


def theirs(model: nn.Module, x: Tensor, reference: Tensor, target: Tensor) -> Tensor:
    """captum's maps, channels summed."""
    with warnings.catch_warnings(action="ignore"):
        deep = captum.attr.DeepLift(copy.deepcopy(model))
        return deep.attribute(x, reference, target=target).sum(1).detach()


def paired(model: nn.Module, x: Tensor, reference: Tensor, target: Tensor) -> Tensor:
    """Our maps, each image with a reference of its own."""
    cases = zip(x.split(1), target.split(1), reference.split(1), strict=True)
    return torch.cat([shap(model, a, t, background=b) for a, t, b in cases])


SMOOTH = [nn.Sigmoid(), nn.Tanh(), nn.SiLU(), nn.GELU(), nn.ELU(), nn.Softplus(), nn.Mish(), nn.Hardswish()]
SMOOTH += [nn.ReLU6(), nn.LeakyReLU(0.2), nn.PReLU(4)]


@pytest.mark.parametrize("activation", SMOOTH, ids=lambda m: type(m).__name__)
def test_any_elementwise_activation_is_rescaled(activation):
    model = seeded(nn.Conv2d(3, 4, 3), copy.deepcopy(activation), nn.AvgPool2d(3, 1), nn.Conv2d(4, 4, 2), nn.ReLU())
    x, reference, target = noise()
    maps = paired(model, x, reference, target)
    assert residual(maps, model, x, reference, target) < 1e-10
    if type(activation) in captum.attr._core.deep_lift.SUPPORTED_NON_LINEAR:
        assert relative(theirs(model, x, reference, target), maps) < 1e-8


def opposed(*layers: nn.Module) -> nn.Sequential:
    """The layers behind sums of two neighbours, and the sum of what they give: differences there can all but cancel."""
    both, total = nn.Conv2d(1, 1, (1, 2), (1, 2), bias=False), nn.Linear(1, 1, bias=False)
    model = nn.Sequential(both, *layers, nn.Flatten(), total).requires_grad_(False)
    both.weight.fill_(1), total.weight.fill_(1)
    return model


@pytest.mark.parametrize("activation", [*SMOOTH[:-1], nn.PReLU(), nn.ReLU()], ids=lambda m: type(m).__name__)
@pytest.mark.parametrize("step", [2.0**-24, 2.0**-11])
def test_a_small_difference_has_the_derivative_as_its_multiplier(activation, step):
    """The quotient alone gives a sigmoid 0, where the derivative is 1/4: its values near 1/2 are all too coarse."""
    model = opposed(copy.deepcopy(activation).float())
    maps = deep_lift(model, torch.tensor([1.0, step - 1]).view(1, 1, 1, 2), torch.tensor([0]))[0, 0]
    middle = torch.tensor([step / 2], dtype=torch.float64, requires_grad=True)
    (derivative,) = torch.autograd.grad(copy.deepcopy(activation).double()(middle), middle)
    wanted = derivative * torch.tensor([1, step - 1], dtype=torch.float64)
    torch.testing.assert_close(maps.double(), wanted, rtol=1e-3, atol=0)


@pytest.mark.parametrize("name", OWN)
def test_operations_of_networks_that_people_have(name):
    model, x, target = precise(name)
    assert relative(deep_lift(model, x, target), derived(model, x, torch.zeros_like(x), target).sum(1)) < 1e-9
    assert residual(deep_lift(model, x, target), model, x, torch.zeros_like(x), target) < 1e-10


def test_operations_that_are_made_of_others_keep_the_sum():
    model, (x, reference, target) = seeded(Assorted()), noise()
    assert residual(paired(model, x, reference, target), model, x, reference, target) < 1e-10


class Lengths(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.relu().square().sum((2, 3)).sqrt()


def test_a_root_of_zero_in_both_images_has_no_share():
    model, (x, _, target) = seeded(Lengths()), noise()
    x[:, 0] = -1  # a channel that is dead in the black reference, too
    maps = deep_lift(model, x, target)
    assert maps.isfinite().all() and residual(maps, model, x, torch.zeros_like(x), target) < 1e-10


POOLS = {
    "2": nn.MaxPool2d(2),
    "3 stride 2": nn.MaxPool2d(3, 2, 1),
    "3 stride 1": nn.MaxPool2d(3, 1),
    "dilated": nn.MaxPool2d(2, 1, dilation=2),
    "ceil": nn.MaxPool2d(3, 2, ceil_mode=True),
    "oblong": nn.MaxPool2d((3, 2), (1, 2)),
    "adaptive": nn.AdaptiveMaxPool2d(3),
}


def windows(pool: nn.Module, side: int) -> list[list[int]]:
    """The pixels (row * side + column) of each of a pool's windows."""
    read = pool(torch.eye(side * side).double().view(-1, 1, side, side)).flatten(1) > 0
    return [pixels.nonzero().flatten().tolist() for pixels in read.T]


@pytest.mark.parametrize("kind", POOLS)
def test_max_pools_window_by_window(kind):
    """The difference of each maximum goes to the pixel that has the larger of both maxima."""
    pool, (x, reference, target) = POOLS[kind], noise(size=(1, 8, 8))
    model = seeded(pool, size=(1, 8, 8))
    maps, wanted = paired(model, x, reference, target), torch.zeros(3, 64).double()
    for image, (a, b) in enumerate(zip(x.flatten(1), reference.flatten(1), strict=True)):
        for weight, window in zip(model[-1].weight[target[image]], windows(pool, 8), strict=True):
            high, low = a[window].max(), b[window].max()
            winner = window[int((a if high > low else b)[window].argmax())]
            wanted[image, winner] += weight * (high - low)
    torch.testing.assert_close(maps.flatten(1), wanted)
    assert residual(maps, model, x, reference, target) < 1e-10


def test_the_derivation_that_stands_in_for_captum_agrees_with_it():
    """captum 0.9 keeps one of the windows of a max pool that overlap, and has no rule for one right behind a ReLU."""
    layers = nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AvgPool2d(1), nn.MaxPool2d(2), nn.Conv2d(4, 4, 2), nn.ReLU()
    model, (x, reference, target) = seeded(*layers), noise()
    assert relative(derived(model, x, reference, target).sum(1), theirs(model, x, reference, target)) < 1e-8


def test_even_references_do_not_choose_a_corner_of_the_window():
    """Behind a constant image all of a window ties; the image's own winner is taken, in a mirror as well."""
    model, (x, _, target) = seeded(nn.Conv2d(3, 4, 1), nn.MaxPool2d(2), nn.AvgPool2d(4)), noise()
    mirrored = deep_lift(model, x.flip(3), target).flip(2)
    torch.testing.assert_close(mirrored, deep_lift(model, x, target))


def test_what_is_even_up_to_rounding_does_not_blow_up():
    """The image's maximum is between the reference's two: its step up is not met with a step down."""
    model, eps = opposed(nn.MaxPool2d((1, 2))).double(), 2.0**-52
    x = torch.tensor([[[[2, 2 * eps - 1, 0, 0]]]], dtype=torch.float64)
    reference = torch.tensor([[[[1, 0, 1, 4 * eps]]]], dtype=torch.float64)
    maps = paired(model, x, reference, torch.tensor([0]))[0, 0]
    assert model[0](x).max() - 1 == 2 * eps and model[0](reference).max() - 1 == 4 * eps
    assert 0 <= maps[0] <= 1 and maps.sum().abs() <= 4 * eps
