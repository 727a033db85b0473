"""A sweep's cells: which there are, which are done, and who computes the others.

Hydra's launchers start one job for every cell. Here they start as many jobs as there are workers, and each worker takes
the next cell of the sweep's plan until none is left. So a worker imports its libraries once, whatever the cells cost,
and the cells of a worker that is killed are taken over by others.

Of a kind that has several groups of entries, `-m importance='glob(*)' representation=network,untrained` gives a cell
for every importance and one for each representation, while all other settings are crossed with these.
"""

import logging
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from contextlib import chdir
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Thread
from time import perf_counter, sleep

from filelock import FileLock
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus, configure_log, run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from benchmarks.cell import LOCK, cells
from benchmarks.command import MOST, sentence
from benchmarks.plan import AGAIN, BEGUN, DONE, FAILED, KILLED, LEFT, Plan, typed
from benchmarks.progress import bar, watched
from benchmarks.record import config_folders, elsewhere, found
from benchmarks.server import mirrored
from benchmarks.sweep_run import started

KNOWN = Plugins.instance().class_name_to_class  # Hydra loads its plugins anew when it lists them
OF = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"
ROOT = Path(__file__).parents[1]
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}  # or workers slow one another down many times
PATIENCE = 1  # seconds between two looks at cells that other processes compute
GRACE = 5  # seconds in which jobs without work may end
log = logging.getLogger(__name__)


@dataclass
class Worker:
    """What a launcher runs as its job: compute cells of a plan that are in one state until there is none."""

    task: TaskFunction
    context: HydraContext
    config: DictConfig
    place: Path  # where the command was started
    path: Path  # of the plan
    state: str

    def __call__(self, _job: DictConfig) -> None:
        os.environ.update(ONE_THREAD | os.environ)  # torch reads it when it is imported, which is later
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


class BasicSweeper(KNOWN[OF]):
    """Hydra's own sweeper, but with a plan for the workers; Hydra knows it by the name of its class."""

    def sweep(self, arguments: list[str]) -> list:
        """Compute the cells that are not done; raise where some failed."""
        words = [*(f"{key}={value}" for key, value in self.params.items()), *arguments]
        overrides = OverridesParser.create(self.hydra_context.config_loader).parse_overrides(words)
        folder, places = Path(self.config.hydra.sweep.dir), config_folders(self.config.hydra)
        configure_log(self.config.hydra.job_logging, self.config.hydra.verbose)
        OmegaConf.save(self.config, folder / "multirun.yaml")
        jobs = {typed(job, places): job for job in self.split_arguments(overrides, None)[0]}
        done = {name: cell for cell in cells(folder) for name in found(cell) if name in jobs}
        skipped(done.values(), len(jobs), self.config)
        new = [job for name, job in jobs.items() if name not in done]
        self.validate_batch_is_legal(samples(new, {*self.config.hydra.runtime.choices, "metric"}))
        plan = Plan.made(folder, typed(words, places), started(folder), jobs, done)
        worker = Worker(self.launcher.task_function, self.hydra_context, self.config, Path.cwd(), plan.path, LEFT)
        error = self.launched(worker, plan) if self.launches() else alone(worker, plan)
        refuse_failed(plan, error)
        return []

    def launches(self) -> bool:
        """Return whether a launcher starts other processes."""
        name = self.config.hydra.launcher._target_.rpartition(".")[2]
        return name != "BasicLauncher" and (name != "JoblibLauncher" or self.workers() > 1)

    def workers(self) -> int:
        """Return how many processes compute cells at the same time."""
        from joblib import effective_n_jobs

        given = OmegaConf.select(self.config, "hydra.launcher.n_jobs")
        number = effective_n_jobs(given) if given else OmegaConf.select(self.config, "workers", default=1)
        if type(number) is not int or number < 1:
            raise ValueError(f"workers needs a whole number >= 1; {number!r} was given")
        return number

    def launched(self, worker: Worker, plan: Plan) -> None:
        """Let a launcher start workers, and start others for cells whose workers were killed.

        If one of joblib's processes is killed, it ends all others. So a cell that was begun is tried again alone.
        """
        paths = [str(ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
        os.environ.update(ONE_THREAD | os.environ, PYTHONPATH=os.pathsep.join(dict.fromkeys(filter(None, paths))))
        logging.getLogger("hydra_plugins").setLevel(logging.WARNING)
        fate_is_shared = "n_jobs" in self.config.hydra.launcher
        with watched(plan):
            for state, left in rounds(plan):
                number = 1 if fate_is_shared and state == BEGUN else max(1, self.workers() - computed(plan))
                self.launcher.task_function, before = replace(worker, state=state), plan.states()
                try:
                    for job in self.jobs(plan, state, [plan.overrides[cell] for cell in left[:number]]):
                        _ = job.return_value
                except Exception as error:
                    if plan.states() == before:
                        raise
                    log.warning("a worker ended early: %s", sentence(error))

    def jobs(self, plan: Plan, state: str, overrides: list[list[str]]) -> Sequence[JobReturn]:
        """Start the workers and wait until they have ended, or until no cell of the plan is left.

        Slurm without accounting does not say that a job was killed, and submitit would wait for ever.
        """
        ended, idle = Future(), 0

        def launch() -> None:
            try:
                ended.set_result(self.launcher.launch(overrides, 0))
            except BaseException as error:  # raised again in the thread that waits
                ended.set_exception(error)

        Thread(target=launch, daemon=True).start()
        while not wait([ended], PATIENCE).done and idle < GRACE:
            idle = 0 if plan.left(state) or computed(plan) else idle + PATIENCE
        return ended.result() if ended.done() else []

    def split_arguments(self, overrides: list[Override], max_batch_size: int | None) -> list[list[list[str]]]:
        """Return the overrides of every cell, in batches."""
        last = {override.get_key_element(): override for override in overrides}
        jobs = []
        for left_out in unions(self.config.benchmark.entry, last):
            chosen = [override for key, override in last.items() if key not in left_out]
            jobs += super().split_arguments(chosen, None)[0]
        return [*self.split_overrides_to_chunks(jobs, max_batch_size)]


def alone(worker: Worker, plan: Plan) -> Exception | None:
    """Compute cells in this process; return the first error."""
    setup_globals()
    first = None
    with bar(len(plan.left(LEFT))):
        for state, _ in rounds(plan):
            first = replace(worker, state=state).work(plan) or first
    return first


def rounds(plan: Plan) -> Iterator[tuple[str, list[int]]]:
    """Yield a state and its cells that no process computes, until all cells have ended."""
    while True:
        left = {state: plan.left(state) for state in (LEFT, BEGUN)}
        if state := next((state for state in left if left[state]), None):
            yield state, left[state]
        elif computed(plan):
            sleep(PATIENCE)
        else:
            return


def computed(plan: Plan) -> int:
    """Return how many cells of a plan other processes compute."""
    return sum(plan.running(cell) for cell, state in enumerate(plan.states()) if state in (BEGUN, AGAIN))


def skipped(done: Collection[Path], number: int, config: DictConfig) -> None:
    """Say which cells of a sweep are done, and log those that MLflow does not have."""
    if len(done) > MOST:
        log.info("%d of %d cells: done before, skipped", len(done), number)
    for cell in done:
        if len(done) <= MOST:
            log.info("%s: done before, skipped%s", cell, elsewhere(cell, str(config.device)))
        if config.tracking_uri is not None and not mirrored(cell, config.tracking_uri):
            from benchmarks import tracking

            with FileLock(cell / LOCK):
                tracking.log_cell(cell, config.tracking_uri)


def samples(jobs: Sequence[Sequence[str]], groups: Collection[str]) -> list[Sequence[str]]:
    """Return so few jobs that every entry of these groups, and every other setting, occurs in one of them."""
    seen, chosen = set(), []
    for job in jobs:
        keys = {word: word.lstrip("+~").partition("=")[0] for word in job}
        new = {word if key in groups else key for word, key in keys.items()} - seen
        seen |= new
        chosen += [job] if new else []
    return chosen


def refuse_failed(plan: Plan, error: Exception | None) -> None:
    """Raise where cells failed, with the reason of the first."""
    states = plan.states()
    failed = [cell for cell, state in enumerate(states) if state in (AGAIN, FAILED)]
    if failed:
        reason = plan.log()[failed[0]]["reason"] if states[failed[0]] == FAILED else KILLED
        several = f"{len(failed)} of {len(states)} cells failed; the first: " if len(failed) > 1 else ""
        raise ValueError(several + reason) from error


def unions(entry: str | Sequence[str] | None, asked: Mapping[str, object]) -> list[set[str]]:
    """Return for each part of a sweep the groups of entries that are not chosen in it, of those that are asked for."""
    groups = [] if entry is None or isinstance(entry, str) else [group for group in entry if group in asked]
    return [{*groups} - {group} for group in groups] or [set()]


KNOWN[OF] = BasicSweeper
