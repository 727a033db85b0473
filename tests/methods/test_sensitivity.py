"""Sobol's indices and HSIC where they are known, and the masks that both pass."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from methods.sensitivity import Hsic, Sobol
from tests.methods import networks

SOBOL = Sobol(masks=11 * 1024, grid=3, value=0.0, seed=0, batch=4096)
HSIC = Hsic(masks=1000, grid=3, value=0.0, seed=0, batch=1000)
WHITE, FIRST = torch.ones(1, 1, 3, 3, dtype=torch.float64), torch.tensor([0])


class Score(nn.Module):
    """Two classes; the probability of the first is a function, with values in (0, 1), of the cells (n, 9)."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        probability = self.function(x[:, 0].flatten(1))
        return torch.stack([probability, 1 - probability], 1).log()


def cells(method, function):
    """The method's value of each of nine cells, which are the pixels of a white image."""
    return method(Score(function), WHITE, FIRST)[0].flatten()


def seeds(method, function, number=10):
    """The mean over seeds, and the standard error of the mean."""
    values = torch.stack([cells(replace(method, seed=seed), function) for seed in range(number)])
    return values.mean(0), values.std(0) / number**0.5


EVIDENCE = torch.tensor([0.2, 0.0, 0.05, 0.1, 0.3, 0.0, 0.1, 0.05, 0.15], dtype=torch.float64)


def linear(m):
    return 0.01 + m @ EVIDENCE


def test_sobol_of_a_linear_score():
    """The total index is the cell's share of the sum of squares; shares add up to 1; a dummy gets nothing at all."""
    mean, error = seeds(SOBOL, linear)
    wanted = EVIDENCE**2 / (EVIDENCE**2).sum()
    assert error.max() < 5e-3 and ((mean - wanted).abs() <= 5 * error).all()
    assert (cells(SOBOL, linear)[EVIDENCE == 0] == 0).all()


def test_sobol_of_the_g_function():
    """prod (|4 m - 2| + a) / (1 + a): V_i = 1 / 3 (1 + a)^2, total V_i prod_{j not i} (1 + V_j) / (prod (1 + V) - 1)"""
    a = torch.tensor([0, 0.5, 1, 2, 3, 4.5, 9, 20, 99], dtype=torch.float64)
    top = ((2 + a) / (1 + a)).prod() * 1.01
    mean, error = seeds(SOBOL, lambda m: ((4 * m - 2).abs() + a).div(1 + a).prod(1) / top + 1e-9)
    part = 1 / (3 * (1 + a) ** 2)
    whole = (1 + part).prod()
    wanted = part * whole / (1 + part) / (whole - 1)
    assert wanted.sum() > 1.1, "cells interact"
    assert error.max() < 0.02 and ((mean - wanted).abs() <= 5 * error).all()


def seen_by(method, side=3, grid=3):
    """The masks that a method passes, (masks, side, side)."""
    seen = []

    def function(m):
        seen.append(m.clone().unflatten(1, (side, side)))
        return m.mean(1) * 0.5 + 0.1

    method = replace(method, grid=grid)
    method(Score(function), torch.ones(1, 1, side, side, dtype=torch.float64), FIRST)
    return torch.cat(seen)


def test_sobol_designs():
    """A and B are stratified in every cell (powers of two), and C_i is A but for cell i, which is B's."""
    masks = seen_by(replace(SOBOL, masks=11 * 16 + 5, batch=7)).flatten(1)
    a, b, *swapped = masks.split(16)
    for matrix in (a, b):
        assert torch.equal((matrix * 16).long().sort(0).values, torch.arange(16)[:, None].expand(16, 9))
    assert len(swapped) == 9 and not torch.equal(a, b)
    for i, c in enumerate(swapped):
        assert torch.equal(c[:, i], b[:, i]) and torch.equal(c.ne(a).any(0).nonzero(), torch.tensor([[i]]))


@pytest.mark.parametrize("masks", [40, 41])
def test_hsic_masks_are_balanced(masks):
    """Ones and zeros; each cell is seen in half of the masks, and cells do not go together."""
    seen = seen_by(replace(HSIC, masks=masks, batch=7)).flatten(1)
    assert set(seen.unique().tolist()) == {0, 1} and len(seen) == masks
    assert ((seen.sum(0) - masks / 2).abs() <= masks % 2 / 2).all()
    assert len(seen.T.unique(dim=0)) == 9 and len(seen.unique(dim=0)) > 30


@pytest.mark.parametrize("method", [SOBOL, replace(HSIC, masks=20)])
def test_pixels_follow_the_cell_of_their_centre(method):
    """Three cells on eight pixels: the borders lie at 2.67 and 5.33."""
    eight, three = seen_by(replace(method, masks=20), side=8), seen_by(replace(method, masks=20))
    of = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2])
    assert torch.equal(eight, three[:, of][:, :, of])


def test_hsic_of_one_cell():
    """p = .1 + c m_4 has two values, half each; r = exp(-c^2 / 2 median^2) gives (1 - r) / 4 (n / (n - 1))^2."""
    values = cells(HSIC, lambda m: 0.1 + 0.3 * m[:, 4])
    r = torch.tensor(-(0.3**2) / (2 * 0.25**2), dtype=torch.float64).exp()  # the median is halfway between .1 and .4
    wanted = (1 - r) / 4 * (1000 / 999) ** 2
    torch.testing.assert_close(values[4], wanted)
    others = values[torch.arange(9) != 4]
    assert others.max() < 20 * wanted / 1000, "a correlation of independent halves is of order 1 / masks"


def test_hsic_is_the_same_in_parts(monkeypatch):
    """The kernel of the outputs is never whole in memory; with one row at a time the sums are the same."""
    wanted = cells(HSIC, linear)
    monkeypatch.setattr("methods.sensitivity.AT_ONCE", 1)
    torch.testing.assert_close(cells(HSIC, linear), wanted, rtol=1e-12, atol=0)


def test_hsic_of_a_median_of_zero():
    """The kernel's limit is equal or not: p in {0, .5}, with 0 in three quarters of the masks."""
    values = cells(HSIC, lambda m: 0.5 * m[:, 0] * m[:, 1])
    assert values.isfinite().all() and values.argsort(descending=True)[:2].sort().values.tolist() == [0, 1]


@pytest.mark.parametrize("method", [replace(SOBOL, masks=100), HSIC])
def test_a_score_that_never_varies_gives_zeros(method):
    assert (cells(method, lambda m: torch.full_like(m[:, 0], 0.25)) == 0).all()


def test_one_mask_tells_nothing():
    assert (cells(replace(HSIC, masks=1), linear) == 0).all()


@pytest.mark.parametrize("method", [replace(SOBOL, masks=100, batch=16), replace(HSIC, masks=50, batch=16)])
def test_images_share_the_masks_and_hidden_is_value(method):
    """Two images of one colour each, 0 and 2, blended with 5: what is passed tells the same masks."""
    x, seen = torch.stack([torch.zeros(3, 9, 9), torch.full((3, 9, 9), 2.0)]), []
    model = networks.network("plain")
    handle = model.register_forward_pre_hook(lambda _m, args: seen.append(args[0].clone()))
    replace(method, value=5.0)(model, x, torch.tensor([0, 1]))
    handle.remove()
    dark, light = torch.cat(seen)[0::2], torch.cat(seen)[1::2]
    torch.testing.assert_close((5 - dark) / 5, (5 - light) / 3)
    assert len(dark) == method.passes[0] and (dark - 5).abs().amax((1, 2, 3)).max() > 4
