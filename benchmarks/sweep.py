"""A sweep from its start to its end: the file it leaves, its run in MLflow, its progress, and its tables."""

from math import prod
from pathlib import Path

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from omegaconf import DictConfig
from tqdm import tqdm

from benchmarks.cell import mark_sweep
from benchmarks.command import one_sentence

# The sweep's bar, in a list: the callback itself is pickled for worker processes and cannot hold it.
bars: list[tqdm] = []


class Sweep(Callback):
    """Mark the sweep's folder, create its parent run before the first cell starts, and show its tables at the end.

    The parent run is created and closed at once: this also migrates a fresh tracking database once instead of in every
    worker, and a failed cell, after which Hydra calls no end, cannot leave the parent running.
    """

    def on_multirun_start(self, config: DictConfig, **_: object) -> None:
        """Begin a sweep, or go on with an interrupted one."""
        with one_sentence():  # Hydra goes on after an exception of a callback, but not after an exit
            several = swept(config)
            folder = Path(config.hydra.sweep.dir)
            mark_sweep(folder, config.name, config.hydra.runtime.choices["benchmark"], [k for k in several if "." in k])
            if config.tracking_uri is not None:
                from benchmarks import tracking

                tracking.start_sweep(folder, config.tracking_uri)
            if config.hydra.launcher._target_.endswith("BasicLauncher"):
                bars.append(tqdm(total=prod(several.values()), desc="cells", unit="cell", disable=None))

    def on_job_start(self, config: DictConfig, **_: object) -> None:
        """Name the running cell behind the bar."""
        choices, group = config.hydra.runtime.choices, config.benchmark.entry
        names = [choices["model"], choices[group] if group else "", f"seed {config.seed}"]
        for bar in bars:
            bar.set_postfix_str(" / ".join(filter(None, names)))

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **_: object) -> None:
        """Count a cell. One that was done before leaves the total, so that the time left is that of the others."""
        for bar in bars:
            if job_return.status == JobStatus.COMPLETED and job_return.return_value is False:
                bar.total -= 1
                bar.refresh()
            else:
                bar.update()

    def on_multirun_end(self, config: DictConfig, **_: object) -> None:
        """Show the tables of the sweep's kind; a sweep with a failed cell does not get here."""
        from results.__main__ import main

        while bars:
            bars.pop().close()
        folder = config.hydra.sweep.dir
        main([folder])
        print(f"More tables: python -m results {folder} --help")
        print(f"Figures: python -m results {folder} --figures")


def swept(config: DictConfig) -> dict[str, int]:
    """Return how many values the command tries of each setting that it sweeps over."""
    parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
    texts = [f"{key}={value}" for key, value in (config.hydra.sweeper.params or {}).items()]
    overrides = {o.get_key_element(): o for o in parser.parse_overrides([*texts, *config.hydra.overrides.task])}
    several = [override for override in overrides.values() if override.is_sweep_override()]
    numbers = {override.key_or_group: sum(1 for _ in override.sweep_string_iterator()) for override in several}
    return {key: number for key, number in numbers.items() if number > 1}
