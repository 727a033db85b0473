"""A sweep from its start to its end: the file it leaves, its run in MLflow, its progress, and its tables."""

import os
import shutil
import sys
from pathlib import Path

import yaml
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from benchmarks import sweep_run
from benchmarks.cell import SHARED, Cell, mark_sweep
from benchmarks.choices import group_of, of_group, refuse_seed, refused
from benchmarks.command import listing, one_sentence
from benchmarks.plan import Plan, plans
from benchmarks.progress import bars
from benchmarks.sweeper import unions


class Sweep(Callback):
    """Mark the sweep's folder, create its parent run before the first cell starts, and show its tables at the end.

    The parent run is created and closed at once: this also migrates a fresh tracking database once instead of in every
    worker, and a failed cell, after which Hydra calls no end, cannot leave the parent running.
    """

    def on_run_start(self, config: DictConfig, **_: object) -> None:
        """Refuse a single run that makes no cell before Hydra makes its folder."""
        with one_sentence():  # Hydra goes on after an exception of a callback, but not after an exit
            job = OmegaConf.masked_copy(config, [key for key in config if key != "hydra"])
            Cell.of(job, config.hydra.runtime.choices, Path(config.hydra.run.dir))

    def on_multirun_start(self, config: DictConfig, **_: object) -> None:
        """Begin a sweep, or go on with an interrupted one."""
        with one_sentence():
            values, choices = tried(config), config.hydra.runtime.choices
            several = swept(values)
            if empty := [key for key, tried in values.items() if not tried]:
                raise ValueError(f"{empty[0]} needs at least one value; what was given matches no entry")
            for key in ("name", "benchmark"):
                if key in several:
                    raise ValueError(f"{key} needs one value per command; {several[key]} were given")
            plain = OmegaConf.to_container(OmegaConf.masked_copy(config, [key for key in config if key != "hydra"]))
            plain = {key: {"_target_": ""} for key in values if key in choices} | plain  # an entry is composed later
            for left_out in unions(config.benchmark.entry, values):
                firsts = {key: texts[0] for key, texts in values.items() if key not in left_out}
                chosen = {key: firsts.get(key, choices[key]) for key in choices if key not in left_out}
                refused(*of_group(plain, chosen), chosen)
            refuse_strangers(config, values)
            for seed in values.get("seed", []):
                refuse_seed(yaml.safe_load(seed))
            folder = Path(config.hydra.sweep.dir)
            settings = [key for key in several if key not in {*choices, "metric", "seed"}]
            mark_sweep(folder, config.name, choices["benchmark"], settings)
            if config.tracking_uri is not None:
                sweep_run.start(folder, config.tracking_uri)

    def on_job_start(self, config: DictConfig, **_: object) -> None:
        """Name the running cell behind the bar."""
        choices = config.hydra.runtime.choices
        group = group_of(config.benchmark.entry, choices)
        names = [choices.get("model"), choices.get(group) if group else "", f"seed {config.seed}"]
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
        """Show the tables of the sweep's kind, or fail; a sweep with a failed cell does not get here."""
        from results.__main__ import main

        folder = Path(config.hydra.sweep.dir)
        if not any(Plan.read(path).computed() for path in plans(folder)):  # by another command
            shutil.rmtree(folder / SHARED, ignore_errors=True)  # it is as large as the scores, and can be made again
        with one_sentence():
            code = main([str(folder)])
        print(f"More tables: python -m results {folder} --help")
        print(f"Figures: python -m results {folder} --figures")
        if config.tracking_uri is not None:
            sweep_run.finish(folder, config.tracking_uri)
        if code:
            sys.exit(code)


def tried(config: DictConfig) -> dict[str, list[str]]:
    """Return what the command or its experiment overrides, with all values that are tried, as they are typed."""
    parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
    texts = [f"{key}={value}" for key, value in (config.hydra.sweeper.params or {}).items()]
    parsed = {o.get_key_element(): o for o in parser.parse_overrides([*texts, *config.hydra.overrides.task])}
    return {
        key: [*o.sweep_string_iterator()] if o.is_sweep_override() else [o.get_value_element_as_str()]
        for key, o in parsed.items()
    }


def swept(values: dict[str, list[str]]) -> dict[str, int]:
    """Return how many values are tried of each setting that is swept over."""
    return {key.lstrip("+"): len(several) for key, several in values.items() if len(several) > 1}


def refuse_strangers(config: DictConfig, values: dict[str, list[str]]) -> None:
    """Refuse a setting that some of the entries of a sweep do not have, and name these."""
    choices = config.hydra.runtime.choices
    folders = [source.path for source in config.hydra.runtime.config_sources if source.schema == "file"]
    for key in values:
        group, _, setting = key.partition(".")
        asked = values.get(group, [choices.get(group)]) if setting else []
        without = [entry for entry in asked if not has(folders, group, entry, setting)]
        if without:
            more = f"; budget.{setting} sets it for every entry that reads it" if setting in config.budget else ""
            raise ValueError(f"{key} is not a setting of {listing(without)}{more}")


def has(folders: list[str], group: str, entry: str | None, setting: str) -> bool:
    """Return whether an entry's own file has a setting; True where it may stand in another file."""
    paths = (Path(folder, group, f"{entry}.yaml") for folder in folders)
    with next((path for path in paths if path.exists()), Path(os.devnull)).open() as file:
        node = yaml.safe_load(file)
    elsewhere = not isinstance(node, dict) or "defaults" in node or group in node
    return elsewhere or setting.partition(".")[0] in node
