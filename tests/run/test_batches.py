"""How many images go through a network at once: what memory holds and, of that, what is fastest."""

import copy

import pytest
import torch
from torch import nn

from benchmarks import batches
from benchmarks.batches import batch_size, fastest, fitting_batch, footprint

CPU = torch.device("cpu")


@pytest.fixture
def model():
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 64, 5)).requires_grad_(
        False
    )


def test_a_system_that_does_not_say_how_much_memory_it_has_needs_a_number(model, monkeypatch):
    monkeypatch.delattr("os.sysconf")  # as on Windows
    with pytest.raises(ValueError, match="batch_size=auto needs a system"):
        batch_size("auto", model, 8, CPU)
    assert batch_size(4, model, 8, CPU) == 4


def test_footprint_is_twice_the_outputs(model):
    assert footprint(model, torch.zeros(1, 3, 8, 8)) == 2 * 4 * (4 * 64 + 4 * 64 + 4 * 64 + 5)


def test_auto_batch_is_a_power_of_two_that_memory_holds(model, monkeypatch):
    assert fitting_batch(model, 8, CPU) == 64
    monkeypatch.setattr(batches, "memory", lambda *_: 4 * 5 * footprint(model, torch.zeros(1, 3, 8, 8)))
    assert batch_size("auto", model, 8, CPU) == 4


def test_a_given_batch_is_halved_until_all_memory_holds_it(model, monkeypatch, caplog):
    needed = footprint(model, torch.zeros(1, 3, 8, 8))
    monkeypatch.setattr(batches, "memory", lambda _device, workers: 40 * needed // workers)
    assert batch_size(40, model, 8, CPU) == 40 and not caplog.messages
    assert batch_size(40, model, 8, CPU, workers=3) == 10
    assert "it starts with 10" in caplog.text


class Slow:
    """A clock of passes that take a fixed time and, for each image, another one; growing above 16 images."""

    def __init__(self, each: float, most: int):
        self.now, self.each, self.most, self.tried = 0.0, each, most, []

    def passed(self, _model, _image, batch):
        self.tried.append(batch)
        self.now += 0.1 + self.each * batch * (1 if batch <= self.most else 2)


@pytest.mark.parametrize(
    ("each", "most", "wanted"), [(0.0, 64, 64), (0.01, 16, 16), (1.0, 64, 4), (0.05, 8, 8), (2.0, 64, 4)]
)
def test_the_fastest_batch_is_kept(model, tmp_path, monkeypatch, each, most, wanted):
    slow = Slow(each, most)
    monkeypatch.setattr(batches, "clock", lambda _device: slow.now)
    monkeypatch.setattr(batches, "passed", slow.passed)
    assert fastest(model, 8, CPU, 64) == wanted
    assert fastest(model, 8, CPU, 2) == 2
    assert batch_size("auto", model, 8, CPU, kept=tmp_path) == wanted
    trials = len(slow.tried)
    assert batch_size("auto", copy.deepcopy(model), 8, CPU, kept=tmp_path) == wanted and len(slow.tried) == trials
    assert batch_size("auto", model, 8, CPU, 10**12, tmp_path) == 1  # what fits comes first
    batch_size("auto", model[:3], 8, CPU, kept=tmp_path)
    assert len(slow.tried) > trials


class Opaque(nn.Module):
    """Has no gradient, or gives no logits: what is wrong with it is said by others."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, x):
        return self.answer(x.detach().relu_().mean((2, 3)))


@pytest.mark.parametrize("answer", [lambda y: y, lambda y: (y, y), lambda y: y.argmax(1)])
def test_a_trial_needs_no_gradient(answer):
    assert fastest(Opaque(answer), 8, CPU, 8) in (4, 8)


def test_a_first_layer_may_work_in_place():
    assert fastest(nn.Sequential(nn.ReLU(inplace=True), nn.Flatten()), 8, CPU, 4) == 4


def test_where_no_trial_can_be_kept_the_largest_that_fits_is_taken(model, tmp_path):
    (tmp_path / "file").touch()
    assert batch_size("auto", model, 8, CPU, kept=tmp_path / "file") == 64


@pytest.mark.parametrize("given", [0, -1, "many", 2.5, True])
def test_refuses_other_batch_sizes(model, given):
    with pytest.raises(ValueError, match="batch_size needs a whole number >= 1 or auto"):
        batch_size(given, model, 8, CPU)
