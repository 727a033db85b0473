"""Trials of sweeps by processes of this machine: `python -m tests.services.processes`."""

import os
import signal
import sys
from pathlib import Path

from tests.services import trials

TWO = ["hydra/launcher=processes", "workers=2"]


def undisturbed(folder: Path, expected) -> None:
    trials.same(trials.finished(trials.start(folder, *TWO)), folder, expected)


def killed(folder: Path, expected) -> None:
    """One worker after the other is killed."""
    sweep = trials.start(folder, *TWO)
    for number in (2, 4):
        trials.until(
            lambda number=number: trials.running(folder) == 2 and trials.ended(folder) >= number, "two compute"
        )
        trials.kill(folder)
    trials.same(trials.finished(sweep), folder, expected)


def begun_by_none(folder: Path, expected) -> None:
    """A worker is killed before one of them begins a cell, and joblib ends the other."""
    sweep = trials.start(folder, *TWO)
    trials.until(lambda: trials.workers(sweep), "two workers start")
    os.kill(trials.workers(sweep)[0], signal.SIGKILL)
    assert not trials.ended(folder) and not trials.running(folder)
    trials.same(trials.finished(sweep), folder, expected)


def all_killed(folder: Path, expected) -> None:
    """Launcher and workers are killed at once; the same command goes on."""
    sweep = trials.start(folder, *TWO)
    trials.until(lambda: trials.ended(folder) >= 4, "four cells are done")
    os.killpg(sweep.pid, signal.SIGKILL)
    sweep.communicate()
    trials.same(trials.finished(trials.start(folder, *TWO)), folder, expected)


def two_commands(folder: Path, expected) -> None:
    """Two launchers work on one sweep."""
    sweeps = [trials.start(folder, *TWO) for _ in range(2)]
    for said in map(trials.finished, sweeps):
        trials.same(said, folder, expected)


if __name__ == "__main__":
    every = [undisturbed, killed, begun_by_none, all_killed, two_commands]
    sys.exit(trials.tried([trial for trial in every if trial.__name__ in sys.argv[1:] or not sys.argv[1:]]))
