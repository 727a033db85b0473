"""The processes that compute the cells of a plan: this one, or those that a launcher starts.

Hydra's launchers start one job for every cell. Here they start as many jobs as there are workers, and each worker takes
the next cell of the plan until none is left. So a worker imports its libraries once, whatever the cells cost, and the
cells of a worker that is killed are taken over by others.
"""

import getpass
import logging
import os
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import chdir
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Thread
from time import perf_counter, sleep

from hydra.core.utils import JobReturn, JobStatus, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from benchmarks.command import sentence
from benchmarks.plan import BEGUN, DONE, FAILED, LEFT, Plan
from benchmarks.progress import bar, watched

ROOT = Path(__file__).parents[1]
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}  # or workers slow one another down many times
PATIENCE = 1  # seconds between two looks at cells that other processes compute
GRACE = 5  # seconds in which jobs without work may end
QUEUE = 30  # seconds between two questions to Slurm
TRIES = 2  # how often workers are started if none of them ever begins a cell
NEVER = "the jobs of Slurm ended before one of them began a cell; what they printed is in"
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Worker:
    """What a launcher runs as its job: compute cells of a plan that are in one state until there is none."""

    task: TaskFunction
    context: HydraContext
    config: DictConfig
    place: Path  # where the command was started
    path: Path  # of the plan
    state: str

    def __call__(self, _job: DictConfig) -> None:
        os.environ.update(ONE_THREAD | os.environ)  # torch, which is not imported yet, reads these variables when it is
        with chdir(self.place):
            self.work(Plan.read(self.path))

    def work(self, plan: Plan) -> Exception | None:
        """Compute cells of this plan; return the first error."""
        first = None
        while (cell := plan.claim(self.state)) is not None:
            start = perf_counter()
            try:
                error = self.compute(plan.overrides[cell], cell)
            except BaseException:  # the process is asked to end
                plan.end(cell, LEFT, perf_counter() - start)
                raise
            plan.end(cell, FAILED if error else DONE, perf_counter() - start, sentence(error) if error else "")
            first = first or error
        return first

    def compute(self, overrides: Sequence[str], cell: int) -> Exception | None:
        """Compute one cell; return why it failed, or nothing."""
        try:
            config = self.context.config_loader.load_sweep_config(self.config, list(overrides))
            with open_dict(config):
                config.hydra.job.id = config.hydra.job.num = cell
            done = run_job(self.task, config, "hydra.sweep.dir", "hydra.sweep.subdir", self.context)
        except Exception as error:
            log.error("%s: failed: %s", " ".join(overrides), sentence(error))
            return error
        return done._return_value if done.status == JobStatus.FAILED else None


def in_this_process(worker: Worker, plan: Plan) -> Exception | None:
    """Compute cells in this process; return the first error."""
    setup_globals()
    first = None
    with bar(len(plan.left(LEFT))):
        for state, _ in rounds(plan):
            first = replace(worker, state=state).work(plan) or first
    return first


def launched(worker: Worker, plan: Plan, launcher: Launcher, number: int) -> None:
    """Let a launcher start so many workers, and start others for the cells of those that were killed.

    If one of joblib's processes is killed, it ends all others. So a cell that was begun is tried again alone. Workers
    that all ended before one began a cell are started once more.
    """
    paths = [str(ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    os.environ.update(ONE_THREAD | os.environ, PYTHONPATH=os.pathsep.join(dict.fromkeys(filter(None, paths))))
    logging.getLogger("hydra_plugins").setLevel(logging.WARNING)
    fate_is_shared, tries = "n_jobs" in worker.config.hydra.launcher, 0
    with watched(plan):
        for state, left in rounds(plan):
            several = 1 if fate_is_shared and state == BEGUN else max(1, number - len(plan.computed()))
            launcher.task_function, before, ended = replace(worker, state=state), plan.states(), None
            try:
                for job in jobs(launcher, plan, state, [plan.overrides[cell] for cell in left[:several]]):
                    _ = job.return_value
            except Exception as error:
                log.warning("a worker ended early: %s", sentence(error))
                ended = error
            tries = tries + 1 if plan.states() == before and plan.left(state) else 0
            if tries == TRIES:
                raise ended or ValueError(f"{NEVER} {launcher.config.hydra.sweep.dir}/.submitit")


def jobs(launcher: Launcher, plan: Plan, state: str, overrides: list[list[str]]) -> Sequence[JobReturn]:
    """Start the workers and wait until they have ended, or until no cell of the plan is left.

    Slurm without accounting does not say that a job was killed, and submitit would wait for ever.
    """
    ended, idle, before = Future(), 0, submitted(launcher)

    def launch() -> None:
        try:
            ended.set_result(launcher.launch(overrides, 0))
        except BaseException as error:  # raised again in the thread that waits
            ended.set_exception(error)

    Thread(target=launch, daemon=True).start()
    while not wait([ended], PATIENCE).done and idle < GRACE:
        idle = 0 if plan.computed() else idle + PATIENCE
        if idle >= GRACE and plan.left(state) and queued(launcher, before):
            idle = GRACE - QUEUE  # ask Slurm again after QUEUE seconds
    return ended.result() if ended.done() else []


def queued(launcher: Launcher, before: set[Path]) -> bool:
    """Return whether jobs are running or waiting; True for launchers whose queue cannot be asked."""
    config = launcher.config.hydra.launcher
    if not config._target_.endswith(".SlurmLauncher") or submitted(launcher) == before:  # they are yet to be submitted
        return True
    ask = ["squeue", "--noheader", f"--user={getpass.getuser()}", f"--name={config.name}"]
    said = subprocess.run(ask, capture_output=True, text=True)
    return said.returncode != 0 or bool(said.stdout.strip())


def submitted(launcher: Launcher) -> set[Path]:
    """Return what submitit keeps of the jobs that it has submitted."""
    return {*Path(launcher.config.hydra.sweep.dir).glob(".submitit/*/*_submitted.pkl")}


def rounds(plan: Plan) -> Iterator[tuple[str, list[int]]]:
    """Yield a state and its cells that no process computes, until all cells have ended."""
    while True:
        left = {state: plan.left(state) for state in (LEFT, BEGUN)}
        if state := next((state for state in left if left[state]), None):
            yield state, left[state]
        elif plan.computed():
            sleep(PATIENCE)
        else:
            return
