"""Sweeps of the planted network that are disturbed, and a sweep that is not: scores are equal, bit for bit."""

import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import pandas as pd

from benchmarks.plan import BEGUN, DONE, LEFT, Plan, plans

ROOT = Path(__file__).parents[2]
STARTED: list[subprocess.Popen] = []
# What clocks, allocators and the commit of the moment say.
MOVING = ["seconds", "forwards", "backwards", "reused", "peak_memory", "explain_seconds", "explain_peak_memory"]
MOVING += ["device", "code"]
# Twelve cells of some seconds each.
CELLS = "-m model=planted dataset=planted dataset.images=16 batch_size=4 tracking_uri=null name=trial metric=[deletion]"
CELLS += " method=rise,lime,kernel_shap seed=0,1,2,3 budget.masks=500"


def start(folder: Path, *words: str) -> subprocess.Popen:
    """Start the sweep in a folder, with other settings; it leads a group of processes."""
    given = {word.partition("=")[0] for word in words}
    usual = [word for word in shlex.split(CELLS) if word.partition("=")[0] not in given]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    command = [sys.executable, ROOT / "run.py", *usual, *words]
    STARTED.append(subprocess.Popen(command, cwd=folder, start_new_session=True, **streams))
    return STARTED[-1]


def finished(sweep: subprocess.Popen) -> str:
    """Wait for a sweep that must succeed; return what it printed."""
    out = sweep.communicate(timeout=1800)[0]
    assert sweep.returncode == 0, out
    return out


def plan(folder: Path) -> Plan:
    return Plan.read(plans(folder / "outputs" / "trial")[0])


def running(folder: Path) -> int:
    """Return how many cells of the sweep are computed now."""
    if not plans(folder / "outputs" / "trial"):
        return 0
    now = plan(folder)
    cells = now.computed()
    os.close(now.file)
    return len(cells)


def ended(folder: Path) -> int:
    """Return how many cells of the sweep are done."""
    return sum(path.with_suffix(".states").read_text().count(DONE) for path in plans(folder / "outputs" / "trial"))


def kill(folder: Path) -> int:
    """Kill a process that computes a cell of the sweep; return its number."""
    now = plan(folder)
    cell = next(cell for cell in now.cells(BEGUN) if now.running(cell))
    os.close(now.file)
    owner = holder(now.path.with_suffix(".states"), cell)
    os.kill(owner, signal.SIGKILL)
    return owner


def untouched(folder: Path) -> bool:
    """Return whether no cell of the sweep was ever begun."""
    return {*plan(folder).states()} == {LEFT}


def processes(word: str) -> list[int]:
    """Return the processes that have a word in the command that started them."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            found += [int(place.name)] if word in (place / "cmdline").read_text() else []
    return found


def holder(file: Path, byte: int) -> int:
    """Return the process that holds a lock on a byte of a file, as Linux lists them."""
    inode = str(file.stat().st_ino)
    for line in Path("/proc/locks").read_text().splitlines():
        words = line.split()
        if "->" not in words and words[5].endswith(f":{inode}") and words[6] == str(byte):
            return int(words[4])
    raise LookupError(f"nobody holds byte {byte} of {file}")


def scores(folder: Path) -> pd.DataFrame:
    """All stored rows, without what moves, in one order."""
    files = sorted((folder / "outputs").rglob("scores.parquet"))
    rows = pd.concat([pd.read_parquet(file, partitioning=None) for file in files], ignore_index=True)
    return rows.drop(columns=MOVING).sort_values(["entry", "seed", "metric", "image"], ignore_index=True)


def some(rows: pd.DataFrame, entries: Sequence[str], seeds: Sequence[int]) -> pd.DataFrame:
    """Return the rows of some cells."""
    return rows[rows.entry.isin(entries) & rows.seed.isin(seeds)].reset_index(drop=True)


def same(sweep: subprocess.Popen, folder: Path, expected: pd.DataFrame) -> str:
    """Wait for a sweep that must succeed with these scores; return what it printed."""
    out = finished(sweep)
    pd.testing.assert_frame_equal(scores(folder), expected, check_exact=True)
    return out


def status(folder: Path) -> str:
    command = [sys.executable, "-m", "benchmarks.status", folder / "outputs" / "trial"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout


def until(true: Callable[[], bool], what: str, seconds: float = 120) -> None:
    """Wait until something is true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"it takes longer than {seconds} s until {what}"
        time.sleep(0.1)


def stop() -> None:
    """End the sweeps of a trial that has failed or was stopped."""
    for sweep in STARTED:
        if sweep.poll() is None:
            os.killpg(sweep.pid, signal.SIGKILL)


def undisturbed(folder: Path, expected: pd.DataFrame, words: Sequence[str]) -> None:
    same(start(folder, *words), folder, expected)


def failing(folder: Path, _expected: pd.DataFrame, words: Sequence[str]) -> None:
    """A cell fails where its worker does not: the command and the status say so."""
    sweep = start(folder, *words, "method=gradient,grad_cam", "seed=0", "++method.layer=nowhere")
    out = sweep.communicate(timeout=300)[0]
    assert sweep.returncode == 1 and "unexpected keyword argument 'layer'" in out, out
    said = status(folder)
    assert "1 of 2 cells are done, 0 are running, 1 failed" in said and "layer" in said, said


def two_commands(folder: Path, expected: pd.DataFrame, words: Sequence[str]) -> None:
    """Two commands work on one sweep at the same time."""
    for sweep in [start(folder, *words) for _ in range(2)]:
        same(sweep, folder, expected)


def without_launcher(folder: Path, expected: pd.DataFrame, words: Sequence[str]) -> None:
    """The command is killed, and whatever process it has started on this machine; the same command goes on."""
    sweep = start(folder, *words)
    until(lambda: running(folder) > 1 and ended(folder) > 1, "two cells are done and two are computed")
    os.killpg(sweep.pid, signal.SIGKILL)
    sweep.communicate()
    same(start(folder, *words), folder, expected)


def by_hydras_name(folder: Path, expected: pd.DataFrame, name: str, *more: str) -> None:
    """Three cells by a launcher that is chosen by the name that Hydra has for it, with Hydra's settings and others."""
    sweep = start(folder, f"hydra/launcher={name}", "+workers=2", "method=rise", "seed=0,1,2", *more)
    same(sweep, folder, some(expected, ["rise"], [0, 1, 2]))


def tried(own: Sequence[Callable[[Path, pd.DataFrame, Sequence[str]], None]], words: Sequence[str]) -> int:
    """Run trials of the launcher that these words choose: those of every launcher and its own; return the exit code.

    The command may name some of them. Each gets a folder, and the rows of the sweep undisturbed in one process.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # services are stopped, too
    every = [undisturbed, failing, two_commands, without_launcher, *own]
    chosen = [trial for trial in every if trial.__name__ in sys.argv[1:] or not sys.argv[1:]]
    with tempfile.TemporaryDirectory(prefix="trials") as place:
        first = Path(place) / "one_process"
        first.mkdir()
        begun = time.perf_counter()
        finished(start(first))
        expected, lost = scores(first), 0
        print(f"one process: {expected.key.nunique()} cells in {time.perf_counter() - begun:.0f} s", flush=True)
        for trial in chosen:
            folder, begun = Path(place) / trial.__name__, time.perf_counter()
            folder.mkdir()
            try:
                trial(folder, expected, words)
                result = "as expected"
            except Exception as error:
                result, lost = f"FAILED: {type(error).__name__}: {str(error)[-1000:]}", lost + 1
            finally:
                stop()
            print(f"{trial.__name__}: {result}, {time.perf_counter() - begun:.0f} s", flush=True)
    print(f"{len(chosen) - lost} passed, {lost} failed")
    return int(lost > 0)
