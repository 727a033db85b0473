"""Optimised masks and attacks: laws, planted evidence, what the terms of each objective do."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import nn

from methods.optimisation import blurred
from tests.methods import networks
from tests.methods.entries import entry, relative
from tests.methods.references.optimisation import REFERENCES

SQUARES = (slice(4, 12), slice(16, 24)), (slice(20, 28), slice(6, 14))  # each 1/16 of 32 x 32 pixels


class Reader(nn.Module):
    """Class k is the energy of the texture inside square k, and nothing else."""

    def forward(self, x):
        energy = (x**2).mean(1)
        return torch.stack([8 * energy[:, *square].mean((1, 2)) for square in SQUARES], 1)


def texture() -> tuple[torch.Tensor, torch.Tensor]:
    """Two images of waves, the same everywhere, so that only the model singles out a square; targets 0 and 1."""
    wave = torch.cos(torch.arange(32) * torch.pi / 4)
    return torch.outer(wave, wave).expand(2, 3, 32, 32).clone(), torch.arange(2)


def share(maps: torch.Tensor, margin: int) -> torch.Tensor:
    """The part of each map's mass that lies at most `margin` pixels outside its target's square, (2,)."""
    inside = torch.zeros(2, 32, 32)
    for k, (rows, columns) in enumerate(SQUARES):
        inside[k, rows.start - margin : rows.stop + margin, columns.start - margin : columns.stop + margin] = 1
    return (maps * inside).sum((1, 2)) / maps.sum((1, 2))


@pytest.fixture(scope="module")
def plain():
    model = networks.network("plain")
    return model, *networks.images()


@pytest.mark.slow
@pytest.mark.parametrize("name", REFERENCES)
def test_agrees_with_the_reference_over_several_steps(name, plain):
    """In three steps (test_agreement) no mask of three areas feels its area, and no attack reaches its ball."""
    model, x, target = networks.network("plain").double(), *networks.images(2)
    method = replace(entry(name), iterations=12)
    assert relative(method(model, x.double(), target), REFERENCES[name].maps(method, model, x.double(), target)) < 1e-9


@pytest.mark.parametrize("name", ["mask_optimisation", "extremal_perturbation"])
def test_a_mask_finds_the_square_that_the_class_reads(name):
    x, target = texture()
    maps = replace(entry(name), iterations=90)(Reader(), x, target)
    assert (share(maps, 4) > 0.8).all() and (share(maps.flip(0), 4) < 0.2).all()


def test_an_attack_changes_what_is_read_alone():
    """The target's square, and the rival's, whose class it can raise as well."""
    x, target = texture()
    maps = entry("adversarial_difference")(Reader(), x, target)
    read = [maps[:, *square] for square in SQUARES]
    assert (sum(part.sum((1, 2)) for part in read) == pytest.approx(maps.sum((1, 2)))) and min(map(torch.sum, read)) > 0


@pytest.mark.parametrize("area", [0.1, 0.3])
def test_an_extremal_mask_has_its_area(plain, area):
    maps = replace(entry("extremal_perturbation"), areas=(area,), iterations=100)(*plain)
    assert (maps.mean((1, 2)) - area).abs().max() < 0.03
    wanted = torch.arange(32 * 32) >= 32 * 32 * (1 - area)
    assert (maps.flatten(1).sort(1).values - wanted.float()).square().mean() < 0.04, "kept or hidden, little between"


def test_an_extremal_mask_keeps_its_class_alone():
    x, target = texture()
    method = replace(entry("extremal_perturbation"), areas=(0.15,), iterations=60)
    hidden = blurred(x, method.blur)
    kept = Reader()(hidden + method(Reader(), x, target)[:, None] * (x - hidden))
    assert (kept.gather(1, target[:, None]) > 0.5 * Reader()(x).gather(1, target[:, None])).all()
    assert (kept.argmax(1) == target).all()


def test_attack_on_a_linear_model_in_closed_form():
    """All the way along the difference of the two rows of weights."""
    rng = torch.Generator().manual_seed(0)
    linear = nn.Linear(3 * 8 * 8, 2).requires_grad_(False)
    linear.weight.normal_(generator=rng)
    x = torch.randn(2, 3, 8, 8, generator=rng)
    method = replace(entry("adversarial_difference"), iterations=4)
    maps = method(nn.Sequential(nn.Flatten(), linear), x, torch.tensor([0, 1]))
    apart = (linear.weight[0] - linear.weight[1]).view(3, 8, 8)
    wanted = method.radius * (3 * 8 * 8) ** 0.5 * apart.abs().sum(0) / apart.norm()
    assert torch.allclose(maps, wanted.expand(2, 8, 8), rtol=1e-5)


def test_an_attack_stays_in_its_ball_and_lowers_the_margin(plain):
    model, x, target = plain
    method = entry("adversarial_difference")

    def margin(images: torch.Tensor) -> torch.Tensor:
        logits = model(images)
        rest = logits.masked_fill(nn.functional.one_hot(target, 4).bool(), -torch.inf)
        return logits.gather(1, target[:, None])[:, 0] - rest.amax(1)

    margins = [margin(x)]
    for radius in (0.05, 0.1, 0.2):
        away = replace(method, radius=radius, iterations=20).difference(model, x, target)
        assert (away.square().mean((1, 2, 3)).sqrt() <= radius * 1.0001).all()
        margins.append(margin(x + away))
    assert all((less < more).all() for more, less in pairwise(margins))
