"""Passes are counted through copies and gradients, and the hook is gone afterwards."""

import copy
from math import isnan
from pathlib import Path
from unittest import mock

import pytest
import torch
from torch import nn

from benchmarks.cost import measured
from benchmarks.device import batch_size, fitting_batch, footprint

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
    monkeypatch.delattr("os.sysconf")
    monkeypatch.setattr(Path, "read_text", mock.Mock(**status))
    with measured(model, CPU) as cost:
        model(torch.rand(2, 3, 8, 8))
    assert cost.forwards == 2 and isnan(cost.peak_memory)
    with pytest.raises(ValueError, match="batch_size=auto needs a system"):
        batch_size("auto", model, 8, CPU)
    assert batch_size(4, model, 8, CPU) == 4


def test_footprint_is_twice_the_outputs(model):
    assert footprint(model, torch.zeros(1, 3, 8, 8)) == 2 * 4 * (4 * 64 + 4 * 64 + 4 * 64 + 5)


def test_auto_batch_is_a_power_of_two_that_memory_holds(model, monkeypatch):
    assert fitting_batch(model, 8, CPU) == 64
    monkeypatch.setattr("benchmarks.device.memory", lambda _device: 4 * 5 * footprint(model, torch.zeros(1, 3, 8, 8)))
    assert batch_size("auto", model, 8, CPU) == 4


@pytest.mark.parametrize("given", [0, -1, "many", 2.5, True])
def test_refuses_other_batch_sizes(model, given):
    with pytest.raises(ValueError, match="batch_size needs a whole number >= 1 or auto"):
        batch_size(given, model, 8, CPU)
