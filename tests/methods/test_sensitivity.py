"""Sobol indices and HSIC are compared with their known values for simple functions."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from methods.sensitivity import Hsic, Sobol

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


def linear(m):
    return 0.01 + m @ torch.tensor([0.2, 0.0, 0.05, 0.1, 0.3, 0.0, 0.1, 0.05, 0.15], dtype=torch.float64)


def test_sobol_of_the_g_function():
    """prod (|4 m - 2| + a) / (1 + a): V_i = 1 / 3 (1 + a)^2, total V_i prod_{j not i} (1 + V_j) / (prod (1 + V) - 1)"""
    a = torch.tensor([0, 0.5, 1, 2, 3, 4.5, 9, 20, 99], dtype=torch.float64)
    top = ((2 + a) / (1 + a)).prod() * 1.01
    function = lambda m: ((4 * m - 2).abs() + a).div(1 + a).prod(1) / top + 1e-9  # noqa: E731
    values = torch.stack([cells(replace(SOBOL, seed=seed), function) for seed in range(10)])
    error = values.std(0) / 10**0.5
    part = 1 / (3 * (1 + a) ** 2)
    whole = (1 + part).prod()
    wanted = part * whole / (1 + part) / (whole - 1)
    assert wanted.sum() > 1.1, "cells interact"
    assert error.max() < 0.02 and ((values.mean(0) - wanted).abs() <= 5 * error).all()


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
