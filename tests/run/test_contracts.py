"""What a user's model, method, metric or data set breaks is named, and what it leaves behind is found."""

import logging

import pytest
import torch
from torch import nn

from benchmarks import contracts
from benchmarks.datasets.planted import Planted
from benchmarks.maps.metrics.complexity import Gini
from entries import scores
from models.planted import Planted as Network
from tests.conftest import evaluated, run

SMALL = ["model=planted", "dataset=planted", "dataset.images=3", "batch_size=2", "metric=[gini]", "method=gradient"]
MESSES = {
    "train": lambda model, x: model.train(),
    "part": lambda model, x: model[0].train(),
    "hook": lambda model, x: model[0].register_forward_hook(lambda *_: None),
    "scaled": lambda model, x: next(model.parameters()).mul_(2),
    "data": lambda model, x: next(model.parameters()).data.mul_(2),
    "replaced": lambda model, x: setattr(model[0].conv, "weight", nn.Parameter(model[0].conv.weight * 1, False)),
    "free": lambda model, x: next(model.parameters()).requires_grad_(),
    "input": lambda model, x: x.zero_(),
    "hidden": lambda model, x: x.data.zero_(),
    "asks": lambda model, x: x.requires_grad_(),
}
NAMED = {"train": "mode of the network", "part": "mode of features", "hook": "hooks of features"}
NAMED |= dict.fromkeys(("scaled", "data", "replaced", "free"), r"weight features\.conv\.weight")
NAMED |= dict.fromkeys(("input", "hidden", "asks"), "tensor `x`")
GIVES = {
    "one more": lambda maps: torch.ones(len(maps) + 1),
    "list": lambda maps: [0.5] * len(maps),
    "beyond": lambda maps: torch.full((len(maps),), 1.5),
    "rounded": lambda maps: torch.full((len(maps),), 1 + 1e-6),
    "numpy": lambda maps: maps.detach().numpy(),
    "gradient": lambda maps: maps.clone().requires_grad_(),
    "double": lambda maps: maps.double(),
}


class Mess:
    """A method and a metric without any declaration that does one thing to what it is given."""

    group = "black box"
    category = "complexity"
    higher_is_better = False
    bounds = (0.0, 1.0)

    def __init__(self, does):
        self.does = does

    def __call__(self, *given):
        model, x = (given[0], given[1]) if len(given) > 1 else (given[0].model, given[0].x)
        with torch.no_grad():
            if self.does in MESSES:
                MESSES[self.does](model, x)
            result = x.detach().mean(1) if len(given) > 1 else torch.zeros(len(x))
        return GIVES[self.does](result) if self.does in GIVES else result


def mess(does: str, part: str):
    return evaluated(*SMALL, **{part: {"_target_": f"{__name__}.Mess", "does": does}}).scores


@pytest.mark.parametrize("does", MESSES)
@pytest.mark.parametrize(("part", "name"), [("method", "Mess"), ("metric__mine", "mine")])
def test_what_is_left_behind_is_named_with_its_culprit(does, part, name):
    with pytest.raises(ValueError, match=f"^{name} needs to leave .* it changed .*{NAMED[does]}"):
        mess(does, part)


@pytest.mark.slow
def test_what_declares_little_and_leaves_nothing_is_scored():
    assert (mess("nothing", "method").status == "ok").all()
    mine = mess("nothing", "metric__mine").query("metric == 'mine'")
    assert mine.score.tolist() == [0, 0, 0] and set(mine.version) == {1}


@pytest.mark.parametrize(("does", "said"), [("numpy", "ndarray"), ("gradient", "gradient"), ("double", "float64")])
def test_maps_of_another_kind_are_named(does, said):
    with pytest.raises(ValueError, match=f"Mess needs to give .*{said}"):
        mess(does, "method")


@pytest.mark.parametrize(("does", "said"), [("one more", "2 scores; it gives 3"), ("list", "a list")])
def test_scores_of_another_kind_fail_with_the_metric_s_name(does, said, caplog):
    mine = mess(does, "metric__mine").query("metric == 'mine'")
    assert set(mine.status) == {"failed"} and mine.reason.str.contains(said)[mine.index[0]]
    assert "mine failed" in caplog.text and said in caplog.text


def test_scores_outside_the_declared_bounds_are_said_once_and_rounding_is_not(monkeypatch, caplog):
    monkeypatch.setattr(contracts, "said", set())
    assert (mess("rounded", "metric__mine").status == "ok").all() and not caplog.text
    assert mess("beyond", "metric__mine").query("metric == 'mine'").score.tolist() == [1.5] * 3
    assert caplog.text.count("mine") == 1 and "bounds 0 and 1" in caplog.text and "1.5" in caplog.text


def test_a_fact_without_a_default_is_asked_for_by_name(monkeypatch):
    monkeypatch.delattr(Mess, "category")
    with pytest.raises(ValueError, match=r"^mine needs category; .*entries\.scores"):
        mess("nothing", "metric__mine")
    monkeypatch.delattr(Mess, "group")
    with pytest.raises(ValueError, match=r"^gradient needs group; .*entries\.explains"):
        mess("nothing", "method")


def test_the_decorator_asks_for_nothing_that_has_a_default():
    @scores("complexity", higher_is_better=True)
    class Mean:
        def __call__(self, explained): ...

    assert (Mean().undefined, Mean().needs, Mean().cites, Mean().version) == ("never", (), "", 1)


class Output(nn.Module):
    """Turns the logits of a network into something else."""

    def __init__(self, turn):
        super().__init__()
        self.turn = turn

    def forward(self, x):
        return self.turn(x)


@pytest.mark.parametrize(
    ("turn", "said"),
    [
        (lambda x: (x, x), "logits .* tuple"),
        (lambda x: {"logits": x}, "logits .* dict"),
        (lambda x: x[..., None, None], r"planted needs .*logits \(n, k\); it gave shape \(2, 3, 1, 1\)"),
        (lambda x: x[:, :1], "planted needs at least two outputs"),
        (lambda x: x * torch.nan, "planted needs to give finite logits"),
    ],
)
def test_an_output_that_is_no_logits_names_the_network(changed, turn, said):
    changed(lambda module: module.append(Output(turn)).eval())
    with pytest.raises(ValueError, match=said):
        evaluated(*SMALL)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda module: module.train(), "planted needs eval mode"),
        (lambda module: module.requires_grad_(True), r"planted needs frozen .* features\.conv\.weight"),
    ],
)
def test_a_network_in_train_mode_or_with_free_parameters_is_named(changed, change, said):
    changed(change)
    with pytest.raises(ValueError, match=said):
        evaluated(*SMALL)


def counts(module):
    module.register_buffer("passes", torch.zeros(1))
    module.register_forward_hook(lambda module, *_: setattr(module, "passes", module.passes + 1))


def spoils(module):
    module.register_forward_pre_hook(lambda module, images: setattr(module, "last", images[0].sub_(1)))


@pytest.mark.parametrize(
    ("change", "said"),
    [(counts, "weight passes"), (spoils, "tensor `x`")],
)
def test_a_network_that_changes_itself_or_its_images_is_named(changed, change, said):
    changed(change)
    with pytest.raises(ValueError, match=f"planted needs to leave .*{said}"):
        evaluated(*SMALL)


def test_a_softmax_at_the_end_is_said_once(changed, monkeypatch, caplog):
    monkeypatch.setattr(contracts, "said", set())
    evaluated(*SMALL)
    assert "softmax" not in caplog.text
    changed(lambda module: module.append(nn.Softmax(1)).eval())
    for _ in range(2):
        assert (evaluated(*SMALL).scores.status == "ok").all()
    (record,) = [record for record in caplog.records if "softmax" in record.message]
    assert record.levelno == logging.WARNING and record.message.startswith("planted ")


@pytest.fixture
def changed(monkeypatch):
    """Change the planted network before it is used."""
    plain = Network.__call__

    def change(how):
        def called(self, dataset):
            network = plain(self, dataset)
            how(network.module)
            return network

        monkeypatch.setattr(Network, "__call__", called)

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda i, p, y, m: (i, 255 * p, y, m), r"pixels in \[0, 1\]; those of planted_00000"),
        (lambda i, p, y, m: (i, p * torch.nan, y, m), r"pixels in \[0, 1\]"),
        (lambda i, p, y, m: (i, (255 * p).byte(), y, m), "planted_00000 .*uint8"),
        (lambda i, p, y, m: (i, p[0], y, m), "pixels"),
        (lambda i, p, y, m: (i, p, y, m.float()), "masks .*float32"),
        (lambda i, p, y, m: (i, p, y, m[:5]), "masks"),
        (lambda i, p, y, m: (int(i[-5:]), p, y, m), "names that are text"),
        (lambda i, p, y, m: (i, p, float(y), m), "class"),
    ],
)
def test_images_that_are_no_pixels_in_0_to_1_name_the_data_set(monkeypatch, change, said):
    plain = Planted.test
    monkeypatch.setattr(Planted, "test", lambda self, size: [change(*image) for image in plain(self, size)])
    with pytest.raises(ValueError, match=f"^Planted needs .*{said}"):
        evaluated(*SMALL)


def test_background_images_are_looked_at_too(monkeypatch):
    plain = Planted.background
    monkeypatch.setattr(Planted, "background", lambda self, size, n: 255 * plain(self, size, n))
    with pytest.raises(ValueError, match=r"^Planted needs pixels in \[0, 1\]; .*background"):
        evaluated(*SMALL[:-1], "method=expected_gradients", "budget.samples=2")


def test_rounding_of_pixels_is_allowed_for(monkeypatch):
    plain = Planted.test
    monkeypatch.setattr(Planted, "test", lambda self, size: [(i, p - 1e-6, *more) for i, p, *more in plain(self, size)])
    assert (evaluated(*SMALL).scores.status == "ok").all()


@pytest.mark.slow
def test_a_single_run_shows_the_other_scores_before_it_fails_for_a_metric(tmp_path, monkeypatch):
    monkeypatch.setattr(Gini, "__call__", lambda self, explained: [1.0])
    code, said = run(tmp_path, *SMALL[:-2], "method=gradient", "metric=[gini,entropy]", "tracking_uri=null")
    assert code == 1 and "error: gini failed: " in said and "entropy" in said


@pytest.mark.slow
def test_a_cell_that_is_done_says_that_another_device_is_not_used(tmp_path):
    command = [*SMALL, "device=cpu", "tracking_uri=null"]
    assert run(tmp_path, *command)[0] == 0
    for device, pointed in (("auto", False), ("cuda", True)):
        code, said = run(tmp_path, *command, f"device={device}")
        assert code == 0 and "done before, skipped" in said and ("were computed on cpu" in said) == pointed
