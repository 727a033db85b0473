"""Whole sweeps of the oracle, as a user starts them: records, resume, faults, sameness."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.conftest import CONF, options

METHODS = options("method")
ROOT = CONF.parent
COST = ["seconds", "peak_memory", "explain_seconds", "explain_peak_memory"]
ORACLE = ["-m", "model=planted", "dataset=planted", "batch_size=8"]
QUICK = ["dataset.images=4", "budget.masks=20", "budget.samples=4", "budget.steps=4", "budget.iterations=2"]
SMALL = ["budget.masks=200", "budget.samples=8", "budget.steps=8", "budget.iterations=5"]
ALL = "method=glob(*)"
SEVEN = "method=gradient,grad_cam,fem,uniform,truth,constant,edges"


MINE = """
from dataclasses import dataclass

import torch

from entries import explains, scores
from models.zoo import Network


@explains("black box", cites="me")
@dataclass(frozen=True)
class Brightness:
    power: float

    def __call__(self, model, x, target):
        return (x.mean(1) - x.amin((1, 2, 3))[:, None, None]) ** self.power


@scores("complexity", higher_is_better=False, cites="me")
@dataclass(frozen=True)
class Largest:
    def __call__(self, explained):
        return explained.maps.flatten(1).amax(1)


@dataclass(frozen=True)
class Mean:
    last_conv: str

    def __call__(self, dataset):
        module = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
        return Network(module.eval(), (0.0,) * 3, (1.0,) * 3, 16, "none")


@dataclass(frozen=True)
class Ramps:
    images: int
    classes = ("red", "green", "blue")

    def test(self, size):
        ramp = torch.linspace(0, 1, size).expand(3, size, size)
        return [(str(i), ramp, i, torch.zeros(size, size, dtype=torch.bool)) for i in range(self.images)]
"""

# The oracle's sweep is made once: `make test` gives each file to one worker.
pytestmark = pytest.mark.slow


def start(folder: Path, *arguments: str, module: str = "run.py", **more: object) -> subprocess.Popen:
    command = [sys.executable, *(["-m", module] if module != "run.py" else [str(ROOT / module)]), *arguments]
    return subprocess.Popen(command, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more,
                            env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT}:{folder}"})  # fmt: skip


def finish(process: subprocess.Popen) -> str:
    said = process.communicate(timeout=280)[0]
    assert process.returncode == 0, said
    return said


def table(folder: Path) -> pd.DataFrame:
    """All stored rows, without what clocks and allocators say, in one order."""
    files = sorted((folder / "outputs").rglob("scores.parquet"))
    return pd.concat([pd.read_parquet(file, partitioning=None) for file in files], ignore_index=True).drop(columns=COST)


@pytest.fixture(scope="module")
def oracle(tmp_path_factory) -> Path:
    """The oracle with every method and the common metrics, over two worker processes, logged to a fresh database."""
    folder = tmp_path_factory.mktemp("oracle")
    said = finish(start(folder, *ORACLE, *SMALL, ALL, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"))
    assert "warning" not in said.lower(), said
    return folder


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> pd.DataFrame:
    folder = tmp_path_factory.mktemp("undisturbed")
    finish(start(folder, *ORACLE, *QUICK, SEVEN, "tracking_uri=null"))
    return table(folder)


def test_every_cell_has_every_metric(oracle):
    scores = table(oracle)
    assert set(scores.entry) == set(METHODS)
    assert not scores.status.isin(["failed", "inapplicable"]).any(), scores[scores.status == "failed"][
        ["metric", "reason"]
    ]
    assert scores.groupby("entry").metric.nunique().nunique() == 1
    assert (scores.groupby(["entry", "metric"]).image.nunique() == 32).all()
    assert (scores.reason == "").equals(scores.status == "ok") and scores.score.notna().equals(scores.status == "ok")


def test_truth_is_first_and_noise_last(oracle):
    scores = table(oracle)
    for metric, rows in scores[scores.category.isin(["faithfulness", "localisation"])].groupby("metric"):
        good = rows.score.where(rows.higher_is_better, -rows.score)
        means = rows.assign(good=good).pivot(index="image", columns="entry", values="good").mean().dropna()
        # insertion starts from a blurred image, in which the rim of the object has farther to go than its middle
        assert means["truth"] >= means.max() - (0.005 if metric == "insertion" else 1e-9), means.idxmax()
        # the variance of the gradient marks where evidence comes and goes: in the decoys, beside the object
        means = means.drop("var_grad")
        noise = means.index.intersection(["uniform", "constant"])
        assert means[noise].max() < means["truth"]
        assert means.min() >= means[noise].min() - 1e-9, f"{metric}: {means.idxmin()} is worse than noise"


def test_mlflow_has_the_sweep(oracle):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{oracle}/mlflow.db")
    (experiment,) = [e for e in client.search_experiments() if e.name == "dev"]
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    (parent,) = [run for run in runs if run.data.tags["kind"] == "sweep"]
    cells = [run for run in runs if run.data.tags["kind"] == "cell"]
    assert {run.data.tags["mlflow.parentRunId"] for run in cells} == {parent.info.run_id}
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert len(cells) == len(METHODS)
    scores = table(oracle)
    means = scores[scores.metric == "deletion"].groupby("entry").score.mean()
    logged = {run.data.params["entry"]: run.data.metrics for run in cells}
    for method, mean in means.items():
        np.testing.assert_allclose(logged[method]["deletion"], mean, rtol=1e-6)
    one = next(run for run in cells if run.data.params["entry"] == "grad_cam")
    assert one.data.params["method.layer"] == "features"
    steps = [m.step for m in client.get_metric_history(one.info.run_id, "deletion_curve")]
    assert sorted(steps)[0] == 0 and sorted(steps)[-1] == 100 and len(steps) > 10
    assert {f.path for f in client.list_artifacts(one.info.run_id)} >= {
        "scores.parquet",
        "config.yaml",
        "first_maps.png",
    }


def test_second_run_skips_everything(oracle):
    before = {path: path.stat().st_mtime_ns for path in (oracle / "outputs").rglob("scores.parquet")}
    said = finish(start(oracle, *ORACLE, *SMALL, ALL))
    assert said.count("done before, skipped") == len(before) == len(METHODS)
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_killed_sweep_goes_on(tmp_path, undisturbed):
    arguments = [*ORACLE, *QUICK, SEVEN, "tracking_uri=null"]
    first = start(tmp_path, *arguments, start_new_session=True)
    deadline = time.monotonic() + 120
    while len(list(tmp_path.rglob("cell.json"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("cell.json")}
    assert 3 <= len(kept) < 7
    said = finish(start(tmp_path, *arguments))
    assert said.count("done before, skipped") == len(kept)
    assert kept.items() <= {path: path.stat().st_mtime_ns for path in tmp_path.rglob("cell.json")}.items()
    pd.testing.assert_frame_equal(table(tmp_path), undisturbed, check_exact=True)


def test_two_sweeps_at_once(tmp_path, undisturbed):
    for process in [start(tmp_path, *ORACLE, *QUICK, SEVEN) for _ in range(2)]:
        assert "scores are kept" not in finish(process)
    assert len(list((tmp_path / "outputs").rglob("seed_0-*/mlflow.json"))) == 7
    pd.testing.assert_frame_equal(table(tmp_path), undisturbed, check_exact=True)


@pytest.mark.parametrize(
    "other", [["batch_size=1"], ["batch_size=3"], ["hydra/launcher=joblib", "hydra.launcher.n_jobs=4"]]
)
def test_same_numbers_however_they_are_computed(tmp_path, undisturbed, other):
    finish(start(tmp_path, *ORACLE, *QUICK, SEVEN, "tracking_uri=null", *other))
    scores = table(tmp_path)
    identity = ["entry", "metric", "image", "status"]
    pd.testing.assert_frame_equal(scores[identity], undisturbed[identity])
    np.testing.assert_allclose(scores.score, undisturbed.score, rtol=0, atol=1e-5)


@pytest.mark.parametrize("place", [["name=a/b"], ["name=planted"], ["hydra.sweep.dir=elsewhere"]])
def test_a_sweep_is_found_wherever_it_lies(tmp_path, place):
    from mlflow import MlflowClient

    finish(start(tmp_path, *ORACLE, *QUICK, "method=gradient,uniform", "metric=[gini]", *place))
    finish(start(tmp_path, ".", module="benchmarks.record"))
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    experiments = [e for e in client.search_experiments() if e.name != "Default"]
    runs = client.search_runs([e.experiment_id for e in experiments])
    assert len(experiments) == 1 and sorted(run.data.tags["kind"] for run in runs) == ["cell", "cell", "sweep"]
    (parent,) = [run.info.run_id for run in runs if run.data.tags["kind"] == "sweep"]
    assert {run.data.tags.get("mlflow.parentRunId", parent) for run in runs} == {parent}


def test_what_was_not_logged_is_logged_when_the_sweep_is_run_again(tmp_path):
    arguments = [*ORACLE, *QUICK, "method=gradient,uniform"]
    finish(start(tmp_path, *arguments, "tracking_uri=null"))
    assert finish(start(tmp_path, *arguments)).count("done before, skipped") == 2
    assert len(list((tmp_path / "outputs").rglob("seed_0-*/mlflow.json"))) == 2


def test_other_seed_other_draws(tmp_path, undisturbed):
    finish(start(tmp_path, *ORACLE, *QUICK, SEVEN, "tracking_uri=null", "seed=1"))
    merged = undisturbed.merge(table(tmp_path), on=["entry", "metric", "image"])
    moved = (merged.score_x != merged.score_y).groupby(merged.entry).any()
    assert moved["uniform"]


def test_tracking_server_down(tmp_path):
    arguments = [*ORACLE, *QUICK, "method=gradient,uniform", "tracking_uri=http://127.0.0.1:9"]
    said = finish(start(tmp_path, *arguments))
    assert said.count("scores are kept") == 1 and len(list(tmp_path.rglob("scores.parquet"))) == 2
    said = finish(start(tmp_path, "outputs", f"sqlite:///{tmp_path}/later.db", module="benchmarks.record"))
    assert "of 2 cells 2 logged" in said
    said = finish(start(tmp_path, "outputs", f"sqlite:///{tmp_path}/later.db", module="benchmarks.record"))
    assert "of 2 cells 0 logged, 2 were there" in said


def test_database_locked(tmp_path):
    arguments = [*ORACLE, *QUICK, "method=gradient,uniform"]
    finish(start(tmp_path, *arguments, "name=first"))  # migrates the database
    lock = sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    try:
        said = finish(start(tmp_path, *arguments))
    finally:
        lock.execute("ROLLBACK")
    assert said.count("scores are kept") == 1
    assert len(list((tmp_path / "outputs" / "dev").rglob("scores.parquet"))) == 2
    said = finish(start(tmp_path, "outputs/dev", module="benchmarks.record"))
    assert "of 2 cells 2 logged" in said


def test_failed_cell_does_not_stop_the_others(tmp_path):
    process = start(
        tmp_path, *ORACLE, *QUICK, "method=gradient,grad_cam,uniform", "++method.layer=nowhere", "tracking_uri=null"
    )
    said = process.communicate(timeout=280)[0]
    assert process.returncode == 1 and "Traceback" not in said
    assert set(table(tmp_path).entry) == {
        "grad_cam"
    }  # that the layer is not there makes the method inapplicable, which is an answer
    assert len(list(tmp_path.rglob("failure.txt"))) == 2 and said.count("unexpected keyword argument 'layer'") == 3


def test_own_entries_in_a_folder_of_the_users(tmp_path):
    entries = {
        "method/brightness": "_target_: mine.Brightness\npower: 2.0\n",
        "metric/largest": "# @package metric.largest\n_target_: mine.Largest\n",
        "model/mine": "_target_: mine.Mean\nlast_conv: ''\n",
        "dataset/mine": "_target_: mine.Ramps\nimages: 3\n",
    }
    for name, text in entries.items():
        (path := tmp_path / "conf" / f"{name}.yaml").parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "mine.py").write_text(MINE)
    chosen = [
        "model=mine",
        "dataset=mine",
        "metric=[deletion,largest]",
        "method=brightness,uniform",
        "tracking_uri=null",
    ]
    finish(start(tmp_path, "--config-dir=conf", "-m", *chosen))
    scores = table(tmp_path)
    assert set(scores.entry) == {"brightness", "uniform"} and set(scores.image) == {"0", "1", "2"}
    assert scores[scores.metric == "largest"].set_index("entry").score["brightness"].round(5).eq(1).all()
