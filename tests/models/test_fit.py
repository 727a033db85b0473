"""Fitting: cached, locked, seeded and without traces; batch norms fold exactly."""

import logging
from dataclasses import dataclass, replace

import pytest
import timm
import torch
from filelock import FileLock
from hydra.utils import instantiate
from safetensors import safe_open
from safetensors.torch import load_file

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
    return replace(fit, sizes=(32,), epochs=(1,), batch=16, test_images=16, accuracy=0.0, device="cpu")


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
    assert replace(recipe, device="cuda", accuracy=1.0).key("test_resnet", replace(TINY, images=100)) == keys[0]


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


@pytest.mark.parametrize(("name", "key"), FITTED.items())
def test_networks_keep_their_names_and_one_in_domain_differs_in_the_removed_patches_alone(name, key):
    cfg, other = (composed(f"model={n}") for n in (name, f"{name}_in_domain"))
    model, dataset, within = (instantiate(node, _convert_="all") for node in (cfg.model, cfg.dataset, other.model))
    assert model.fit.key(model.name, dataset) == key
    assert within == replace(model, fit=replace(model.fit, removed_grid=8))


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


WRONG = [("seed", -1), ("batch", 1), ("epochs", [0]), ("epochs", "abc"), ("sizes", [32, 64]), ("sizes", [])]
WRONG += [("lr", "fast"), ("weight_decay", True), ("optimiser", "adamww"), ("removed_grid", 1), ("removed_grid", "abc")]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_wrong_values_are_refused_by_name(recipe, name, value):
    with pytest.raises(ValueError, match=name):
        replace(recipe, **{name: value})
    with pytest.raises(ValueError, match="object"):  # a data set without a train split
        recipe("test_resnet", object(), None)
