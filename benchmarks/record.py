"""Compute what a cell lacks and store it; `python -m benchmarks.record OUTPUTS` logs stored cells in MLflow."""

import json
import logging
import sys
import traceback
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from time import perf_counter

from filelock import FileLock
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from benchmarks.cell import CONFIG, CURVES, DONE, GALLERY, LOCK, SCORES, Cell, cells, mark_sweep, sweep_of, text, write
from benchmarks.command import one_sentence, sentence

log = logging.getLogger(__name__)
VARIANT = ["metric", "metric_settings"]


def record(cfg: DictConfig) -> bool:
    """Compute and store what the running Hydra job's cell lacks; return whether there was something to compute.

    A cell that lacks nothing is not computed, so that the settings of computing (`device`, `threads`, `batch_size`) are
    not read for it: the scores of a sweep can be looked at where there is no GPU. Another device is pointed out.
    """
    hydra = HydraConfig.get()
    alone = hydra.mode == RunMode.RUN
    sweep = Path(hydra.runtime.output_dir if alone else hydra.sweep.dir)
    sweep = sweep.relative_to(Path.cwd()) if sweep.is_relative_to(Path.cwd()) else sweep
    cell = Cell.of(cfg, hydra.runtime.choices, sweep)
    if alone:
        mark_sweep(cell.sweep, cfg.name, cell.names["kind"], [])
    with cell.lock():
        lacking = missing(cell)
        if lacking:
            compute(cell, cfg, lacking)
        else:
            log.info("%s: done before, skipped%s", cell.title, elsewhere(cell, str(cfg.device)))
        if cfg.tracking_uri is not None:
            from benchmarks import tracking

            tracking.log_cell(cell.folder, cfg.tracking_uri)
    if alone:
        answer(cell, bool(lacking))
    return bool(lacking)


def elsewhere(cell: Cell, device: str) -> str:
    """Say where the stored cell was computed last, if that is another device than the one that is asked for."""
    used = json.loads((cell.folder / DONE).read_text()).get("device", device)
    return "" if device in ("auto", used) else f"; device={device} is not used, its scores were computed on {used}"


def missing(cell: Cell) -> list[str]:
    """Return the metrics that the stored cell lacks, or has for fewer images; refuse another cell in its place."""
    complete = completed(cell)

    def done(name: str) -> bool:
        same = [name, text(cell.metrics[name])]
        known = [images for *metric, images in complete if metric == same]
        return any(images is None or (cell.images is not None and cell.images <= images) for images in known)

    return [name for name in cell.metrics if not done(name)]


def completed(cell: Cell) -> list[list]:
    """Return name, settings and number of images of every metric that the stored cell has."""
    if not all((cell.folder / file).exists() for file in (DONE, SCORES, CURVES, GALLERY, CONFIG)):
        return []
    done = json.loads((cell.folder / DONE).read_text())
    if done["key"] != cell.key:
        raise ValueError(f"{cell.folder} holds cell {done['key']} and this one is {cell.key}; remove the folder")
    return done["complete"]


def compute(cell: Cell, cfg: DictConfig, lacking: list[str]) -> None:
    """Run the benchmark for these metrics and store what it yields, or why it failed."""
    start = perf_counter()
    failure = cell.folder / "failure.txt"
    try:
        extend(cell, cfg, lacking)
    except Exception as error:
        failure.write_text(traceback.format_exc())
        log.error("%s: failed: %s", cell.title, sentence(error))
        raise
    failure.unlink(missing_ok=True)
    log.info("%s: %.1f s", cell.title, perf_counter() - start)


def extend(cell: Cell, cfg: DictConfig, lacking: list[str]) -> None:
    """Add metrics, and images of metrics that have too few, to what is stored of a cell."""
    import pandas as pd
    from hydra.utils import instantiate

    from benchmarks import loop

    before, curves, gallery = stored(cell)
    names = cell.metric_settings()
    groups = defaultdict(list)  # of metrics, by the images that they have been asked for
    for name in lacking:
        same = before[(before.metric == name) & (before.metric_settings == names[name])] if len(before) else before
        groups[frozenset(same.image if len(same) else ())].append(name)
    ready = loop.prepared(cell, cfg)
    benchmark = instantiate(cfg.benchmark, _convert_="all")
    scores = [before] if len(before) else []
    for images, metrics in groups.items():
        pictured = bool(gallery) and not any(hasattr(ready.metrics[name], "pictures") for name in metrics)
        part = replace(ready, metrics={name: ready.metrics[name] for name in metrics}, stored=images, pictured=pictured)
        result = benchmark(part)
        if len(before) and len(result.scores):
            same_data(cell, before, result.scores)
        scores += [result.scores.assign(**cell.columns())] if len(result.scores) else []
        settings = result.curves.metric.map(names)
        curves = pd.concat([curves, result.curves.assign(metric_settings=settings)], ignore_index=True)
        gallery = gallery | result.gallery
    table = pd.concat(scores, ignore_index=True)
    complete = {(name, settings, images) for name, settings, images in completed(cell)} | {
        (name, text(cell.metrics[name]), cell.images)
        for name in lacking
        if not ((table.metric == name) & (table.metric_settings == names[name]) & (table.status == "failed")).any()
    }
    store(cell, table, curves, gallery)
    none = table[table.status.isin(["inapplicable", "failed"])].drop_duplicates(VARIANT)
    reasons = {
        f"{row.metric} {row.metric_settings}": ("" if row.status == "inapplicable" else f"{row.metric} failed: ")
        + row.reason
        for row in none.itertuples()
    }
    done = {"key": cell.key, "complete": sorted(complete, key=str), "lost": reasons, "device": ready.device.type}
    write(cell.folder / DONE, lambda path: path.write_text(json.dumps(done)))


def stored(cell: Cell) -> tuple:
    """Return the scores that count, curves and pictures of the stored cell, empty where there is none."""
    import numpy as np
    import pandas as pd

    from benchmarks.rows import CURVE

    if not completed(cell):
        return pd.DataFrame(), pd.DataFrame(columns=CURVE), {}
    scores = pd.read_parquet(cell.folder / SCORES, partitioning=None)
    curves = pd.read_parquet(cell.folder / CURVES, partitioning=None)
    failed = scores.loc[scores.status == "failed", VARIANT].drop_duplicates()
    kept = [
        table[~pd.MultiIndex.from_frame(table[VARIANT]).isin(pd.MultiIndex.from_frame(failed))]
        for table in (scores, curves)
    ]
    with np.load(cell.folder / GALLERY) as gallery:
        return *kept, dict(gallery)


def same_data(cell: Cell, before: object, now: object) -> None:
    """Refuse to add scores of another network, or of other images of the same names, to a stored cell."""
    if (weights := before.weights.iloc[0]) != now.weights.iloc[0]:
        raise ValueError(
            f"{cell.folder} has scores of a network with weights {weights}; the network now has {now.weights.iloc[0]}; "
            "give another name=..."
        )
    old, new = (table.drop_duplicates("image").set_index("image").data for table in (before, now))
    both = old.index.intersection(new.index)
    if len(other := both[(old[both] != new[both]).to_numpy()]):
        raise ValueError(f"{cell.folder} has scores of another image called {other[0]}; give another name=...")


def store(cell: Cell, scores: object, curves: object, gallery: dict) -> None:
    """Write the cell's files."""
    import numpy as np
    from omegaconf import OmegaConf

    def save_gallery(path: Path) -> None:
        with path.open("wb") as file:
            np.savez_compressed(file, **gallery)

    write(cell.folder / CONFIG, lambda path: OmegaConf.save(OmegaConf.create(cell.config), path))
    write(cell.folder / GALLERY, save_gallery)
    write(cell.folder / CURVES, lambda path: curves.to_parquet(path, index=False))
    write(cell.folder / SCORES, lambda path: scores.to_parquet(path, index=False))


def answer(cell: Cell, computed: bool) -> None:
    """Print the scores of a cell that was run alone, if they are new, and where they are; raise where some are lost."""
    lost = json.loads((cell.folder / DONE).read_text())["lost"]  # why metrics have no scores
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
    from benchmarks import tracking

    if not arguments or len(arguments) > 2:
        raise ValueError("usage: python -m benchmarks.record OUTPUTS [TRACKING_URI]")
    folder, uri = Path(arguments[0]), (arguments[1:] or ["sqlite:///mlflow.db"])[0]
    finished = [*cells(folder)]
    if not finished:
        raise ValueError(f"{folder} needs to hold finished cells ({SCORES}); there is none")
    results = {"logged": 0, "were there": 0, "failed": 0}
    for sweep in dict.fromkeys(sweep_of(cell) for cell in finished):
        if sweep:
            tracking.start_sweep(sweep, uri)
    for cell in finished:
        with FileLock(cell / LOCK):
            tracking.forget(cell, uri)
            there = tracking.run_on(cell, uri)
            done = tracking.log_cell(cell, uri)
        results["were there" if there else "logged" if done else "failed"] += 1
    print(f"{uri}: of {len(finished)} cells " + ", ".join(f"{number} {what}" for what, number in results.items()))
    if results["failed"]:
        sys.exit(1)


if __name__ == "__main__":
    with one_sentence():
        main(sys.argv[1:])
