"""Cells of the kind on networks that are fitted in a second: planted data sets, networks on subsets, refusals."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from safetensors.torch import load_file

from benchmarks.cell import Cell
from benchmarks.datasets.digits import Digits
from benchmarks.datasets.planted import Planted
from benchmarks.datasets.shapes import Shapes
from benchmarks.examples.worlds import World, checkpoints, patched, plain
from benchmarks.preparation import prepared
from tests.conftest import composed, evaluated, job

SMALL = [
    "benchmark=examples",
    "threads=1",
    "dataset.train_images=64",
    "dataset.images=6",
    "model.fit.sizes=[16]",
    "model.fit.epochs=[1]",
    "model.fit.checkpoints=[0,0.5]",
    "model.fit.accuracy=0",
    "+model.fit.model_args={channels:[4,4,8,8]}",
    "benchmark.subsets=3",
    "benchmark.left_out=3",
    "benchmark.duplicates=2",
]
SHAPES, DIGITS = Shapes(images=6, train_images=64, seed=0), Digits(images=6, train_images=64, seed=0)


def worlds(dataset: object) -> list[object]:
    planted = [World(dataset, "flipped", 0.1), World(dataset, "doubled", 2), World(dataset, "patched", 0.1)]
    return [*planted, *(World(dataset, "half", 0.5, seed) for seed in (0, 1))]


@pytest.mark.slow
def test_a_fit_tells_all_worlds_apart_and_no_number_of_test_images():
    fit = instantiate(composed(*SMALL).model, _convert_="all").fit
    keys = [fit.key("resnet18", world) for dataset in (SHAPES, DIGITS) for world in worlds(plain(dataset))]
    assert len({*keys, fit.key("resnet18", SHAPES)}) == 11
    more = [fit.key("resnet18", world) for world in worlds(plain(replace(SHAPES, images=7)))]
    assert more == keys[:5]


def test_worlds_change_what_they_tell_of_and_nothing_else():
    pixels, labels = SHAPES.train(16)
    flipped, doubled, patch, half, other = worlds(SHAPES)
    assert torch.equal(flipped.train(16)[0], pixels)
    assert torch.equal(flipped.train(16)[1] != labels, flipped.truth(64))
    assert flipped.truth(64).sum() == 6
    images, classes = doubled.train(16)
    for place, (_, image, label, _) in zip(doubled.truth(64).nonzero()[:, 0], SHAPES.test(16)[:2], strict=True):
        assert torch.equal(images[place], (255 * image).round().byte())
        assert classes[place] == label
    assert torch.equal(images[:62], pixels[:62])
    planted, (images, classes) = patch.truth(64), patch.train(16)
    assert torch.equal((images != pixels).flatten(1).any(1), planted)
    assert torch.equal(images[planted].float() / 255, patched(pixels[planted].float() / 255, 1))
    assert torch.equal(classes, torch.where(planted, 0, labels))
    assert planted.sum() == 6
    assert len(half.train(16)[0]) == 32
    assert torch.equal(half.train(16)[0], pixels[half.truth(64)])
    assert not torch.equal(half.truth(64), other.truth(64))


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("weights")


@pytest.mark.slow
def test_a_cell_has_all_scores_and_its_networks_are_fitted_once(cache):
    first = evaluated(*SMALL, f"cache={cache}")
    table = first.scores
    assert {*table.status} <= {"ok", "undefined"}
    assert table.groupby("metric").size().to_dict() == {
        **dict.fromkeys(("influence_correlation", "lds", "shortcut_auroc", "randomisation"), 6),
        **dict.fromkeys(("lds_ceiling", "flipped_auroc", "flipped_precision"), 1),
        **dict.fromkeys(("duplicates_found", "lds_interval"), 2),
    }
    images = table[table.image != ""]
    assert (images.label == images.image.str[-5:].astype(int) % 8).all()
    assert first.gallery["helpful"].shape == (6, 4, 16, 16, 3)
    assert (first.gallery["helpful_tau"][:, :-1] >= first.gallery["helpful_tau"][:, 1:]).all()
    assert {*first.curves.metric} == {"flipped_auroc"}
    files = sorted(cache.rglob("*.safetensors"))
    halves = [file for file in files if file.parent.name == "subsets"]
    assert len(halves) == 6
    before, weights = {file: file.stat().st_mtime_ns for file in files}, load_file(halves[0])
    halves[0].unlink()  # as if the run had been killed before this one
    evaluated(*SMALL, f"cache={cache}", "example=random_ids", "metric=[lds]")
    assert [file for file in files if file.stat().st_mtime_ns != before[file]] == halves[:1]
    assert all(torch.equal(value, weights[name]) for name, value in load_file(halves[0]).items())


@pytest.mark.slow
def test_checkpoints_have_the_learning_rates_of_the_fit(cache):
    traced = [*SMALL, f"cache={cache}", "example=trac_in", "metric=[influence_correlation]"]
    cfg, choices = job("device=cpu", *traced)
    ready = prepared(Cell.of(cfg, choices, Path("nowhere")), cfg)
    stages, fit = checkpoints(ready, ready.dataset), instantiate(cfg.model, _convert_="all").fit
    weights = [{**module.state_dict()}["fc.weight"] for module, _ in stages]
    assert not torch.equal(*weights) and not torch.equal(weights[1], ready.model.fc.weight)
    epoch = 64 // fit.batch
    steps = torch.optim.SGD([torch.zeros(1, requires_grad=True)], fit.lr)
    schedule, rates = torch.optim.lr_scheduler.OneCycleLR(steps, fit.lr, max(epoch, 4)), []
    for _ in range(epoch):
        rates += schedule.get_last_lr()
        steps.step()
        schedule.step()
    assert [rate for _, rate in stages] == pytest.approx([rates[0], rates[epoch // 2]])
    told = evaluated(*traced).scores
    assert (told.status == "ok").all()
    assert set(told.explain_forwards) == {2 * (64 + 6) / 6}, "the passes of both checkpoints, and none of loading them"
    none = evaluated(*traced, "model.fit.checkpoints=[]").scores
    assert none.reason.str.contains("checkpoints needs epochs .* before the last, 1").all()


@pytest.mark.slow
def test_processes_fit_the_same_networks_as_one_does(cache, tmp_path):
    one, two = (
        evaluated(*SMALL[2:], SMALL[0], f"threads={n}", f"cache={folder}", "metric=[lds,lds_ceiling]").scores.score
        for n, folder in ((1, cache), (2, tmp_path))
    )
    assert one.equals(two)


@pytest.mark.slow
def test_what_cannot_be_asked_is_said(monkeypatch):
    planted = [
        "benchmark=examples",
        "dataset=planted",
        "model=planted",
        "dataset.images=4",
        "metric=[lds,randomisation]",
    ]
    table = evaluated(*planted).scores
    assert (table[table.metric == "randomisation"].status == "ok").all()
    reason = "need a network that is fitted here, with weights=fit; a Planted was given"
    assert table[table.metric == "lds"].reason.str.contains(reason).all()
    monkeypatch.delattr(Planted, "train")
    table = evaluated(*planted).scores
    assert table.reason.str.contains("needs a data set with a train split; Planted has none").all()
