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

from benchmarks import record
from tests.conftest import CONF, METHODS, run

ROOT = CONF.parent
COST = ["seconds", "peak_memory", "explain_seconds", "explain_peak_memory"]
ORACLE = ["-m", "model=planted", "dataset=planted", "batch_size=8"]
QUICK = ["dataset.images=4", "budget.masks=20", "budget.samples=4", "budget.steps=4", "budget.iterations=2"]
SMALL = ["dataset.images=12", "budget.masks=100", "budget.samples=8", "budget.steps=8", "budget.iterations=5"]
ALL = "method=glob(*,exclude=stored)"
SEVEN = "method=gradient,grad_cam,fem,uniform,truth,constant,edges"

# The oracle's sweep is made once: `make test` gives each file to one worker.
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
    sweep(folder, SEVEN, "tracking_uri=null")
    return table(folder)


def test_every_cell_has_every_metric(oracle):
    scores = table(oracle)
    assert set(scores.entry) == set(METHODS)
    assert not (lost := scores[scores.status.isin(["failed", "inapplicable"])]).size, lost[["metric", "reason"]]
    assert scores.groupby("entry").metric.nunique().nunique() == 1
    assert (scores.groupby(["entry", "metric"]).image.nunique() == 12).all()
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

    client = MlflowClient(database(oracle))
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
    _, said = run(oracle, *ORACLE, *SMALL, ALL)
    assert said.count("done before, skipped") == len(before) == len(METHODS)
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_killed_sweep_goes_on(tmp_path, undisturbed):
    first = start(tmp_path, *ORACLE, *QUICK, SEVEN, "tracking_uri=null", start_new_session=True)
    deadline = time.monotonic() + 120
    while len(list(tmp_path.rglob("cell.json"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("cell.json")}
    assert 3 <= len(kept) < 7
    said = sweep(tmp_path, SEVEN, "tracking_uri=null")
    assert said.count("done before, skipped") == len(kept)
    assert kept.items() <= {path: path.stat().st_mtime_ns for path in tmp_path.rglob("cell.json")}.items()
    pd.testing.assert_frame_equal(table(tmp_path), undisturbed, check_exact=True)


def test_two_sweeps_at_once(tmp_path, undisturbed):
    for process in [start(tmp_path, *ORACLE, *QUICK, SEVEN) for _ in range(2)]:
        assert "scores are kept" not in finish(process)
    assert len(list((tmp_path / "outputs").rglob("seed_0-*/mlflow.json"))) == 7
    pd.testing.assert_frame_equal(table(tmp_path), undisturbed, check_exact=True)


@pytest.mark.parametrize("other", [["batch_size=3"], ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]])
def test_same_numbers_however_they_are_computed(tmp_path, undisturbed, other):
    sweep(tmp_path, SEVEN, "tracking_uri=null", *other)
    scores = table(tmp_path)
    identity = ["entry", "metric", "image", "status"]
    pd.testing.assert_frame_equal(scores[identity], undisturbed[identity])
    np.testing.assert_allclose(scores.score, undisturbed.score, rtol=0, atol=1e-5)


@pytest.mark.parametrize("place", ["name=a/b", "name=planted", "hydra.sweep.dir=elsewhere"])
def test_a_sweep_is_found_wherever_it_lies(tmp_path, capsys, place):
    from mlflow import MlflowClient

    sweep(tmp_path, "method=gradient,uniform", "metric=[gini]", place)
    assert "0 logged, 2 were there" in logged(tmp_path, capsys)
    client = MlflowClient(database(tmp_path))
    experiments = [e for e in client.search_experiments() if e.name != "Default"]
    runs = client.search_runs([e.experiment_id for e in experiments])
    assert len(experiments) == 1 and sorted(run.data.tags["kind"] for run in runs) == ["cell", "cell", "sweep"]
    (parent,) = [run.info.run_id for run in runs if run.data.tags["kind"] == "sweep"]
    assert {run.data.tags.get("mlflow.parentRunId", parent) for run in runs} == {parent}


def test_what_was_not_logged_is_logged_when_the_sweep_is_run_again(tmp_path):
    sweep(tmp_path, "method=gradient,uniform", "tracking_uri=null")
    assert sweep(tmp_path, "method=gradient,uniform").count("done before, skipped") == 2
    assert len(list((tmp_path / "outputs").rglob("seed_0-*/mlflow.json"))) == 2


def test_a_cell_that_has_grown_is_logged_again(tmp_path):
    from mlflow import MlflowClient

    for metrics in ("gini", "gini,deletion"):
        sweep(tmp_path, "method=gradient,uniform", f"metric=[{metrics}]")
    client = MlflowClient(database(tmp_path))
    runs = client.search_runs([client.get_experiment_by_name("dev").experiment_id], "tags.kind = 'cell'")
    assert len(runs) == 2 and all({"gini", "deletion"} <= run.data.metrics.keys() for run in runs)


def test_other_seed_other_draws(tmp_path, undisturbed):
    sweep(tmp_path, "method=uniform", "tracking_uri=null", "seed=1")
    merged = undisturbed.merge(table(tmp_path), on=["entry", "metric", "image"])
    assert (merged.score_x != merged.score_y).any()


def test_tracking_server_down(tmp_path, capsys, caplog):
    said = sweep(tmp_path, "method=gradient,uniform", "tracking_uri=http://127.0.0.1:9")
    assert (said + caplog.text).count("scores are kept") == 1 and len(list(tmp_path.rglob("scores.parquet"))) == 2
    assert "of 2 cells 2 logged" in logged(tmp_path, capsys)
    assert "of 2 cells 0 logged, 2 were there" in logged(tmp_path, capsys)


def test_database_locked(tmp_path, capsys, caplog):
    sweep(tmp_path, "method=gradient,uniform", "name=first")  # migrates the database
    lock = sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    try:
        said = sweep(tmp_path, "method=gradient,uniform")
    finally:
        lock.execute("ROLLBACK")
    assert (said + caplog.text).count("scores are kept") == 1
    assert len(list((tmp_path / "outputs" / "dev").rglob("scores.parquet"))) == 2
    assert "of 4 cells 2 logged, 2 were there" in logged(tmp_path, capsys)


def test_failed_cell_does_not_stop_the_others(tmp_path):
    arguments = ["method=gradient,grad_cam,uniform", "++method.layer=nowhere", "tracking_uri=null"]
    code, said = run(tmp_path, *ORACLE, *QUICK, *arguments)
    assert code == 1 and "Traceback" not in said
    # That the layer is not there makes Grad-CAM inapplicable, which is an answer; the others have no layer.
    assert set(table(tmp_path).entry) == {"grad_cam"}
    assert len(list(tmp_path.rglob("failure.txt"))) == 2 and said.count("unexpected keyword argument 'layer'") == 3
