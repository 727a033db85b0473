"""Around a sweep: what it varies, what MLflow is given, the speed table, the comparison with published scores."""

import os
import socket
import time
from unittest import mock

import numpy as np
import pandas as pd
import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from torch import nn

from benchmarks import reproduce, server, sweep_run, tracking
from benchmarks.cell import mark_sweep
from benchmarks.sweep import swept, tried
from benchmarks.tracking import log_values, means, steps
from tests.conftest import CONF, METHODS, composed, options
from tests.speed import sharing
from tests.speed.speed import passes, replay

ROWS = pd.DataFrame(
    {
        "dataset": "shapes",
        "model": "resnet18",
        "entry": ["rise", "rise", "fem", "fem"] * 3,
        "settings": "{}",
        "seed": 0,
        "image": ["a", "b"] * 6,
        "part": "",
        "metric": "gini",
        "metric_settings": [f'{{"k":{k}}}' for k in range(3) for _ in range(4)],
        "weights": "abc",
        "score": [0.1, 0.2, 0.4, 0.3] * 3,
    }
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "numbers"),
    [
        (["experiment=methods"], {"model": 3, "method": len(METHODS)}),
        (["experiment=budget"], {"method": 7, "budget.scale": 5}),
        (["experiment=networks"], {"model": 5}),
        (["experiment=photos"], {"part": 2, "method": len(METHODS) - 2}),
        (["experiment=quick"], {"part": 2, "method": 15}),
        (["experiment=meta"], {"method": 13, "condition": len(options("condition"))}),
        (["experiment=leaderboard", "method=gradient,fem"], {"model": 3, "method": 2}),
        (["experiment=leaderboard", "model=resnet18", "method=fem", "seed=range(4)"], {"seed": 4}),
        (["method=fem"], {}),
    ],
)
def test_a_sweep_knows_what_it_varies(overrides, numbers):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", overrides[:1], return_hydra_config=True)
        config.hydra.overrides.task = overrides
        assert swept(tried(config)) == numbers


@pytest.mark.parametrize(
    ("fractions", "places"),
    [
        ([0, 0.25, 1], [0, 25, 100]),
        ([0, 1 / 255, 2 / 255], [0, 4, 8]),
        ([0.5, 0.501], [500, 501]),
        ([1, 5], [100, 500]),
    ],
)
def test_the_steps_of_a_curve_tell_its_fractions_apart(fractions, places):
    assert steps(pd.Index(fractions)) == places


@pytest.mark.slow
def test_what_a_cell_and_a_sweep_share_is_passed_once(monkeypatch):
    chosen = composed("metric=[deletion,aopc,single_deletion,random_logit]").metric
    metrics = {name: instantiate(node) for name, node in chosen.items() if node}
    methods = {name: instantiate(composed(f"method={name}").method) for name in sharing.METHODS}
    monkeypatch.setattr(sharing, "entries", lambda images: (methods, metrics))
    table = sharing.passes(2).round(3)
    assert table.loc["aopc"].tolist() == [16.5, 0, 0]  # 15 states, the blank image for both, and the clean pass
    assert table.loc["single_deletion"].tolist() == [65, 64, 0]
    assert table.loc["random_logit", "next"] == 2 and table.loc["deletion", "next"] == 15


class Noted:
    """A tracking client that notes what it is given."""

    def __init__(self):
        self.metrics = []

    def log_batch(self, run_id, metrics=(), params=()):
        self.metrics += [(metric.key, metric.step, metric.value) for metric in metrics]


CELL = pd.DataFrame(
    {
        **{"folder": "", "dataset": "d", "model": "m", "entry": "e", "group": "g", "seed": 0, "part": ""},
        **{"image": ["a", "b"], "category": "c", "metric": "gini", "metric_settings": "{}", "status": "ok"},
        **{"higher_is_better": True, "lower_bound": 0.0, "upper_bound": 1.0, "reason": ""},
        **{"score": [0.1, 0.2], "explain_seconds": 1.0},
    }
)


@pytest.mark.slow
def test_a_cell_is_logged_whole_and_by_part(tmp_path):
    parts = [CELL.assign(part=name, score=value) for name, value in (("first", 0.25), ("second", 0.75))]
    fractions = np.arange(1500) / 1500
    points = {"image": "a", "metric": "gini", "metric_settings": "{}", "fraction": fractions, "value": fractions}
    pd.DataFrame(points).to_parquet(tmp_path / "curves.parquet")
    noted = Noted()
    log_values(noted, "run", {}, pd.concat([CELL, *parts]).assign(folder=str(tmp_path)))
    logged = {(key, step): value for key, step, value in noted.metrics}
    assert logged["c/gini", 0] == pytest.approx(0.15) and logged["cost/explain_seconds", 0] == 1
    assert logged["parts/gini", 0] == 0.25 and logged["parts/gini", 1] == 0.75
    assert sum(key == "curves/gini" for key, _ in logged) == 1500


def test_the_table_of_a_cell_says_what_is_missing_and_why():
    rows = pd.concat([CELL, CELL.assign(metric="lost", score=np.nan, status="undefined", reason="no mask")])
    table = means(rows).set_index("metric")
    assert table.images.tolist() == [2, 0] and table.undefined.tolist() == [0, 2]
    assert table.reason.tolist() == ["", "no mask"] and table.low.isna().all()  # two images have no interval


@pytest.mark.slow
def test_a_store_that_does_not_answer_is_given_up_at_once(tmp_path, caplog, monkeypatch):
    mark_sweep(tmp_path / "s", "s", "maps", [])
    monkeypatch.setattr(server, "PATIENCE", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes requests and says nothing
        for uri in (f"sqlite:///{tmp_path}", f"http://127.0.0.1:{silent.getsockname()[1]}"):
            caplog.clear()
            began = time.perf_counter()
            with mock.patch.dict(os.environ):
                sweep_run.start(tmp_path / "s", uri)
                sweep_run.start(tmp_path / "s", uri)
                assert not tracking.log_cell(tmp_path / "s", uri)
            assert time.perf_counter() - began < 5 and caplog.text.count("scores are kept") == 1


def test_a_password_is_not_printed(caplog):
    with mock.patch.dict(os.environ):
        server.give_up("postgresql://me:secret@host/db", ValueError("no"))
    assert "host/db" in caplog.text and "secret" not in caplog.text


def test_passes_of_an_entry_and_their_replay():
    model = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(2 * 62 * 62, 4)).requires_grad_(False)

    def entry():
        with torch.no_grad():
            model(torch.zeros(5, 3, 64, 64))
        x = torch.zeros(2, 3, 64, 64, requires_grad=True)
        torch.autograd.grad(model(x).sum(), x)

    made = passes(model, entry)
    assert [(one.images, one.gradient) for one in made] == [(5, False), (2, True)]
    again = passes(model, lambda: replay(model, made))
    assert [(one.images, one.gradient) for one in again] == [(5, False), (2, True)]


@pytest.fixture
def published(monkeypatch, tmp_path) -> pd.DataFrame:
    ROWS.to_parquet(tmp_path / "leaderboard.parquet")
    monkeypatch.setattr(reproduce, "PUBLISHED", tmp_path)
    return ROWS


def test_same_weights_are_compared_image_by_image(published):
    assert reproduce.compare("leaderboard", published)
    assert not reproduce.compare("leaderboard", published.assign(score=published.score + 1e-3))
    assert reproduce.compare("leaderboard", pd.concat([published, published.assign(part="layer", score=9.0)]))


def test_other_weights_are_compared_by_means(published):
    now = published.assign(weights="other")
    assert reproduce.compare("leaderboard", now.assign(score=now.score * (1 + 1e-6)))
    assert not reproduce.compare("leaderboard", now.assign(score=now.score + 10))


def test_a_subset_that_was_never_published_is_refused(published):
    with pytest.raises(ValueError, match="not in"):
        reproduce.compare("leaderboard", published.assign(entry=published.entry + "_new"))
