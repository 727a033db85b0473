"""Optimised masks and attacks: laws, planted evidence, what the terms of each objective do."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import nn

from methods.extremal_perturbation import picked
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


def test_a_longer_optimised_mask_costs_less():
    """Probability and price of what is hidden, where edges are free."""
    x, target = texture()
    method = replace(entry("mask_optimisation"), jitter=0.0, tv=0.0, l1=1e-3)
    hidden, costs = blurred(x, method.blur), []
    for iterations in (1, 5, 60):
        maps = replace(method, iterations=iterations)(Reader(), x, target)
        p = Reader()(hidden + (1 - maps[:, None]) * (x - hidden)).softmax(1).gather(1, target[:, None])[:, 0]
        costs.append(p + method.l1 * method.cells**2 * maps.mean((1, 2)))
    assert all((less < more).all() for more, less in pairwise(costs))


def test_a_dearer_mask_is_smaller_and_dearer_edges_are_fewer(plain):
    method = replace(entry("mask_optimisation"), iterations=40)
    sizes = [replace(method, l1=price)(*plain).sum() for price in (1e-5, 1e-4, 1e-3)]
    assert sizes[0] > sizes[1] > sizes[2]
    roughness = [replace(method, tv=price)(*plain).diff(dim=2).abs().sum() for price in (0.0, 1e-2, 1.0)]
    assert roughness[0] > roughness[1] > roughness[2]


def test_a_model_without_gradient_leaves_the_mask_where_it_began():
    class Blind(nn.Module):
        def forward(self, x):
            return 0 * x.mean((2, 3))

    x, target = texture()
    method = replace(entry("mask_optimisation"), l1=0.0, start=0.25)
    assert torch.allclose(method(Blind(), x, target), torch.tensor(0.75))
    assert not entry("adversarial_difference")(Blind(), x, target).any()


@pytest.mark.parametrize("area", [0.1, 0.3])
def test_an_extremal_mask_has_its_area(plain, area):
    maps = replace(entry("extremal_perturbation"), areas=(area,), iterations=100)(*plain)
    assert (maps.mean((1, 2)) - area).abs().max() < 0.03
    wanted = torch.arange(32 * 32) >= 32 * 32 * (1 - area)
    assert (maps.flatten(1).sort(1).values - wanted.float()).square().mean() < 0.04, "kept or hidden, little between"


def test_areas_share_the_iterations_and_are_averaged(plain):
    method = entry("extremal_perturbation")
    both = replace(method, areas=(0.1, 0.3), iterations=5)(*plain)
    alone = [replace(method, areas=(a,), iterations=n)(*plain) for a, n in ((0.1, 2), (0.3, 3))]
    assert torch.allclose(both, (alone[0] + alone[1]) / 2, atol=1e-6)


def test_an_extremal_mask_keeps_its_class_alone():
    x, target = texture()
    method = replace(entry("extremal_perturbation"), areas=(0.15,), iterations=60)
    hidden = blurred(x, method.blur)
    kept = Reader()(hidden + method(Reader(), x, target)[:, None] * (x - hidden))
    assert (kept.gather(1, target[:, None]) > 0.5 * Reader()(x).gather(1, target[:, None])).all()
    assert (kept.argmax(1) == target).all()


def test_a_mask_picks_its_level_of_blur():
    pyramid = torch.randn(4, 2, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    for value, wanted in ((0.0, pyramid[0]), (1.0, pyramid[3]), (1 / 3, pyramid[1]), (0.5, pyramid[1:3].mean(0))):
        assert torch.allclose(picked(pyramid, torch.full((2, 5, 5), value)), wanted, atol=1e-6)


def test_blur_keeps_a_colour_and_nearly_none_keeps_the_image():
    x, _ = networks.images()
    assert torch.allclose(blurred(torch.full_like(x, 0.7), 0.09), torch.tensor(0.7), atol=1e-6)
    assert torch.equal(blurred(x, 1e-3), x)


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


@pytest.mark.parametrize(("name", "fields", "sentence"), [
    ("mask_optimisation", {"iterations": 0}, "needs a whole number iterations >= 1; iterations=0 was given"),
    ("mask_optimisation", {"start": 1.5}, r"needs a number start in \[0, 1\]; start=1.5 was given"),
    ("mask_optimisation", {"beta": 0.5}, "needs a number beta >= 1; beta=0.5 was given"),
    ("mask_optimisation", {"blur": 0}, "needs a number blur > 0; blur=0 was given"),
    ("extremal_perturbation", {"areas": 0.1}, r"needs areas in \(0, 1\); areas=0.1 was given"),
    ("extremal_perturbation", {"areas": []}, r"needs areas in \(0, 1\); areas=\[\] was given"),
    ("extremal_perturbation", {"areas": [0.1, 1.0]}, r"needs areas in \(0, 1\); areas=\[0.1, 1.0\] was given"),
    ("extremal_perturbation", {"areas": [0.1] * 4}, "needs a whole number iterations >= 4; iterations=3 was given"),
    ("extremal_perturbation", {"momentum": 1.0}, r"needs a number momentum in \[0, 1\); momentum=1.0 was given"),
    ("adversarial_difference", {"radius": 0}, "needs a number radius > 0; radius=0 was given"),
    ("adversarial_difference", {"step": float("nan")}, "needs a number step > 0; step=nan was given"),
])  # fmt: skip
def test_a_wrong_value_gives_one_sentence(name, fields, sentence):
    with pytest.raises(ValueError, match=f"^{type(entry(name)).__name__} {sentence}$"):
        replace(entry(name), **fields)
