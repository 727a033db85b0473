"""Bring one cell up to date and log it; `python -m benchmarks.record OUTPUTS` logs stored cells in MLflow."""

import json
import logging
import sys
from pathlib import Path

from filelock import FileLock
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from benchmarks.cell import DONE, LOCK, SCORES, Cell, cells, mark_sweep, read_cell, single, sweep_of, write
from benchmarks.command import one_sentence
from benchmarks.compute import compute, missing
from benchmarks.plan import typed

log = logging.getLogger(__name__)


def record(cfg: DictConfig) -> bool:
    """Compute and store what the running Hydra job's cell lacks; return whether there was something to compute.

    A cell that lacks nothing is not computed, so that the settings of computing (`device`, `threads`, `batch_size`) are
    not read for it: the scores of a sweep can be looked at where there is no GPU. Another device is pointed out.
    """
    hydra = HydraConfig.get()
    one_cell = single()
    sweep = Path(hydra.runtime.output_dir if one_cell else hydra.sweep.dir)
    sweep = sweep.relative_to(Path.cwd()) if sweep.is_relative_to(Path.cwd()) else sweep
    asked = {override.partition("=")[0].lstrip("+") for override in hydra.overrides.task}
    cell = Cell.of(cfg, hydra.runtime.choices, sweep, asked)
    if one_cell:
        mark_sweep(cell.sweep, cfg.name, cell.names["kind"])
    tracked, command = False, typed(hydra.overrides.task, config_folders(hydra))
    with cell.lock():
        lacking = missing(cell)
        if lacking:
            compute(cell, cfg, lacking, command)
        else:
            keep_command(cell.folder, command)
            log.info("%s: done before, skipped%s", cell.title, elsewhere(cell.folder, str(cfg.device)))
        if cfg.tracking_uri is not None:
            from benchmarks import tracking

            tracked = tracking.log_cell(cell.folder, cfg.tracking_uri)
    if one_cell:
        answer(cell, bool(lacking))
        if tracked:
            from benchmarks import sweep_run

            sweep_run.point(cell.sweep, cfg.tracking_uri)
    return bool(lacking)


def elsewhere(cell: Path, device: str) -> str:
    """Say where the stored cell was computed last, if that is another device than the one that is asked for."""
    used = read_cell(cell).get("device", device)
    return "" if device in ("auto", used) else f"; device={device} is not used, its scores were computed on {used}"


def config_folders(hydra: DictConfig) -> list[str]:
    """Return the folders of which a config is made."""
    return [source.path for source in hydra.runtime.config_sources if source.schema == "file"]


def keep_command(folder: Path, command: str) -> None:
    """Keep in a cell that it is what was typed, and that nothing is missing."""
    done = read_cell(folder)
    if command not in done.get("typed", []):
        done["typed"] = [*done.get("typed", []), command]
        write(folder / DONE, lambda path: path.write_text(json.dumps(done)))


def found(folder: Path) -> list[str]:
    """Return digests of what was typed for a stored cell; none where a file is missing."""
    return read_cell(folder).get("typed", [])


def answer(cell: Cell, computed: bool) -> None:
    """Print the scores of a cell that was run alone, if they are new, and where they are; raise where some are lost."""
    lost = read_cell(cell.folder)["lost"]  # why metrics have no scores
    wanted = [f"{name} {settings}" for name, settings in cell.metric_settings().items()]
    reasons = [lost[variant] for variant in wanted if variant in lost]
    if computed and len(reasons) < len(wanted):
        from results.__main__ import main as show

        show([str(cell.folder)])
    if reasons:
        raise ValueError(reasons[0])
    print(f"Scores of this cell: python -m results {cell.folder}")
    print(f"All cells of this name: python -m results {cell.sweep}")


def main(arguments: list[str]) -> None:
    """Log every stored cell under a folder that the tracking server does not have."""
    from benchmarks import sweep_run, tracking
    from benchmarks.server import standing

    if not arguments or len(arguments) > 2:
        raise ValueError("usage: python -m benchmarks.record OUTPUTS [TRACKING_URI]")
    folder, uri = Path(arguments[0]), (arguments[1:] or ["sqlite:///mlflow.db"])[0]
    finished = [*cells(folder)]
    if not finished:
        raise ValueError(f"{folder} needs to hold finished cells ({SCORES}); there is none")
    results = {"logged": 0, "were there": 0, "deleted there": 0, "failed": 0}
    sweeps = [*filter(None, dict.fromkeys(map(sweep_of, finished)))]
    for sweep in sweeps:
        sweep_run.start(sweep, uri)
    for cell in finished:
        with FileLock(cell / LOCK):
            state = standing(cell, uri)
            done = tracking.log_cell(cell, uri)
        there = {"active": "were there", "deleted": "deleted there"}.get(state, "failed")
        results["logged" if done else there] += 1
    for sweep in sweeps:
        sweep_run.finish(sweep, uri)
    print(f"{uri}: of {len(finished)} cells " + ", ".join(f"{number} {what}" for what, number in results.items()))
    if results["failed"] or results["deleted there"]:
        sys.exit(1)


if __name__ == "__main__":
    with one_sentence():
        main(sys.argv[1:])
