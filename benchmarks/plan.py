"""What one command has to do: its cells, and which of them are left, begun, done or failed.

All processes that work on a command share its plan below the sweep's folder: the list of cells, a file with one letter
per cell, and a log. Who computes a cell holds a lock on its letter. The system lets go of the lock when the process
ends, however it ends, so that a letter that says "begun" without a lock is of a process that was killed.
"""

import hashlib
import json
import os
import re
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from filelock import FileLock

try:
    import fcntl
except ImportError:  # on Windows several processes may begin the same cell; its own lock makes all but one wait
    fcntl = None

PLANS = ".plans"  # below the folder of a sweep
LEFT, BEGUN, AGAIN, DONE, FAILED = ".12df"  # a cell whose process was killed is tried once more
KILLED = "its process was killed twice; it may need more memory or more time"
# Settings that say how a cell is computed and recorded, and not what it is.
IDLE = {"batch_size", "cache", "debug", "device", "threads", "tracking_uri", "workers"}


@dataclass(frozen=True, eq=False)
class Plan:
    """The cells of one command. A process has each plan open once: closing a file lets go of all its locks."""

    path: Path
    command: str
    names: list[str]  # a digest for each cell of what is typed for it
    overrides: list[list[str]]
    file: int  # of letters

    @classmethod
    def read(cls, path: Path) -> "Plan":
        """Open what `made` has written."""
        kept = json.loads(path.read_text())
        names, overrides = ([cell[k] for cell in kept["cells"]] for k in (0, 1))
        return cls(path, kept["command"], names, overrides, os.open(path.with_suffix(".states"), os.O_RDWR))

    @classmethod
    def made(cls, folder: Path, name: str, command: str, cells: Mapping[str, Sequence[str]], done: Iterable) -> "Plan":
        """Make the plan of a command, or open the one that it made before.

        Cells that are neither done nor being computed by another process will be computed."""
        path, done = folder.absolute() / PLANS / f"{name}.json", {*done}
        path.parent.mkdir(exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            if not path.exists():
                path.with_suffix(".states").write_text(LEFT * len(cells))
                temporary = path.with_suffix(f".{os.getpid()}")
                temporary.write_text(json.dumps({"command": command, "cells": [*cells.items()]}))
                temporary.replace(path)
            plan = cls.read(path)
            for cell, (name, before) in enumerate(zip(plan.names, plan.states(), strict=True)):
                now = DONE if name in done else LEFT
                if now != before and plan.held(cell):
                    plan.mark(cell, now)
                    plan.free(cell)
        return plan

    def states(self) -> str:
        """Return the letters of all cells."""
        return os.pread(self.file, len(self.names), 0).decode()

    def cells(self, letters: str) -> list[int]:
        """Return the cells in one of these states, each of which has a letter."""
        return [cell for cell, state in enumerate(self.states()) if state in letters]

    def left(self, letters: str) -> list[int]:
        """Return the cells in one of these states that no process is computing."""
        return [cell for cell in self.cells(letters) if not self.running(cell)]

    def computed(self) -> list[int]:
        """Return the cells that other processes compute."""
        return [cell for cell in self.cells(BEGUN + AGAIN) if self.running(cell)]

    def reasons(self) -> dict[int, str]:
        """Return why cells failed."""
        ended = self.log()
        failed = {cell: ended[cell]["reason"] for cell in self.cells(FAILED)}
        return dict(sorted((failed | dict.fromkeys(self.left(AGAIN), KILLED)).items()))

    def claim(self, letter: str) -> int | None:
        """Begin the first cell with this letter that no other process computes; None where there is none."""
        for cell in self.cells(letter):
            if self.held(cell):
                if os.pread(self.file, 1, cell).decode() == letter:
                    self.mark(cell, AGAIN if letter == BEGUN else BEGUN)
                    return cell
                self.free(cell)
        return None

    def end(self, cell: int, letter: str, seconds: float, reason: str = "") -> None:
        """Say how a cell ended and let go of it."""
        said = {"cell": cell, "state": letter, "seconds": round(seconds, 2), "at": round(time.time())}
        said |= {"host": socket.gethostname()} | ({"reason": reason} if reason else {})
        with FileLock(self.path.with_suffix(".lock")), self.path.with_suffix(".log").open("a") as log:
            log.write(json.dumps(said) + "\n")
        self.mark(cell, letter)
        self.free(cell)

    def log(self) -> dict[int, dict]:
        """Return how cells ended, the last time that they did."""
        with suppress(FileNotFoundError):
            return {said["cell"]: said for said in map(json.loads, self.path.with_suffix(".log").open())}
        return {}

    def mark(self, cell: int, letter: str) -> None:
        os.pwrite(self.file, letter.encode(), cell)

    def held(self, cell: int) -> bool:
        """Hold a cell against other processes, unless one of them does."""
        with suppress(OSError):
            return not fcntl or fcntl.lockf(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, cell) is None
        return False

    def free(self, cell: int) -> None:
        if fcntl:
            fcntl.lockf(self.file, fcntl.LOCK_UN, 1, cell)

    def running(self, cell: int) -> bool:
        """Return whether another process computes a cell."""
        if not self.held(cell):
            return True
        self.free(cell)
        return False


def typed(overrides: Iterable[str], folders: Iterable[str]) -> str:
    """Return a digest of what is typed for a cell and of all files that its config may be made of.

    Two cells of one digest are the same, and it is known without composing their configs, which takes 0.2 s.
    """
    words = sorted(word for word in overrides if word.lstrip("+").partition("=")[0] not in IDLE)
    return digest([words, configs(tuple(folders)), environment(" ".join(words))])


@cache
def configs(folders: tuple[str, ...]) -> str:
    """Return a digest of all YAML files in these folders."""
    paths = [(folder, path) for folder in map(Path, folders) for path in sorted(folder.rglob("*.y*ml"))]
    texts = [(str(path.relative_to(folder)), path.read_text()) for folder, path in paths]
    return digest([texts, [environment(text) for _, text in texts]])


def environment(text: str) -> list[str | None]:
    """Return the values of the variables of the environment that a config reads."""
    return [os.environ.get(name) for name in re.findall(r"oc\.env:\s*(\w+)", text)]


def digest(values: object) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:16]


def plans(folder: Path) -> list[Path]:
    """Return the plans of the commands that were started for a sweep, the last one first."""
    paths = (folder / PLANS).glob("*.json")
    return sorted(paths, key=lambda path: path.with_suffix(".states").stat().st_mtime_ns, reverse=True)
