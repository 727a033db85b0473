"""What a cell is: names and settings as data, a key, a folder; what is computed again and what is not."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf

from benchmarks.cell import DONE, Cell, cells, flattened, mark_sweep, read_cell, sweep_of, write
from benchmarks.compute import compute, missing
from benchmarks.maps.benchmark import Maps
from benchmarks.record import elsewhere, found
from entries import Inapplicable
from results import scores
from tests.conftest import job

SMALL = ["model=planted", "dataset=planted", "batch_size=4", "device=cpu"]


def cell(folder, *overrides: str) -> Cell:
    return Cell.of(*job(*SMALL, *overrides), folder)


def computed(folder, *overrides: str) -> list[str]:
    """Compute what a command's cell lacks; return which metrics that were."""
    cfg, choices = job(*SMALL, *overrides)
    one = Cell.of(cfg, choices, folder)
    mark_sweep(folder, "test", one.names["kind"])
    with one.lock():
        lacking = missing(one)
        if lacking:
            OmegaConf.set_struct(cfg, False)
            compute(one, cfg, lacking, "typed")
    return lacking


@pytest.mark.slow
@pytest.mark.parametrize(
    "same",
    [
        "metric=[gini]",
        "metric.deletion.steps=3",
        "dataset.images=7",
        "batch_size=2",
        "name=other",
        "threads=1",
        "tracking_uri=null",
        "method.baseline=0",  # the entry's own value, as another number type
        "method.steps=32",
        "budget.masks=7",  # which this method does not read
        "baseline=black",
        "benchmark.gallery.images=2",
    ],
)
def test_what_changes_no_map_makes_no_other_cell(tmp_path, same):
    plain, few = ["method=integrated_gradients", "metric=[deletion]"], same.startswith("metric=")
    assert cell(tmp_path, *plain[: 2 - few], same).folder == cell(tmp_path, *plain).folder


@pytest.mark.parametrize(
    "other",
    [
        "method=gradient",
        "method.steps=8",
        "budget.steps=8",
        "dataset.seed=1",
        "seed=1",
        "model.threshold=0.4",
        "benchmark.target=label",
        "benchmark.background=3",
        "+method.strict=true",  # which is neutral in a data set, and may be anything in a method of one's own
    ],
)
def test_what_may_change_a_map_makes_another_cell(tmp_path, other):
    plain = ["method=integrated_gradients", "metric=[deletion]"]
    assert cell(tmp_path, *plain, other).folder != cell(tmp_path, *plain).folder


def test_a_cell_names_its_settings_and_nothing_else(tmp_path):
    columns = cell(tmp_path, "method=rise", "budget.masks=9").columns()
    assert json.loads(columns["settings"]) == {"grid": 7, "masks": 9, "p": 0.5}
    assert json.loads(columns["data_settings"]) == {"seed": 0}
    assert columns["kind"] == "maps" and columns["entry"] == "rise" and columns["condition"] == ""


@pytest.mark.slow
def test_a_condition_is_known_wherever_it_is_set(tmp_path):
    by_command = cell(tmp_path, "experiment=meta", "condition=black")
    assert by_command.names["condition"] == "black" and cell(tmp_path, "experiment=meta").names["condition"] == "plain"


def test_flattened():
    assert flattened({"a": {"b": 1, "c": [2, 3]}, "e": {}}) == {"a.b": 1, "a.c": [2, 3]}


def test_write_replaces_or_leaves_nothing(tmp_path):
    path = tmp_path / "file.txt"
    write(path, lambda temporary: temporary.write_text("one"))

    def torn(temporary):
        temporary.write_text("tw")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write(path, torn)
    assert path.read_text() == "one" and list(tmp_path.iterdir()) == [path]


def ordered(rows: pd.DataFrame) -> np.ndarray:
    return rows.astype({"metric": str, "image": str}).sort_values(["metric", "image"]).score.to_numpy()


@pytest.mark.slow
def test_a_metric_that_is_added_is_the_only_one_computed(tmp_path):
    few = ["method=gradient", "dataset.images=6"]
    assert computed(tmp_path, *few, "metric=[deletion]") == ["deletion"]
    assert computed(tmp_path, *few, "metric=[deletion,insertion,gini]") == ["insertion", "gini"]
    assert computed(tmp_path, *few, "metric=[gini]") == []
    added = scores.read(tmp_path)
    assert len(added) == 18 and added.folder.nunique() == 1
    computed(tmp_path / "at_once", *few, "metric=[deletion,insertion,gini]")
    np.testing.assert_array_equal(ordered(added), ordered(scores.read(tmp_path / "at_once")))


@pytest.mark.slow
def test_images_that_are_added_extend_the_cell(tmp_path):
    few = ["method=gradient", "metric=[deletion,gini]"]
    computed(tmp_path, *few, "dataset.images=4")
    assert computed(tmp_path, *few, "dataset.images=6") == ["deletion", "gini"]
    assert computed(tmp_path, *few, "dataset.images=5") == []
    extended = scores.read(tmp_path)
    assert (extended.groupby("metric", observed=True).image.nunique() == 6).all() and len(extended) == 12
    computed(tmp_path / "at_once", *few, "dataset.images=6")
    np.testing.assert_allclose(ordered(extended), ordered(scores.read(tmp_path / "at_once")), atol=1e-6)


@pytest.mark.slow
def test_more_images_of_an_entry_that_does_not_suit_give_its_reason_once(tmp_path):
    for images in (2, 4):
        computed(tmp_path, "method=stored", "metric=[gini]", f"dataset.images={images}")
    assert scores.read(tmp_path).status.tolist() == ["inapplicable"]


@pytest.mark.slow
def test_other_settings_of_a_metric_stand_beside_the_first(tmp_path):
    few = ["method=gradient", "dataset.images=4", "metric=[deletion]"]
    computed(tmp_path, *few)
    assert computed(tmp_path, *few, "metric.deletion.steps=8") == ["deletion"]
    assert computed(tmp_path, *few) == []
    labels = set(scores.labelled(scores.read(tmp_path)).metric)
    assert labels == {"deletion (steps=8)", "deletion (steps=16)"}


@pytest.mark.slow
def test_other_images_make_another_table(tmp_path):
    few = ["method=centre", "dataset.images=4", "metric=[energy_in_mask]"]
    for seed in (0, 1):
        computed(tmp_path, *few, f"dataset.seed={seed}")
    rows = scores.labelled(scores.read(tmp_path))
    assert set(rows.dataset) == {"planted (seed=0)", "planted (seed=1)"} and set(rows.entry) == {"centre"}


@pytest.mark.slow
def test_an_entry_s_own_settings_are_named_where_they_differ(tmp_path):
    few = ["dataset.images=2", "metric=[gini]"]
    for entry in ("method=gradient", "method=rise budget.masks=5", "method=rise budget.masks=9"):
        computed(tmp_path, *few, *entry.split())
    labels = set(scores.labelled(scores.read(tmp_path)).entry)
    assert labels == {"gradient", "rise (masks=5)", "rise (masks=9)"}


@pytest.mark.slow
def test_a_metric_that_failed_is_computed_again_and_others_are_not(tmp_path, monkeypatch):
    from benchmarks.maps.metrics.complexity import Gini

    few = ["method=gradient", "dataset.images=4", "metric=[deletion,gini]"]
    with monkeypatch.context() as broken:
        broken.setattr(Gini, "__call__", lambda self, explained: 1 / 0)
        computed(tmp_path, *few)
    assert set(scores.read(tmp_path).status) == {"ok", "failed"}
    (folder,) = cells(tmp_path)
    assert found(folder) == []  # else the failed metric would be skipped when the sweep is started again
    assert computed(tmp_path, *few) == ["gini"] and found(folder) == ["typed"]
    assert set(scores.read(tmp_path).status) == {"ok"}


@pytest.mark.slow
def test_a_metric_that_failed_takes_no_other_settings_of_it_along(tmp_path, monkeypatch):
    from benchmarks.maps.metrics.complexity import Entropy

    few, plain = ["method=gradient", "dataset.images=4"], Entropy.__call__
    computed(tmp_path, *few, "metric=[entropy]")
    with monkeypatch.context() as broken:
        broken.setattr(Entropy, "__call__", lambda self, e: plain(self, e) if self.unit == "share" else 1 / 0)
        computed(tmp_path, *few, "metric=[entropy]", "metric.entropy.unit=nats")
    assert computed(tmp_path, *few, "metric=[gini]") == ["gini"]
    assert computed(tmp_path, *few, "metric=[entropy]") == []
    assert scores.read(tmp_path).groupby("metric", observed=True).size().to_dict() == {"entropy": 4, "gini": 4}


def test_a_cell_that_an_earlier_version_stored_is_found_and_extended(tmp_path):
    few = ["method=gradient", "dataset.images=2"]
    computed(tmp_path, *few, "metric=[gini]")
    (folder,) = cells(tmp_path)
    done = read_cell(folder)
    write(folder / DONE, lambda path: path.write_text(json.dumps({k: done[k] for k in ("key", "complete", "lost")})))
    assert elsewhere(folder, "cuda") == "" and found(folder) == []
    assert computed(tmp_path, *few, "metric=[gini]") == []
    assert computed(tmp_path, *few, "metric=[gini,entropy]") == ["entropy"]
    assert read_cell(folder)["batch_size"] == 4 and len(read_cell(folder)["complete"]) == 2


def test_a_cell_that_was_refused_without_a_network_is_computed_once_it_suits(tmp_path, monkeypatch):
    def suits(_self, dataset, _model, _entry):
        if dataset.images < 3:
            raise Inapplicable("Gradient needs three images")

    monkeypatch.setattr(Maps, "suits", suits, raising=False)
    few = ["method=gradient", "metric=[gini]"]
    computed(tmp_path, *few, "dataset.images=2")
    assert scores.read(tmp_path).status.tolist() == ["inapplicable"]
    computed(tmp_path, *few, "dataset.images=4")
    assert scores.read(tmp_path).status.tolist() == ["ok"] * 4


@pytest.mark.slow
def test_other_weights_under_the_same_settings_are_refused(tmp_path, monkeypatch):
    from models import planted

    few = ["method=gradient", "dataset.images=4"]
    computed(tmp_path, *few, "metric=[gini]")
    plain = planted.Planted.__call__
    monkeypatch.setattr(planted.Planted, "__call__", lambda self, data: replace(plain(self, data), digest="other"))
    with pytest.raises(ValueError, match="weights"):
        computed(tmp_path, *few, "metric=[entropy]")


def test_a_sweep_is_found_by_the_file_that_it_left(tmp_path):
    inside = tmp_path / "a" / "b" / "cell"
    inside.mkdir(parents=True)
    assert sweep_of(inside) is None
    mark_sweep(tmp_path / "a", "a/b", "maps")
    assert sweep_of(inside) == (tmp_path / "a").resolve()


@pytest.mark.parametrize("name", ["", None, "../elsewhere", "/elsewhere"])
def test_a_name_that_is_no_folder_under_outputs_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="name"):
        mark_sweep(tmp_path, name, "maps")


def test_a_folder_with_cells_of_another_kind_is_refused(tmp_path):
    mark_sweep(tmp_path, "a", "paths")  # by a command that was refused and left no cell
    mark_sweep(tmp_path, "a", "maps")
    (tmp_path / DONE).touch()
    with pytest.raises(ValueError, match="maps"):
        mark_sweep(tmp_path, "a", "networks")
