"""An MLflow server on PostgreSQL, and how many runs it takes from many writers and from one.

`python -m tests.services.mlflow_postgres [RUNS] [PICTURE]` starts both, writes, searches, and stops them. One writer
logs RUNS cells, 100 without a number, and the database gets copies of them up to 10,000 before the pages are timed and
a picture of the list is taken. It needs Debian's packages postgresql and chromium; the environment needs the extra
`postgresql` and Playwright.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import pandas as pd
import requests

from benchmarks import record, sweep_run
from tests.services import trials

BIN = next(Path("/usr/lib/postgresql").glob("*/bin"))
PORT, WRITERS, EACH, MANY = 15432, 8, 50, 10_000
METRIC = "faithfulness/deletion"


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """Run PostgreSQL with its data in `folder`; give the address of an empty database."""
    as_user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    if as_user:
        shutil.chown(folder, "postgres")
    options = f"-p {PORT} -k {folder} -c listen_addresses=127.0.0.1"
    subprocess.run([*as_user, BIN / "initdb", "-D", folder / "data", "-A", "trust"], check=True, capture_output=True)
    start = [*as_user, BIN / "pg_ctl", "-D", folder / "data", "-l", folder / "log", "-w", "-o", options, "start"]
    subprocess.run(start, check=True, stdout=subprocess.DEVNULL)
    try:
        connect = ["-h", "127.0.0.1", "-p", str(PORT)]
        subprocess.run([*as_user, BIN / "createdb", *connect, "mlflow"], check=True)
        yield f"postgresql+psycopg2://{'postgres' if as_user else os.environ['USER']}@127.0.0.1:{PORT}/mlflow"
    finally:
        subprocess.run([*as_user, BIN / "pg_ctl", "-D", folder / "data", "-m", "fast", "stop"], capture_output=True)


@contextmanager
def server(folder: Path, database: str, port: int = 15055) -> Iterator[str]:
    """Run MLflow's server on a database, with artifacts in `folder`; give its address."""
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", database, "--host", "127.0.0.1"]
    command += ["--port", str(port), "--workers", "2", "--artifacts-destination", folder / "artifacts"]
    with (folder / "mlflow.log").open("w") as log:
        quiet = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # eight processes that no run needs
        running = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, env=quiet)
        address = f"http://127.0.0.1:{port}"
        try:
            trials.until(lambda: answers(f"{address}/health"), "MLflow answers")
            yield address
        finally:
            os.killpg(running.pid, 15)
            running.wait(20)


def answers(address: str) -> bool:
    try:
        return requests.get(address, timeout=2).ok
    except requests.RequestException:
        return False


def copies(cell: Path, sweep: Path, seeds: range) -> list[Path]:
    """Write copies of a stored cell as cells of other seeds."""
    rows = pd.read_parquet(cell / "scores.parquet", partitioning=None)
    folders = [sweep / "maps" / f"{seed // 100}" / f"seed_{seed}" for seed in seeds]
    for seed, folder in zip(seeds, folders, strict=True):
        shutil.copytree(cell, folder, ignore=shutil.ignore_patterns("mlflow.json", "scores.parquet"))
        rows.assign(seed=seed, score=rows.score + seed / 1e6).to_parquet(folder / "scores.parquet", index=False)
    return folders


def written(cells: list[Path], address: str) -> int:
    """Log cells one after the other, as a worker does after each; return how many were logged."""
    from benchmarks import tracking

    return sum(tracking.log_cell(cell, address) for cell in cells)


def many_writers(cell: Path, sweep: Path, address: str) -> None:
    """Eight processes log 50 cells each at the same time."""
    every = copies(cell, sweep, range(1, WRITERS * EACH + 1))
    begun = time.perf_counter()
    with ProcessPoolExecutor(WRITERS, get_context("spawn")) as pool:
        parts = [every[k::WRITERS] for k in range(WRITERS)]
        logged = sum(pool.map(written, parts, [address] * WRITERS))
    seconds = time.perf_counter() - begun
    there = runs(address, sweep.name)
    seeds = {one.data.params["seed"]: one.data.metrics[METRIC] for one in there}
    lost = len(every) - len(seeds)
    print(f"{WRITERS} writers x {EACH} cells: {logged} logged, {lost} lost, {seconds:.0f} s", flush=True)
    mean = pd.read_parquet(cell / "scores.parquet", partitioning=None).query("metric == 'deletion'").score.mean()
    wrong = [seed for seed, value in seeds.items() if abs(value - mean - int(seed) / 1e6) > 1e-9]
    assert not lost and len(there) == len(every) and not wrong, (lost, len(there), wrong[:3])


def one_writer(cell: Path, sweep: Path, address: str, number: int) -> None:
    """One process logs the cells of a finished sweep, as `python -m benchmarks.record` does."""
    copies(cell, sweep, range(1, number + 1))
    begun = time.perf_counter()
    record.main([str(sweep), address])
    seconds = time.perf_counter() - begun
    print(f"one writer: {number} cells in {seconds:.0f} s, {1000 * seconds / number:.0f} ms each", flush=True)


def multiplied(database: str, run_id: str, number: int) -> None:
    """Write copies of a run's rows, each with its own seed and score: what so many cells would have left."""
    import sqlalchemy

    own = {"run_uuid": "md5(t.run_uuid || n)"}
    changed = {"params": {"value": "CASE t.key WHEN 'seed' THEN n::text ELSE t.value END"}}
    changed |= {table: {"value": "t.value + n / 1e6"} for table in ("metrics", "latest_metrics")}
    engine = sqlalchemy.create_engine(database)
    with engine.begin() as connection:
        for table in ("runs", "tags", "params", "metrics", "latest_metrics"):
            columns = [column["name"] for column in sqlalchemy.inspect(engine).get_columns(table)]
            values = own | changed.get(table, {})
            chosen = ", ".join(values.get(name, f"t.{name}") for name in columns)
            source = f"{table} t, generate_series(100001, {100000 + number}) n WHERE t.run_uuid = '{run_id}'"
            connection.execute(
                sqlalchemy.text(f"INSERT INTO {table} ({', '.join(columns)}) SELECT {chosen} FROM {source}")
            )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sqlalchemy.text("ANALYZE"))


def runs(address: str, name: str) -> list:
    """Return all runs of cells of an experiment, page by page."""
    from mlflow import MlflowClient

    client, found, token = MlflowClient(address), [], None
    experiment = client.get_experiment_by_name(name).experiment_id
    while token != "":
        page = client.search_runs([experiment], "tags.kind = 'cell'", max_results=1000, page_token=token)
        found, token = found + page, page.token or ""
    return found


def opened(address: str, name: str) -> None:
    """Time what the pages of MLflow ask of the server."""
    from mlflow import MlflowClient

    experiment = MlflowClient(address).get_experiment_by_name(name).experiment_id
    asked = {"experiment_ids": [experiment], "max_results": 100, "run_view_type": "ACTIVE_ONLY"}
    pages = {
        "the page itself": None,
        "the first 100 runs": {},
        "the first 100 by a metric": {"filter": "tags.kind = 'cell'", "order_by": [f"metrics.`{METRIC}` ASC"]},
        "a search": {"filter": f"params.method = 'gradient' and metrics.`{METRIC}` < 0 and params.seed = '7'"},
    }
    for what, more in pages.items():
        begun = time.perf_counter()
        if more is None:
            answer = requests.get(address, timeout=60)
        else:
            answer = requests.post(f"{address}/ajax-api/2.0/mlflow/runs/search", json=asked | more, timeout=60)
        assert answer.ok, answer.text
        print(f"{name}: {what}: {time.perf_counter() - begun:.2f} s", flush=True)
    begun = time.perf_counter()
    print(f"{name}: all {len(runs(address, name))} runs: {time.perf_counter() - begun:.1f} s", flush=True)


def shown(address: str, name: str, picture: str) -> None:
    """Time how long Chromium takes to show the list of cells, whose address a sweep prints at its end, and a search."""
    from mlflow import MlflowClient
    from playwright.sync_api import sync_playwright

    experiment = MlflowClient(address).get_experiment_by_name(name).experiment_id
    with sync_playwright() as own:
        browser = own.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        for what in ("for the first time", "once more"):
            page.goto("about:blank")
            begun = time.perf_counter()
            page.goto(sweep_run.link(address, experiment).splitlines()[-1])
            page.get_by_role("row").filter(has_text="gradient").nth(20).wait_for(timeout=120_000)
            print(f"{name}: Chromium shows the runs {what}: {time.perf_counter() - begun:.1f} s", flush=True)
        page.wait_for_timeout(3000)
        page.screenshot(path=picture)
        begun = time.perf_counter()
        words = page.get_by_placeholder("metrics.rmse")
        words.fill("params.seed = '100007'")
        words.press("Enter")
        page.get_by_text("1 matching run").wait_for(timeout=120_000)
        print(f"{name}: Chromium shows what was searched for: {time.perf_counter() - begun:.1f} s", flush=True)
        browser.close()


def main(number: int, picture: str) -> None:
    with tempfile.TemporaryDirectory(prefix="team") as place:
        folder = Path(place)
        folder.chmod(0o755)
        (folder / "postgres").mkdir()
        trials.finished(trials.start(folder, "method=gradient", "seed=0", "dataset.images=4", "budget.masks=10"))
        (cell,) = (path.parent for path in folder.rglob("cell.json"))
        (sweeps := folder / "sweeps").mkdir()
        names = {"eight_writers": many_writers, "one_writer": one_writer}
        for name in names:
            (sweeps / name).mkdir()
            (sweeps / name / "sweep.json").write_text(json.dumps({"name": name, "kind": "maps", "varied": []}))
        with postgres(folder / "postgres") as database, server(folder, database) as address:
            config = (cell / "config.yaml").read_text()
            (cell / "config.yaml").write_text(config.replace("name: trial", "name: eight_writers"))
            many_writers(cell, sweeps / "eight_writers", address)
            opened(address, "eight_writers")
            (cell / "config.yaml").write_text(config.replace("name: trial", "name: one_writer"))
            one_writer(cell, sweeps / "one_writer", address, number)
            multiplied(database, runs(address, "one_writer")[0].info.run_id, MANY - number)
            opened(address, "one_writer")
            shown(address, "one_writer", picture)
    print("2 passed, 0 failed")


if __name__ == "__main__":
    given = dict(enumerate(sys.argv[1:]))
    main(int(given.get(0, 100)), given.get(1, "runs.png"))
