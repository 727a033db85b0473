"""Ten thousand cells of which nearly all are done: how long the same command takes, and what is on the disk.

`python -m tests.services.ten_thousand [CELLS] [LEFT]` computes a cell of each of twenty methods, writes copies of them
as cells of other seeds, and starts the sweep of all.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
from hydra import compose, initialize_config_dir
from omegaconf import open_dict

from benchmarks.cell import CONFIG, DONE, SCORES, Cell
from benchmarks.plan import typed
from tests.services import trials

CONF = trials.ROOT / "conf"
METHODS = sorted(path.stem for path in (CONF / "method").glob("*.yaml") if path.stem not in ("stored", "truth"))[:20]
WORDS = ["model=planted", "dataset=planted", "dataset.images=4", "metric=[gini,deletion]", "tracking_uri=null"]
WORDS += ["budget.masks=20", "budget.samples=4", "budget.steps=4", "budget.iterations=3", "name=many"]


def start(folder: Path, seeds: str) -> subprocess.Popen:
    """Start the sweep over these seeds."""
    command = [sys.executable, CONF.parent / "run.py", "-m", *WORDS, f"method={','.join(METHODS)}", f"seed={seeds}"]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def copied(folder: Path, number: int) -> None:
    """Write cells of other seeds, as if they had been computed."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        for method in METHODS:
            cfg = compose("config", [*WORDS, f"method={method}", "seed=0"], return_hydra_config=True)
            choices = dict(cfg.hydra.runtime.choices)
            with open_dict(cfg):
                del cfg.hydra
            first = Cell.of(cfg, choices, folder / "outputs" / "many", set())
            rows, done = pd.read_parquet(first.folder / SCORES), json.loads((first.folder / DONE).read_text())
            config = (first.folder / CONFIG).read_text()
            for seed in range(1, number):
                cell = replace(first, names=first.names | {"seed": seed})
                shutil.copytree(first.folder, cell.folder)
                command = [typed([*WORDS, f"method={method}", f"seed={seed}"], [str(CONF)])]
                (cell.folder / DONE).write_text(json.dumps(done | {"key": cell.key, "typed": command}))
                rows.assign(seed=seed, key=cell.key).to_parquet(cell.folder / SCORES, index=False)
                (cell.folder / CONFIG).write_text(config.replace("\nseed: 0\n", f"\nseed: {seed}\n"))


def disk(folder: Path) -> str:
    """Say how much the sweep's files take."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    most = max(sum(path.is_file() for path in place.iterdir()) for place in {path.parent for path in files})
    size = sum(path.stat().st_blocks * 512 for path in files) / 1e9
    return f"{len(files):,} files, at most {most} in one folder, {size:.2f} GB on the disk"


def main(cells: int, left: int) -> None:
    seeds = cells // len(METHODS)
    with tempfile.TemporaryDirectory(prefix="many") as place:
        folder = Path(place)
        trials.finished(start(folder, "0"))
        copied(folder, seeds)
        for path in sorted((folder / "outputs").rglob("cell.json"))[-left:]:
            shutil.rmtree(path.parent)
        begun = time.perf_counter()
        with start(folder, f"range({seeds})") as running:
            for line in running.stdout:
                if "done before, skipped" in line or "seed" in line:
                    print(f"{time.perf_counter() - begun:6.1f} s: {line.rstrip()[:100]}", flush=True)
        print(f"{time.perf_counter() - begun:6.1f} s: tables are printed, exit code {running.returncode}", flush=True)
        begun = time.perf_counter()
        status = [sys.executable, "-m", "benchmarks.status", folder / "outputs" / "many"]
        print(subprocess.run(status, cwd=trials.ROOT, capture_output=True, text=True).stdout.split("\n", 1)[1].rstrip())
        print(f"status: {time.perf_counter() - begun:.1f} s")
        print(disk(folder / "outputs" / "many"))


if __name__ == "__main__":
    main(*[int(word) for word in (sys.argv[1:] or ["10000", "10"])])
