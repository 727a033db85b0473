"""Fitting: cached, locked, seeded and without traces; batch norms fold exactly."""

import logging
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import pytest
import timm
import torch
from filelock import FileLock
from hydra.utils import instantiate
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from benchmarks.datasets.shapes import Shapes
from models.fit import Fit, folded, kept
from tests.conftest import composed
from tests.methods.networks import randomised

TINY = Shapes(images=8, train_images=64, seed=0)


@dataclass(frozen=True)
class Halves:
    """Two classes that a network learns in seconds: the upper or the lower half is bright."""

    images: int
    classes = ("upper", "lower")

    def train(self, size):
        labels = torch.arange(128) % 2
        return torch.stack([self.drawn(int(label), size) for label in labels]), labels

    def test(self, size):
        empty = torch.zeros(size, size, dtype=torch.bool)
        return [(str(i), self.drawn(i % 2, size).float() / 255, i % 2, empty) for i in range(self.images)]

    def drawn(self, label, size):
        rows = torch.arange(size)[:, None].expand(3, size, size) * 2 // size
        return (rows == label).byte() * 255


@pytest.fixture
def recipe():
    fit = instantiate(composed("model=resnet18").model.fit, _convert_="all")
    small = {"sizes": (32,), "epochs": (1,), "batch": 16, "test_images": 16, "accuracy": 0.0, "device": "cpu"}
    return replace(fit, **small, checkpoints=())


@pytest.mark.slow
def test_fits_once_and_keeps_what_it_measured(recipe, tmp_path, monkeypatch):
    path = recipe("test_resnet", TINY, tmp_path)
    facts = safe_open(str(path), "pt").metadata()
    assert facts["input_size"] == "32" and 0 <= float(facts["accuracy"]) <= 1
    monkeypatch.setattr(Fit, "fitted", lambda *_: pytest.fail("fitted again"))
    assert recipe("test_resnet", TINY, tmp_path) == path
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".lock", ".safetensors"]


def test_name_follows_what_determines_the_weights(recipe):
    values = [("seed", 1), ("epochs", (2,)), ("model_args", {"drop_rate": 0.1}), ("removed_grid", 8)]
    fits = [replace(recipe, **{name: value}) for name, value in [*values, ("architecture", "test_vit")]]
    data = [replace(TINY, seed=1), replace(TINY, train_images=65), Halves(8)]
    keys = [recipe.key("test_resnet", TINY), recipe.key("resnet18", TINY)]
    keys += [fit.key("test_resnet", TINY) for fit in fits] + [recipe.key("test_resnet", each) for each in data]
    assert len(set(keys)) == len(keys)
    same = replace(recipe, device="cuda", accuracy=1.0, checkpoints=[0, 0.5])
    assert same.key("test_resnet", replace(TINY, images=100)) == keys[0]


@pytest.mark.slow
def test_same_seed_same_weights_and_no_random_state_moves(recipe, tmp_path):
    """Also where patches are removed; these and another seed make other weights."""
    removing = replace(recipe, removed_grid=4)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = load_file(removing("test_resnet", TINY, tmp_path / "a"))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    second, *others = (
        load_file(fit("test_resnet", TINY, tmp_path / "b")) for fit in (removing, recipe, replace(removing, seed=1))
    )
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not any(torch.equal(first["conv1.0.weight"], weights["conv1.0.weight"]) for weights in others)


FITTED = {"resnet18": "2afb8dffe427", "inception_v3": "d4642bde4328", "vgg16": "6c193137b66a"}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "key"), FITTED.items())
def test_networks_keep_their_names_and_one_in_domain_differs_in_the_removed_patches_alone(name, key):
    cfg, other = (composed(f"model={n}") for n in (name, f"{name}_in_domain"))
    model, dataset, within = (instantiate(node, _convert_="all") for node in (cfg.model, cfg.dataset, other.model))
    assert model.fit.key(model.name, dataset) == key
    assert within == replace(model, fit=replace(model.fit, removed_grid=8, checkpoints=()))
    assert (
        model.fit.checkpoints[0] == 0 and len(model.fit.checkpoints) >= 5 and model.fit.checkpoints[-1] < model.fit.last
    )


def test_half_of_the_images_lose_any_share_of_their_patches():
    masks = kept(4000, 8, 20)
    assert masks.shape == (4000, 1, 20, 20) and set(masks.unique().tolist()) == {0, 1}
    edge = torch.arange(20) * 8 // 20
    first = torch.tensor([int((edge == part).nonzero()[0]) for part in range(8)])
    patches = masks[..., first, :][..., first]
    assert masks.equal(patches[..., edge, :][..., edge]), "patches are removed as a whole"
    lost = 1 - patches.mean((1, 2, 3))
    assert 0.47 < (lost == 0).float().mean() < 0.55  # one half, and those whose share is next to nothing
    quarters = torch.tensor([0.25, 0.5, 0.75])
    torch.testing.assert_close(lost[lost > 0].quantile(quarters), quarters, rtol=0, atol=0.04)


@pytest.mark.slow
def test_learns_and_says_how_well_and_warns_below_its_floor(recipe, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    path = replace(recipe, epochs=(4,), accuracy=0.9)("test_resnet", Halves(8), tmp_path)
    assert float(safe_open(str(path), "pt").metadata()["accuracy"]) == 1
    replace(recipe, accuracy=1.0)("test_resnet", TINY, tmp_path)
    said = [(r.levelname, r.getMessage()) for r in caplog.records if r.name == "models.fit"]
    assert [level for level, _ in said] == 5 * ["INFO"] + ["WARNING"]
    assert "in 32 steps" in said[0][1] and "minutes" in said[1][1] and "in 4 steps" in said[3][1]


def test_a_step_costs_what_its_pixels_cost(recipe):
    """Ten steps of 20 x 20 pixels and ten of 40 x 40: a second each makes 10 s, and then four times as much."""
    assert replace(recipe, sizes=(20, 40), epochs=(2, 2)).duration(1.0, 20) == 50


def test_a_second_process_waits_and_reads_what_the_first_one_wrote(recipe, tmp_path, monkeypatch, capsys):
    ready, second = recipe("test_resnet", TINY, tmp_path / "first"), tmp_path / "second"
    second.mkdir()
    other = FileLock(second / f"{ready.stem}.lock")  # another FileLock on the same file, as in another process

    def finish(notice, **options):
        """The first process ends its fit when the second one says that it waits."""
        assert notice == "waiting for another process that fits test_resnet"
        ready.rename(second / ready.name)
        other.release()

    monkeypatch.setattr("builtins.print", finish)
    monkeypatch.setattr(Fit, "fitted", lambda *_: pytest.fail("fitted again"))
    with other:
        assert recipe("test_resnet", TINY, second).exists()


@pytest.mark.slow
def test_a_failed_fit_leaves_no_weights_and_frees_the_lock(recipe, tmp_path, monkeypatch):
    def killed(tensors, path, facts):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("models.fit.save_file", killed)
        recipe("test_resnet", TINY, tmp_path)
    assert not list(tmp_path.glob("*.safetensors"))
    assert recipe("test_resnet", TINY, tmp_path).exists()


@pytest.mark.slow
def test_folded_network_computes_the_same():
    arguments = {"num_classes": 5, "mlp_ratio": 1 / 32}
    trained, x = randomised(timm.create_model("vgg16_bn", **arguments)), torch.randn(2, 3, 32, 32)
    plain = folded(trained, timm.create_model("vgg16", **arguments).eval())
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in plain.modules())
    with torch.no_grad():
        torch.testing.assert_close(plain(x), trained(x), rtol=0, atol=1e-4)


def same(one, other):
    """Whether two files hold the same weights bit for bit."""
    one, other = load_file(one), load_file(other)
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


FOLDED = {"architecture": "vgg11_bn", "model_args": {"mlp_ratio": 1 / 32}, "channels_last": True}


@pytest.mark.parametrize(
    ("name", "settings"), [("test_resnet", {}), pytest.param("vgg11", FOLDED, marks=pytest.mark.slow)]
)
def test_a_checkpoint_is_what_a_training_that_stops_there_leaves(recipe, tmp_path, monkeypatch, name, settings):
    """An epoch has four steps; the finished weights are those of a recipe without checkpoints, bit for bit."""
    plain, data = replace(recipe, batch=4, **settings), replace(TINY, train_images=16)
    kept = replace(plain, checkpoints=[0, 0.5, 1, 2])
    files = {epoch: kept(name, data, tmp_path / "kept", epoch) for epoch in (0, 0.5, 1.0, None)}
    assert files[1] == files[None] and len(list((tmp_path / "kept").glob("*.safetensors"))) == 3
    assert same(files[1], plain(name, data, tmp_path / "plain"))
    batches, facts = Fit.batches, {}
    for epoch, steps in ((0, 0), (0.5, 2)):
        monkeypatch.setattr(Fit, "batches", lambda *given, steps=steps: islice(batches(*given), steps))
        assert same(files[epoch], plain(name, data, tmp_path / f"{steps} steps"))
        facts[epoch] = safe_open(str(files[epoch]), "pt").metadata()
        assert (float(facts[epoch]["epoch"]), facts[epoch]["step"]) == (epoch, str(steps))
    start, middle = (float(each["lr"]) for each in facts.values())
    assert start == pytest.approx(recipe.lr / 25) and start < middle < recipe.lr  # of a cycle of four steps


@pytest.mark.slow
def test_missing_checkpoints_are_made_anew_and_weights_stay(recipe, tmp_path, caplog, monkeypatch):
    """As beside weights of an earlier version; a machine that trains otherwise says so."""
    caplog.set_level(logging.INFO)
    kept = replace(recipe, checkpoints=[0, 0.5])
    path = recipe("test_resnet", TINY, tmp_path)
    weights = path.read_bytes()
    assert kept("test_resnet", TINY, tmp_path) == path and len(list(tmp_path.glob("*.safetensors"))) == 1
    first = kept("test_resnet", TINY, tmp_path, 0)
    assert path.read_bytes() == weights and "once more" in caplog.text and "otherwise" not in caplog.text
    with monkeypatch.context() as patch:
        patch.setattr(Fit, "fitted", lambda *_: pytest.fail("fitted again"))
        half = kept("test_resnet", TINY, tmp_path, 0.5)
    half.unlink()
    save_file({key: value + 1 for key, value in load_file(path).items()}, path)
    weights, stored = path.read_bytes(), first.stat().st_mtime_ns
    assert kept("test_resnet", TINY, tmp_path, 0.5) == half and half.exists()
    assert path.read_bytes() == weights and first.stat().st_mtime_ns == stored and "otherwise" in caplog.text


def test_an_epoch_that_is_not_stored_is_refused_with_those_that_are(recipe):
    with pytest.raises(ValueError, match=r"0, 0\.5, 1; 0\.25 was given"):
        replace(recipe, checkpoints=[0.5, 0.0, 7])("test_resnet", TINY, Path(), 0.25)
    with pytest.raises(ValueError, match="keeps, 1; 0 was given"):
        recipe("test_resnet", TINY, Path(), 0)


WRONG = [("seed", -1), ("batch", 1), ("epochs", [0]), ("epochs", "abc"), ("sizes", [32, 64]), ("sizes", [])]
WRONG += [("lr", "fast"), ("weight_decay", True), ("optimiser", "adamww"), ("removed_grid", 1), ("removed_grid", "abc")]
WRONG += [("checkpoints", value) for value in (None, 1, "abc", [-1], [True], ["1"], [float("nan")])]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_wrong_values_are_refused_by_name(recipe, name, value):
    with pytest.raises(ValueError, match=name):
        replace(recipe, **{name: value})
    with pytest.raises(ValueError, match="object"):  # a data set without a train split
        recipe("test_resnet", object(), None)
