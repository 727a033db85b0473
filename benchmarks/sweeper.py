"""Find the cells of a sweep, skip those that are done, and let workers compute the others.

Of a kind that has several groups of entries, `-m importance='glob(*)' representation=network,untrained` gives a cell
for every importance and one for each representation, while all other settings are crossed with these.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from filelock import FileLock
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.core.utils import configure_log
from omegaconf import DictConfig, OmegaConf

from benchmarks import tracking
from benchmarks.cell import LOCK, cells
from benchmarks.command import MOST
from benchmarks.plan import LEFT, Plan, typed
from benchmarks.record import config_folders, elsewhere, found
from benchmarks.server import mirrored
from benchmarks.sweep_run import started
from benchmarks.workers import Worker, in_this_process, launched

KNOWN = Plugins.instance().class_name_to_class  # Hydra loads its plugins anew when it lists them
OF = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"
log = logging.getLogger(__name__)


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
        error = (
            launched(worker, plan, self.launcher, self.workers()) if self.launches() else in_this_process(worker, plan)
        )
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

    def split_arguments(self, overrides: list[Override], max_batch_size: int | None) -> list[list[list[str]]]:
        """Return the overrides of every cell, in batches."""
        last = {override.get_key_element(): override for override in overrides}
        jobs = []
        for left_out in unions(self.config.benchmark.entry, last):
            chosen = [override for key, override in last.items() if key not in left_out]
            jobs += super().split_arguments(chosen, None)[0]
        return [*self.split_overrides_to_chunks(jobs, max_batch_size)]


def skipped(done: Collection[Path], number: int, config: DictConfig) -> None:
    """Say which cells of a sweep are done, and log those that MLflow does not have."""
    if len(done) > MOST:
        log.info("%d of %d cells: done before, skipped", len(done), number)
    for cell in done:
        if len(done) <= MOST:
            log.info("%s: done before, skipped%s", cell, elsewhere(cell, str(config.device)))
        if config.tracking_uri is not None and not mirrored(cell, config.tracking_uri):
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
    if reasons := [*plan.reasons().values()]:
        several = f"{len(reasons)} of {len(plan.names)} cells failed; the first: " if len(reasons) > 1 else ""
        raise ValueError(several + reasons[0]) from error


def unions(entry: str | Sequence[str] | None, asked: Mapping[str, object]) -> list[set[str]]:
    """Return for each part of a sweep the groups of entries that are not chosen in it, of those that are asked for."""
    groups = [] if entry is None or isinstance(entry, str) else [group for group in entry if group in asked]
    return [{*groups} - {group} for group in groups] or [set()]


KNOWN[OF] = BasicSweeper
