"""The units of a layer: read after and before the activation function, and removed."""

import pytest
import torch
from torch import nn
from torch.nn.functional import relu

from methods.units.reading import chosen_layer, chosen_units, units_of


class Branched(nn.Module):
    """Two branches that are concatenated behind their activation functions, and a way past the last layer."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(inplace=True))
        self.one = nn.Sequential(nn.Conv2d(4, 3, 1), nn.ReLU(inplace=True))
        self.two = nn.Sequential(nn.Conv2d(4, 2, 1), nn.Tanh())
        self.join = Join()
        self.last = nn.Conv2d(5, 4, 3, padding=1)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        stem = self.stem(x)
        last = self.last(self.join(self.one(stem), self.two(stem)))
        return self.head((relu(last) + stem).mean((2, 3)))


class Join(nn.Module):
    def forward(self, *parts):
        return torch.cat(parts, 1)


@pytest.fixture
def model():
    model = Branched().eval().requires_grad_(False)
    model.one[0].bias[0] = -50  # a unit that is never active
    return model


def images(n: int = 5) -> torch.Tensor:
    return torch.randn(n, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def test_maps_are_those_before_and_after_the_activation_function(model):
    x, stem = images(), model.stem(images())
    before = {"stem": model.stem[0](x), "join": torch.cat([model.one[0](stem), model.two[0](stem)], 1)}
    after = {"stem": stem, "join": torch.cat([model.one(stem), model.two(stem)], 1)}
    for layer in ("stem", "join"):
        units = units_of(model, x, layer, None, batch=2)
        torch.testing.assert_close(units.live(x, before=True), before[layer])
        torch.testing.assert_close(units.maps(x), after[layer])
        torch.testing.assert_close(units.means(x), after[layer].mean((2, 3)))
    assert units.shape == (5, 8, 8)
    units = units_of(model, x, "last", None, batch=2)
    torch.testing.assert_close(units.live(x, before=True), units.maps(x))


def test_a_silent_unit_has_a_gradient_before_its_activation_function(model):
    x = images().requires_grad_()
    units = units_of(model, x, "join", [0], batch=2)
    (after,) = torch.autograd.grad(units.live(x)[:, 0].sum(), x)
    (before,) = torch.autograd.grad(units.live(x, before=True)[:, 0].sum(), x)
    assert not after.any() and before.any()


@pytest.mark.parametrize("layer", ["stem", "join", "last"])
def test_what_is_left_without_a_unit_or_a_direction(model, layer):
    """A way passes by `join` and `last`; what comes before `stem` is computed once for several units."""
    x, clean = images(), model(images())
    units = units_of(model, x, layer, None, batch=3)
    assert units.alone == (layer == "stem")
    towards = torch.nn.functional.normalize(torch.randn(2, units.channels), dim=1)
    directions = torch.cat([torch.eye(units.channels), towards])
    found = units.ablations(x, directions)
    for direction, logits in zip(directions, found, strict=True):
        keep = torch.eye(units.channels) - torch.outer(direction, direction)
        hook = model.get_submodule(layer).register_forward_hook(
            lambda m, i, maps, keep=keep: torch.einsum("dc,nchw->ndhw", keep, maps)
        )
        torch.testing.assert_close(logits, model(x))
        hook.remove()
    torch.testing.assert_close(model(x), clean)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_units_are_spread_evenly_or_named():
    assert chosen_units("layer", 512, 4) == (0, 128, 256, 384)
    assert chosen_units("layer", 3, 16) == chosen_units("layer", 3, None) == (0, 1, 2)
    assert chosen_units("layer", 9, [7, 2]) == (7, 2)


def test_what_does_not_exist_is_refused(model):
    x = images()
    assert chosen_layer(model, x, "auto") == "last"
    for layer, need in (("joint", "join"), ("head", "maps"), ("", "auto")):
        with pytest.raises(ValueError, match=need):
            units_of(model, x, layer, None, 2)
    for wrong in ([4], [-1], 0, "all", []):
        with pytest.raises(ValueError, match=r"benchmark\.units|0 to 3"):
            units_of(model, x, "stem", wrong, 2)
