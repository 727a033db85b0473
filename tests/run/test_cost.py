"""Passes are counted through copies and gradients, and the hook is gone afterwards."""

import copy
from math import isnan
from pathlib import Path
from unittest import mock

import pytest
import torch
from torch import nn

from benchmarks.cost import measured
from benchmarks.memory import trim

CPU = torch.device("cpu")


@pytest.fixture
def model():
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 64, 5)).requires_grad_(
        False
    )


def test_counts_images_forward_and_backward(model):
    x = torch.rand(6, 3, 8, 8)
    with measured(model, CPU) as cost:
        model(x)  # 6 forwards; no gradient asked
        y = x[:4].clone().requires_grad_()
        torch.autograd.grad(model(y).sum(), y)
        torch.autograd.grad(copy.deepcopy(model)(y).sum(), y)
    assert (cost.forwards, cost.backwards) == (14, 8)
    assert cost.seconds > 0 and not model._forward_hooks


def test_peak_memory_sees_what_was_allocated_in_between(model):
    trim()  # or memory that other tests have freed is given out again, and the process needs no more
    with measured(model, CPU) as small:
        pass
    with measured(model, CPU) as large:
        torch.ones(2**26)  # 256 MiB
    assert 200 < large.peak_memory - small.peak_memory < 400


def test_hook_is_gone_after_an_error(model):
    with pytest.raises(RuntimeError), measured(model, CPU):
        model(torch.rand(1, 7, 8, 8))
    assert not model._forward_hooks


@pytest.mark.parametrize("status", [{"side_effect": FileNotFoundError}, {"return_value": ""}])
def test_a_system_that_says_nothing_of_its_memory(model, monkeypatch, status):
    monkeypatch.setattr("benchmarks.cost.resource", None)  # as on Windows
    monkeypatch.setattr(Path, "read_text", mock.Mock(**status))
    with measured(model, CPU) as cost:
        model(torch.rand(2, 3, 8, 8))
    assert cost.forwards == 2 and isnan(cost.peak_memory)
