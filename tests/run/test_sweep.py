"""Whole sweeps of the oracle, as a user starts them: records, resume, faults, sameness."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf

from benchmarks import record, server, sweep_run
from tests.conftest import CONF, METHODS, evaluated, run

ROOT = CONF.parent
COST = ["seconds", "peak_memory", "explain_seconds", "explain_peak_memory"]
COST += ["forwards", "backwards", "reused"]  # the cell that comes first pays for what others share
ORACLE = ["-m", "model=planted", "dataset=planted", "batch_size=8"]
QUICK = ["dataset.images=4", "budget.masks=20", "budget.samples=4", "budget.steps=4", "budget.iterations=2"]
SMALL = ["dataset.images=8", "budget.masks=100", "budget.samples=8", "budget.steps=8", "budget.iterations=5"]
SEVEN = "method=gradient,grad_cam,fem,uniform,truth,constant,edges"
CHEAP = ["metric=[deletion,max_sensitivity,gini]", "tracking_uri=null"]
TWO = ["method=gradient,uniform", "metric=[gini]"]

pytestmark = pytest.mark.slow


def start(folder: Path, *arguments: str, **more: object) -> subprocess.Popen:
    """Start `python run.py ARGUMENTS` in a folder."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(
        [sys.executable, ROOT / "run.py", *arguments], cwd=folder, env=environment, **streams, **more
    )


def finish(process: subprocess.Popen) -> str:
    said = process.communicate(timeout=280)[0]
    assert process.returncode == 0, said
    return said


def database(folder: Path) -> str:
    """Return the address of a folder's own database; MLflow keeps one connection for each address."""
    return f"sqlite:///{folder}/mlflow.db"


def sweep(folder: Path, *arguments: str) -> str:
    """Run a sweep of the oracle in this process, logged to the folder's database; return what it printed."""
    code, said = run(folder, *ORACLE, *QUICK, f"tracking_uri={database(folder)}", *arguments)
    assert not code, said
    return said


def logged(folder: Path, capsys) -> str:
    """Log what a folder holds, as `python -m benchmarks.record` does; return what it printed."""
    record.main([str(folder), database(folder)])
    return capsys.readouterr().out


def table(folder: Path) -> pd.DataFrame:
    """All stored rows, without what clocks and allocators say, in one order."""
    files = sorted((folder / "outputs").rglob("scores.parquet"))
    return pd.concat([pd.read_parquet(file, partitioning=None) for file in files], ignore_index=True).drop(columns=COST)


@pytest.fixture(autouse=True)
def few_files(monkeypatch):
    """Of the tables and figures that a finished sweep gives MLflow there are tests in test_tracking.py."""
    monkeypatch.setattr(sweep_run, "described", lambda *_: None)


@pytest.fixture(scope="module")
def oracle(tmp_path_factory) -> pd.DataFrame:
    """Scores of every method by the metrics of a run that names none; only a method with defaults is composed alone."""
    folder, parts = tmp_path_factory.mktemp("oracle"), []
    for name in METHODS:
        node = OmegaConf.load(CONF / "method" / f"{name}.yaml")
        words, nodes = ([f"method={name}"], {}) if "defaults" in node else ([], {"method": node})
        parts.append(evaluated(*ORACLE[1:], *SMALL, *words, sweep=folder, **nodes).scores.assign(entry=name))
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def migrated(tmp_path_factory) -> Path:
    """An empty database with MLflow's tables, which take two seconds to make."""
    from mlflow import MlflowClient

    folder = tmp_path_factory.mktemp("migrated")
    MlflowClient(database(folder)).search_experiments()
    return folder / "mlflow.db"


@pytest.fixture
def served(tmp_path, migrated) -> Path:
    """A folder with a database."""
    shutil.copy(migrated, tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> pd.DataFrame:
    folder = tmp_path_factory.mktemp("undisturbed")
    sweep(folder, SEVEN, *CHEAP)
    return table(folder)


def test_every_cell_has_every_metric(oracle):
    assert not (lost := oracle[oracle.status.isin(["failed", "inapplicable"])]).size, lost[["metric", "reason"]]
    assert oracle.groupby("entry").metric.nunique().nunique() == 1
    assert (oracle.groupby(["entry", "metric"]).image.nunique() == 8).all()
    assert (oracle.reason == "").equals(oracle.status == "ok") and oracle.score.notna().equals(oracle.status == "ok")


def test_truth_is_first_and_noise_last(oracle):
    for metric, rows in oracle[oracle.category.isin(["faithfulness", "localisation"])].groupby("metric"):
        good = rows.score.where(rows.higher_is_better, -rows.score)
        means = rows.assign(good=good).pivot(index="image", columns="entry", values="good").mean().dropna()
        # insertion starts from a blurred image, in which the rim of the object has farther to go than its middle
        assert means["truth"] >= means.max() - (0.005 if metric == "insertion" else 1e-9), means.idxmax()
        # the variance of the gradient marks where evidence comes and goes: in the decoys, beside the object
        means = means.drop("var_grad")
        noise = means.index.intersection(["uniform", "constant"])
        assert means[noise].max() < means["truth"]
        assert means.min() >= means[noise].min() - 1e-9, f"{metric}: {means.idxmin()} is worse than noise"


def test_mlflow_has_the_sweep(served):
    from mlflow import MlflowClient

    sweep(served, "method=gradient,grad_cam,uniform", CHEAP[0])
    client = MlflowClient(database(served))
    (experiment,) = [e for e in client.search_experiments() if e.name == "dev"]
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    (parent,) = [run for run in runs if run.data.tags["kind"] == "sweep"]
    cells = [run for run in runs if run.data.tags["kind"] == "cell"]
    assert {run.data.tags["mlflow.parentRunId"] for run in cells} == {parent.info.run_id}
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert len(cells) == 3
    scores = table(served)
    means = scores[scores.metric == "deletion"].groupby("entry").score.mean()
    logged = {run.data.params["method"]: run.data.metrics for run in cells}
    for method, mean in means.items():
        np.testing.assert_allclose(logged[method]["faithfulness/deletion"], mean, rtol=1e-6)


def test_killed_sweep_goes_on(tmp_path, undisturbed):
    first = start(tmp_path, *ORACLE, *QUICK, SEVEN, *CHEAP, start_new_session=True)
    deadline = time.monotonic() + 120
    while len(list(tmp_path.rglob("cell.json"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("cell.json")}
    assert 3 <= len(kept) < 7
    said = sweep(tmp_path, SEVEN, *CHEAP)
    assert said.count("done before, skipped") == len(kept)
    assert kept.items() <= {path: path.stat().st_mtime_ns for path in tmp_path.rglob("cell.json")}.items()
    pd.testing.assert_frame_equal(table(tmp_path), undisturbed, check_exact=True)


def test_two_sweeps_at_once(tmp_path, undisturbed):
    """In one folder, with a database that neither has made."""
    for process in [start(tmp_path, *ORACLE, *QUICK, *TWO) for _ in range(2)]:
        assert "scores are kept" not in finish(process)
    assert len(list((tmp_path / "outputs").rglob("seed_0-*/mlflow.json"))) == 2
    same = undisturbed.query("entry in ['gradient', 'uniform'] and metric == 'gini'").reset_index(drop=True)
    pd.testing.assert_frame_equal(table(tmp_path), same, check_exact=True)


@pytest.mark.parametrize("other", [["batch_size=3"], ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]])
def test_same_numbers_however_they_are_computed(tmp_path, undisturbed, other):
    sweep(tmp_path, SEVEN, *CHEAP, *other)
    scores = table(tmp_path)
    identity = ["entry", "metric", "image", "status"]
    pd.testing.assert_frame_equal(scores[identity], undisturbed[identity])
    np.testing.assert_allclose(scores.score, undisturbed.score, rtol=0, atol=1e-5)


@pytest.mark.parametrize("place", ["name=a/b", "name=planted", "hydra.sweep.dir=elsewhere"])
def test_a_sweep_is_found_wherever_it_lies(served, capsys, place):
    from mlflow import MlflowClient

    sweep(served, *TWO, place)
    assert "0 logged, 2 were there" in logged(served, capsys)
    client = MlflowClient(database(served))
    experiments = [e for e in client.search_experiments() if e.name != "Default"]
    runs = client.search_runs([e.experiment_id for e in experiments])
    assert len(experiments) == 1 and sorted(run.data.tags["kind"] for run in runs) == ["cell", "cell", "sweep"]
    (parent,) = [run.info.run_id for run in runs if run.data.tags["kind"] == "sweep"]
    assert {run.data.tags.get("mlflow.parentRunId", parent) for run in runs} == {parent}


def test_what_was_not_logged_is_logged_when_the_sweep_is_run_again(served):
    sweep(served, *TWO, "tracking_uri=null")
    assert sweep(served, *TWO).count("done before, skipped") == 2
    assert len(list((served / "outputs").rglob("seed_0-*/mlflow.json"))) == 2


def test_other_seed_other_draws(tmp_path, undisturbed):
    sweep(tmp_path, "method=uniform", *CHEAP, "seed=1")
    merged = undisturbed.merge(table(tmp_path), on=["entry", "metric", "image"])
    assert (merged.score_x != merged.score_y).any()


def test_tracking_server_down(served, capsys, caplog):
    said = sweep(served, *TWO, "tracking_uri=http://127.0.0.1:9")
    assert (said + caplog.text).count("scores are kept") == 1 and len(list(served.rglob("scores.parquet"))) == 2
    assert "of 2 cells 2 logged" in logged(served, capsys)
    assert "of 2 cells 0 logged, 2 were there" in logged(served, capsys)


def test_database_locked(served, capsys, caplog, monkeypatch):
    monkeypatch.setattr(server, "PATIENCE", 0.5)
    lock = sqlite3.connect(served / "mlflow.db", isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    try:
        said = sweep(served, *TWO)
    finally:
        lock.execute("ROLLBACK")
    assert (said + caplog.text).count("scores are kept") == 1
    assert len(list(served.rglob("scores.parquet"))) == 2 and "of 2 cells 2 logged" in logged(served, capsys)


def test_failed_cell_does_not_stop_the_others(tmp_path):
    arguments = ["method=gradient,grad_cam,uniform", "++method.layer=nowhere", *CHEAP]
    code, said = run(tmp_path, *ORACLE, *QUICK, *arguments)
    assert code == 1 and "Traceback" not in said
    # That the layer is not there makes Grad-CAM inapplicable, which is an answer; the others have no layer.
    assert set(table(tmp_path).entry) == {"grad_cam"}
    assert len(list(tmp_path.rglob("failure.txt"))) == 2 and said.count("unexpected keyword argument 'layer'") == 3
