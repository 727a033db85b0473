"""A cluster of Ray on one machine, and trials of sweeps on it.

`python -m tests.services.ray_cluster` starts the cluster, runs the trials and stops it. The environment needs the extra
`ray`.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.services import trials

PORT = 9379  # below those of its workers
RAY = ["hydra/launcher=ray_cluster", "workers=2"]
ADDRESS = f"hydra.launcher.ray.init.address='127.0.0.1:{PORT}'"


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


def own_cluster(folder: Path, expected) -> None:
    """Without an address, the command starts a cluster for itself."""
    trials.same(trials.finished(trials.start(folder, *RAY)), folder, expected)


def undisturbed(folder: Path, expected) -> None:
    trials.same(trials.finished(trials.start(folder, *RAY, ADDRESS)), folder, expected)


def killed(folder: Path, expected) -> None:
    """The process of a task is killed."""
    sweep = trials.start(folder, *RAY, ADDRESS)
    trials.until(lambda: trials.running(folder) > 1, "two tasks run")
    trials.kill(folder)
    trials.same(trials.finished(sweep), folder, expected)


def without_launcher(folder: Path, expected) -> None:
    """The launcher is killed, and its tasks with it; the same command goes on."""
    sweep = trials.start(folder, *RAY, ADDRESS)
    trials.until(lambda: trials.running(folder) > 1, "two tasks run")
    sweep.kill()
    sweep.communicate()
    trials.same(trials.finished(trials.start(folder, *RAY, ADDRESS)), folder, expected)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="ray") as files, running(Path(files)):
        every = [undisturbed, own_cluster, killed, without_launcher]
        sys.exit(trials.tried([trial for trial in every if trial.__name__ in sys.argv[1:] or not sys.argv[1:]]))
