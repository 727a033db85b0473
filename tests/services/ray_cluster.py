"""A cluster of Ray on one machine, and trials of sweeps on it.

`python -m tests.services.ray_cluster` starts the cluster, runs the trials and stops it. The environment needs the extra
`ray`.
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.services import trials

PORT = 9379  # below those of its workers
ADDRESS = f"hydra.launcher.ray.init.address='127.0.0.1:{PORT}'"
TASK = "ray::_run_job"  # the name of a process while it works on a task


@contextmanager
def running(folder: Path) -> Iterator[None]:
    """Run a cluster of one node with its files in `folder`."""
    os.environ.update(RAY_AUTH_MODE="disabled", RAY_USAGE_STATS_ENABLED="0")
    command = [Path(sys.executable).with_name("ray"), "start", "--head", "--block", "--port", str(PORT)]
    command += ["--num-cpus", "2", "--include-dashboard", "false", "--object-store-memory", "100000000"]
    log = (folder / "log").open("w")
    place = {"cwd": folder, "stdout": log, "stderr": log, "start_new_session": True}
    cluster = subprocess.Popen([*command, "--temp-dir", folder / "ray"], **place)
    try:
        trials.until(lambda: "Ray runtime started" in (folder / "log").read_text(), "Ray answers")
        yield
    finally:
        cluster.terminate()  # it ends its processes; if they are told, too, it waits for them for ever
        cluster.wait(60)


def own_cluster(folder: Path, expected, words) -> None:
    """Without an address, the command starts a cluster for itself."""
    trials.same(trials.start(folder, *words[:-1]), folder, expected)


def hydras_ray(folder: Path, expected, words) -> None:
    """With Hydra's own settings: a cluster of the command, and one that runs and wants no size of its store."""
    own, other = folder / "own", folder / "other"
    own.mkdir()
    other.mkdir()
    trials.by_hydras_name(own, expected, "ray")
    trials.by_hydras_name(other, expected, "ray", words[-1], "+hydra.launcher.ray.init.object_store_memory=null")


def killed(folder: Path, expected, words) -> None:
    """The process of a task is killed."""
    sweep = trials.start(folder, *words)
    trials.until(lambda: trials.running(folder) > 1, "two tasks run")
    trials.kill(folder)
    trials.same(sweep, folder, expected)


def begun_by_none(folder: Path, expected, words) -> None:
    """Both tasks are killed before one of them begins a cell."""
    sweep = trials.start(folder, *words)

    def both_stopped() -> bool:
        for task in trials.processes(TASK):
            os.kill(task, signal.SIGSTOP)
        return len(trials.processes(TASK)) == 2

    trials.until(both_stopped, "two tasks start")
    for task in trials.processes(TASK):
        os.kill(task, signal.SIGKILL)
    assert trials.untouched(folder)
    trials.same(sweep, folder, expected)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="ray") as files, running(Path(files)):
        own = [own_cluster, hydras_ray, killed, begun_by_none]
        sys.exit(trials.tried(own, ["hydra/launcher=ray_cluster", "workers=2", ADDRESS]))
