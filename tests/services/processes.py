"""Trials of sweeps by processes of this machine: `python -m tests.services.processes`."""

import os
import signal
import sys
from pathlib import Path

from tests.services import trials


def killed(folder: Path, expected, words) -> None:
    """One worker after the other is killed."""
    sweep = trials.start(folder, *words)
    for number in (2, 4):
        trials.until(
            lambda number=number: trials.running(folder) == 2 and trials.ended(folder) >= number, "two compute"
        )
        trials.kill(folder)
    trials.same(sweep, folder, expected)


def begun_by_none(folder: Path, expected, words) -> None:
    """A worker is killed before one of them begins a cell, and joblib ends the other."""
    sweep = trials.start(folder, *words)

    def workers() -> list[int]:
        return [process for process in trials.processes("popen_loky") if os.getpgid(process) == sweep.pid]

    trials.until(workers, "two workers start")
    os.kill(workers()[0], signal.SIGKILL)
    assert trials.untouched(folder)
    trials.same(sweep, folder, expected)


def hydras_names(folder: Path, expected, _words) -> None:
    for name in ("joblib", "submitit_local"):
        (folder / name).mkdir()
        trials.by_hydras_name(folder / name, expected, name)


if __name__ == "__main__":
    sys.exit(trials.tried([killed, begun_by_none, hydras_names], ["hydra/launcher=processes", "workers=2"]))
