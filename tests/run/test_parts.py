"""A cell that is killed: the batches before the last are stored, and a second run computes the others only."""

import gc
import logging
import weakref
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmarks.maps.metrics.complexity import Gini
from benchmarks.parts import Parts
from methods.gradient import Gradient
from tests.run.test_cell import computed

TWELVE = ["method=gradient", "metric=[gini,deletion]", "dataset.images=12", "benchmark.gallery.images=6"]


@pytest.fixture
def explained(monkeypatch):
    """Count explained images; the third batch is never finished while `explained["kill"]` is true."""
    seen, plain = {"images": 0, "kill": True}, Gradient.__call__

    def call(self, model, x, target):
        if seen["kill"] and seen["images"] == 8:
            raise KeyboardInterrupt
        seen["images"] += len(x)
        return plain(self, model, x, target)

    monkeypatch.setattr(Gradient, "__call__", call)
    return seen


def files(folder):
    (cell,) = folder.rglob("cell.json")
    with np.load(cell.parent / "gallery.npz") as gallery:
        pictures = dict(gallery)
    assert not (cell.parent / ".parts").exists()
    tables = [pd.read_parquet(cell.parent / f"{name}.parquet", partitioning=None) for name in ("scores", "curves")]
    return *tables, pictures


def killed(folder, explained):
    with pytest.raises(KeyboardInterrupt):
        computed(folder, *TWELVE)
    assert not list(folder.rglob("cell.json"))
    explained.update(images=0, kill=False)


@pytest.mark.slow
def test_a_killed_cell_goes_on_after_the_batches_that_another_followed(tmp_path, explained, caplog):
    """Of three batches of four images, the third was begun."""
    killed(tmp_path / "killed", explained)
    with caplog.at_level(logging.INFO):
        computed(tmp_path / "killed", *TWELVE)
    assert explained["images"] == 4 and "after 8 images" in caplog.text
    computed(tmp_path / "whole", *TWELVE)
    (scores, curves, pictures), (whole, points, shown) = (files(tmp_path / name) for name in ("killed", "whole"))
    key = ["metric", "image"]
    scores, whole = (table.sort_values(key, ignore_index=True) for table in (scores, whole))
    same = [column for column in whole if "seconds" not in column and "memory" not in column and column != "reused"]
    pd.testing.assert_frame_equal(scores[same], whole[same])
    order = ["metric", "image", "fraction"]
    pd.testing.assert_frame_equal(*(c.sort_values(order, ignore_index=True) for c in (curves, points)))
    assert set(pictures) == set(shown) and all((pictures[name] == shown[name]).all() for name in shown)
    assert computed(tmp_path / "killed", *TWELVE) == []


@pytest.mark.slow
def test_a_metric_that_is_no_longer_asked_for_leaves_no_scores(tmp_path, explained):
    killed(tmp_path, explained)
    computed(tmp_path, *TWELVE, "metric.deletion.steps=3")
    scores, curves, _ = files(tmp_path)
    assert (scores.groupby("metric").size() == 12).all() and curves.metric_settings.nunique() == 1
    assert explained["images"] == 4 + 12  # those that Gini lacks, and all for the other deletion


@pytest.mark.slow
def test_pictures_that_a_killed_metric_made_anew_stand_once(tmp_path, explained, monkeypatch):
    explained["kill"] = False
    computed(tmp_path, *TWELVE, "metric=[deletion]")
    monkeypatch.setattr(Gini, "pictures", lambda self, explained, n: {"more": np.arange(n)}, raising=False)
    explained.update(images=0, kill=True)
    with pytest.raises(KeyboardInterrupt):
        computed(tmp_path, *TWELVE)
    explained.update(images=0, kill=False)
    computed(tmp_path, *TWELVE)
    pictures = files(tmp_path)[2]
    assert len(set(pictures["image"])) == len(pictures["image"]) == len(pictures["more"]) == 6


@pytest.mark.slow
def test_batches_of_other_code_do_not_count(tmp_path, explained, monkeypatch):
    killed(tmp_path, explained)
    plain = Parts.of
    monkeypatch.setattr(Parts, "of", lambda *a: replace(plain(*a), version="other"))
    computed(tmp_path, *TWELVE)
    assert explained["images"] == 12
    assert len(files(tmp_path)[0]) == 24


@pytest.mark.slow
def test_no_batch_stays_in_memory(tmp_path, monkeypatch):
    """When a batch is explained, the one before the last is gone, whatever the metrics keep for each other."""
    batches, plain = [], Gradient.__call__

    def call(self, model, x, target):
        gc.collect()
        assert not any(batch() is not None for batch in batches[:-1])
        batches.append(weakref.ref(x))
        return plain(self, model, x, target)

    monkeypatch.setattr(Gradient, "__call__", call)
    computed(tmp_path, *TWELVE)
    assert len(batches) == 3


def test_code_is_the_project_s_and_that_of_entries_from_outside(tmp_path, monkeypatch):
    (tmp_path / "outside.py").write_text("class Mine: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    from outside import Mine

    versions = [Parts.of(tmp_path, [Mine(), None]).version, Parts.of(tmp_path, []).version]
    (tmp_path / "outside.py").write_text("class Mine: changed = True\n")
    versions.append(Parts.of(tmp_path, [Mine()]).version)
    assert len(set(versions)) == 3
