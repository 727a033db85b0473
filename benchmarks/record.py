"""Store a cell once, then mirror it in MLflow; `python -m benchmarks.record OUTPUTS` mirrors what was left out."""

import json
import logging
import sys
import traceback
from pathlib import Path
from time import perf_counter

from filelock import FileLock
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from benchmarks import tracking
from benchmarks.cell import LOCK, SCORES, Cell, write
from benchmarks.command import one_sentence, sentence

log = logging.getLogger(__name__)


def record(cfg: DictConfig) -> None:
    """Compute and store the running Hydra job's cell, unless it is stored already."""
    cell = Cell.of(cfg)
    name = "/".join(str(cell.names[part]) for part in ("dataset", "model", "method", "seed"))
    with cell.lock():
        if cell.done():
            log.info("%s: done before, skipped", name)
        else:
            compute(cell, cfg, name)
        tracking.log_cell(cell.folder, cfg.tracking_uri)
    if HydraConfig.get().mode == RunMode.RUN and (reason := cell.inapplicable()):
        raise ValueError(reason)  # an answer within a sweep; asked for alone, it is an error


def compute(cell: Cell, cfg: DictConfig, name: str) -> None:
    """Run the benchmark and store what it yields, or why it failed."""
    start = perf_counter()
    failure = cell.folder / "failure.txt"
    try:
        store(cell, instantiate(cfg.benchmark)(cfg))
    except Exception as error:
        failure.write_text(traceback.format_exc())
        log.error("%s: failed: %s", name, sentence(error))
        raise
    failure.unlink(missing_ok=True)
    log.info("%s: %.1f s", name, perf_counter() - start)


def store(cell: Cell, evaluated: object) -> None:
    """Write the cell's files; the scores come last, since they are what makes a cell done."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    def table(frame: object, **metadata: str):
        content = pa.Table.from_pandas(frame.assign(**cell.names), preserve_index=False)
        return content.replace_schema_metadata((content.schema.metadata or {}) | metadata)

    def save_gallery(path: Path) -> None:
        with path.open("wb") as file:
            np.savez_compressed(file, **evaluated.gallery)

    write(cell.folder / "config.yaml", lambda path: OmegaConf.save(OmegaConf.create(cell.config), path))
    write(cell.folder / "gallery.npz", save_gallery)
    write(cell.folder / "curves.parquet", lambda path: pq.write_table(table(evaluated.curves), path))
    scores = evaluated.scores.assign(config=cell.key)
    failed = str(bool((scores.status == "failed").any()))
    key = {"key": cell.key, "values": json.dumps(cell.values, default=str), "failed": failed}
    write(cell.folder / SCORES, lambda path: pq.write_table(table(scores, **key), path))


def main(arguments: list[str]) -> None:
    """Log every stored cell under a folder that the tracking server does not have."""
    if not arguments or len(arguments) > 2:
        raise ValueError("usage: python -m benchmarks.record OUTPUTS [TRACKING_URI]")
    folder, uri = Path(arguments[0]), (arguments[1:] or ["sqlite:///mlflow.db"])[0]
    cells = sorted(path.parent for path in folder.rglob(SCORES))
    if not cells:
        raise ValueError(f"{folder} needs to hold finished cells ({SCORES}); there is none")
    results = {"logged": 0, "were there": 0, "failed": 0}
    for sweep in dict.fromkeys(tracking.sweep_of(cell) for cell in cells):
        tracking.start_sweep(sweep, uri, sweep.name)
    for folder in cells:
        with FileLock(folder / LOCK):
            tracking.forget(folder, uri)
            there = tracking.run_on(folder, uri)
            done = tracking.log_cell(folder, uri)
        results["were there" if there else "logged" if done else "failed"] += 1
    print(f"{uri}: of {len(cells)} cells " + ", ".join(f"{number} {what}" for what, number in results.items()))
    if results["failed"]:
        sys.exit(1)


if __name__ == "__main__":
    with one_sentence():
        main(sys.argv[1:])
