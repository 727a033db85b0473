"""The plan of a sweep and its workers: no cell twice, none lost, done ones not composed, reasons of failures."""

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from omegaconf import OmegaConf

from benchmarks import status, workers
from benchmarks.maps.metrics.complexity import Gini
from benchmarks.plan import AGAIN, BEGUN, DONE, FAILED, KILLED, LEFT, Plan, plans
from benchmarks.sweeper import refuse_failed, samples
from benchmarks.workers import NEVER, Worker, launched, rounds
from methods.gradient import Gradient
from tests.conftest import CONF, run
from tests.run.test_cell import computed
from tests.services import trials

ORACLE = ["-m", "model=planted", "dataset=planted", "dataset.images=4", "batch_size=4", "metric=[gini]"]
ORACLE += ["tracking_uri=null", "name=trial"]
CLAIM = """
import sys, time
from pathlib import Path
from benchmarks.plan import Plan
print(Plan.read(Path(sys.argv[1])).claim(sys.argv[2]), flush=True)
time.sleep(60)
"""


@pytest.fixture
def plan(tmp_path) -> Plan:
    return Plan.made(tmp_path, "command", "python run.py", {name: [f"seed={name}"] for name in "abcd"}, ["c"])


def claimed(plan: Plan, state: str = LEFT) -> tuple[subprocess.Popen, str]:
    """Let another process begin a cell; return the process and the cell."""
    command = [sys.executable, "-c", CLAIM, plan.path, state]
    other = subprocess.Popen(command, cwd=CONF.parent, stdout=subprocess.PIPE, text=True)
    return other, other.stdout.readline().strip()


def test_a_cell_is_of_one_process_and_of_the_next_when_that_is_killed(plan):
    other, cell = claimed(plan)
    assert cell == "0" and plan.claim(LEFT) == 1 and plan.claim(LEFT) == 3 and plan.claim(LEFT) is None
    assert plan.states() == BEGUN + BEGUN + DONE + BEGUN
    plan.end(1, DONE, 2.0)
    plan.end(3, FAILED, 1.0, "no such layer")
    assert plan.running(0) and not plan.left(BEGUN) and plan.claim(BEGUN) is None
    other.kill()
    other.wait()
    assert next(rounds(plan)) == (BEGUN, [0])
    again, cell = claimed(plan, BEGUN)
    assert cell == "0" and plan.states()[0] == AGAIN
    again.kill()
    again.wait()
    assert not list(rounds(plan)) and plan.claim(BEGUN) is None
    with pytest.raises(ValueError, match=f"2 of 4 cells failed; the first: {KILLED}"):
        refuse_failed(plan, None)


def test_the_same_command_goes_on_with_all_that_is_neither_done_nor_running(plan):
    other, _ = claimed(plan)
    for cell, state in ((plan.claim(LEFT), DONE), (plan.claim(LEFT), FAILED)):
        plan.end(cell, state, 1.0, "why")
    jobs = dict(zip(plan.names, plan.overrides, strict=True))
    again = Plan.made(plan.path.parents[1], "command", "python run.py", jobs, ["b"])
    assert again.states() == BEGUN + DONE + LEFT + LEFT
    other.kill()
    other.wait()


class Dying:
    """A launcher whose jobs are killed before they begin a cell, for so many times; then they compute all."""

    def __init__(self, plan: Plan, deaths: int, target: str, death: Callable[[], None]):
        self.plan, self.deaths, self.death, self.launches = plan, deaths, death, 0
        sweep = {"dir": str(plan.path.parents[1])}
        self.config = OmegaConf.create({"hydra": {"launcher": {"_target_": target, "name": "x"}, "sweep": sweep}})

    def launch(self, overrides: list[list[str]], first: int) -> list:
        self.launches += 1
        job = Path(self.config.hydra.sweep.dir, ".submitit", str(self.launches))
        job.mkdir(parents=True)
        (job / f"{self.launches}_submitted.pkl").touch()
        if self.launches <= self.deaths:
            self.death()
        while (cell := self.plan.claim(LEFT)) is not None:
            self.plan.end(cell, DONE, 1.0)
        return []


def raises() -> None:
    raise RuntimeError("killed")


DEATHS = {"raises": ("x.Other", raises, "killed"), "is silent": ("x.SlurmLauncher", None, NEVER)}


@pytest.mark.parametrize(("target", "death", "said"), DEATHS.values(), ids=DEATHS)
def test_workers_that_are_killed_before_they_begin_a_cell_are_started_once_more(
    plan, target, death, said, tmp_path, monkeypatch
):
    monkeypatch.setattr(workers, "PATIENCE", 0.01)
    monkeypatch.setattr(workers, "GRACE", 0.05)
    (queue := tmp_path / "squeue").write_text("#!/bin/sh\n")  # no job is there, and submitit waits for ever
    queue.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", "")
    over = threading.Event()
    launcher = Dying(plan, 1, target, death or over.wait)
    worker = Worker(None, None, launcher.config, tmp_path, plan.path, LEFT)
    launched(worker, plan, launcher, 2)
    assert launcher.launches == 2 and plan.states() == DONE * 4
    plan.mark(0, LEFT)
    launcher.deaths = 4
    with pytest.raises((RuntimeError, ValueError), match=said):
        launched(worker, plan, launcher, 2)
    assert launcher.launches == 4
    over.set()


def test_every_entry_and_every_setting_is_composed_once():
    jobs = [[f"method={m}", f"model={n}", f"seed={s}", "+x=1"] for m in "abc" for n in "de" for s in range(100)]
    chosen = samples(jobs, {"method", "model"})
    assert {word for job in chosen for word in job[:2]} == {f"method={m}" for m in "abc"} | {"model=d", "model=e"}
    assert len(chosen) == 4


@pytest.mark.slow
def test_done_cells_are_skipped_without_being_composed(tmp_path, monkeypatch):
    words = [*ORACLE, "method=gradient,uniform", "seed=0,1"]
    assert run(tmp_path, *words)[0] == 0
    assert not list(tmp_path.rglob(".shared"))
    composed, plain = [], ConfigLoaderImpl.load_sweep_config
    monkeypatch.setattr(ConfigLoaderImpl, "load_sweep_config", lambda *a, **k: composed.append(a) or plain(*a, **k))
    code, said = run(tmp_path, *words, "batch_size=2", "threads=1")
    assert code == 0 and said.count("done before, skipped") == 4 and not composed
    more = ["metric=[gini,entropy]" if word.startswith("metric=") else word for word in words]
    assert run(tmp_path, *more)[0] == 0 and composed
    composed.clear()
    assert run(tmp_path, *words)[0] == 0 and not composed
    (next(tmp_path.rglob("curves.parquet"))).unlink()
    assert run(tmp_path, *words)[1].count("done before, skipped") == 3 and composed


@pytest.mark.slow
def test_what_cells_share_stays_while_another_command_computes(tmp_path):
    (sweep := tmp_path / "outputs" / "trial").mkdir(parents=True)
    other, _ = claimed(Plan.made(sweep, "other", "python run.py", {"a": ["seed=0"]}, []))
    words = ["metric=[deletion]" if word.startswith("metric=") else word for word in ORACLE]
    assert run(tmp_path, *words, "method=gradient")[0] == 0 and (sweep / ".shared").exists()
    other.kill()
    other.wait()
    assert run(tmp_path, *words, "method=uniform")[0] == 0 and not (sweep / ".shared").exists()


KILLABLE = ["method=rise,uniform,gradient", "seed=0,1", "dataset.images=8", "budget.masks=500"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> pd.DataFrame:
    folder = tmp_path_factory.mktemp("one")
    trials.finished(trials.start(folder, *KILLABLE))
    return trials.scores(folder)


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["processes", "slurm_local"])
def test_a_worker_that_is_killed_costs_no_cell_and_no_digit(launcher, undisturbed, tmp_path):
    sweep = trials.start(tmp_path, *KILLABLE, f"hydra/launcher={launcher}", "workers=2")
    trials.until(lambda: trials.running(tmp_path) == 2, "two cells are computed")
    trials.kill(tmp_path)
    said = trials.same(sweep, tmp_path, undisturbed)
    # joblib's other processes end with it; a job of its own may be missed after another one has done its cell.
    assert launcher != "processes" or "a worker ended early" in said
    assert trials.ended(tmp_path) == 6


@pytest.mark.slow
def test_status_names_failures_and_what_is_missing(tmp_path, capsys):
    assert run(tmp_path, *ORACLE, "method=gradient,grad_cam,uniform", "++method.layer=nowhere")[0] == 1
    assert status.main([str(tmp_path / "outputs" / "trial")]) == 1
    said = capsys.readouterr().out
    assert "1 of 3 cells are done, 0 are running, 2 failed, 0 are missing" in said
    assert "- method=gradient: " in said and "- method=uniform: " in said and said.count("'layer'") == 2
    (path,) = plans(tmp_path / "outputs" / "trial")
    now = Plan.read(path)
    now.mark(0, LEFT)
    os.close(now.file)
    assert status.main([str(tmp_path / "outputs" / "trial")]) == 1
    assert "1 failed, 1 are missing" in (said := capsys.readouterr().out) and "start the same command again" in said


MEMORY_ERRORS = [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("DefaultCPUAllocator: not enough memory")]
# What needs too much memory, the images that one call of it is for, and those of all calls: a batch is explained until
# its method fails, while a metric that fails does not end the others' batches.
HUNGRY = {
    "method": (Gradient, lambda _model, x, _target: len(x), [6, 4, 2, 2, 2]),
    "metric": (Gini, lambda explained: len(explained.maps), [6, 4, 2, 2, 2, 2]),
}


@pytest.mark.slow
@pytest.mark.parametrize("error", MEMORY_ERRORS, ids=["gpu", "cpu"])
@pytest.mark.parametrize(("entry", "images", "calls"), HUNGRY.values(), ids=HUNGRY)
def test_a_cell_that_does_not_fit_into_memory_goes_on_in_smaller_passes(
    tmp_path, monkeypatch, caplog, error, entry, images, calls
):
    seen, plain = [], entry.__call__

    def call(self, *given):
        seen.append(images(*given))
        if seen[-1] > 2:
            raise error
        return plain(self, *given)

    words = ["method=gradient", "metric=[gini,entropy]", "dataset.images=6"]
    computed(tmp_path / "small", *words, "batch_size=2")
    monkeypatch.setattr(entry, "__call__", call)
    with caplog.at_level(logging.WARNING):
        computed(tmp_path / "large", *words, "batch_size=8")
    assert seen == calls and "it goes on with 2" in caplog.text
    small, large = (
        pd.concat(map(pd.read_parquet, (tmp_path / name).rglob("scores.parquet"))).sort_values(["metric", "image"])
        for name in ("small", "large")
    )
    assert len(small) == 12 and (small.status == "ok").all()
    columns = ["image", "metric", "score", "status"]
    pd.testing.assert_frame_equal(*(table[columns].reset_index(drop=True) for table in (small, large)))
