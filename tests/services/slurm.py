"""A Slurm of one machine, started by hand without systemd, and trials of sweeps on it.

`python -m tests.services.slurm` starts munged, slurmctld and slurmd, runs the trials and stops them. It needs root and
Debian's packages slurmctld, slurmd, slurm-client and munge; the environment needs the extra `slurm`.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from tests.services import trials

CONFIG = """\
ClusterName=trial
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmctldPort=16817
SlurmdPort=16818
AuthType=auth/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=batch_sched_delay=1,sched_interval=5
ReturnToService=2
MpiDefault=none
MaxArraySize=5
KillWait=5
SlurmdParameters=config_overrides
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=16000 State=UNKNOWN
PartitionName=trial Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
SLURM = ["hydra/launcher=slurm", "hydra.launcher.mem_gb=4"]
HUNGRY = """\
import time
import torch
from entries import explains

@explains("control", cites="", passes=(0, 0))
class Hungry:
    \"\"\"Zeros, for which two gigabytes are in use for some seconds.\"\"\"

    def __call__(self, model, x, target):
        memory = torch.zeros(2**29).add_(x.sum())
        time.sleep(5)
        return 0 * memory[: len(x), None, None].expand(-1, *x.shape[2:])
"""


@contextmanager
def running(folder: Path) -> Iterator[None]:
    """Run a cluster of one node; its files are in `folder`."""
    for name in ("state", "spool"):
        (folder / name).mkdir()
    os.environ["SLURM_CONF"] = str(folder / "slurm.conf")
    Path(os.environ["SLURM_CONF"]).write_text(CONFIG.format(host=socket.gethostname(), folder=folder))
    Path("/run/munge").mkdir(exist_ok=True)
    shutil.chown("/run/munge", "munge", "munge")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    daemons = [subprocess.Popen(["runuser", "-u", "munge", "--", "/usr/sbin/munged", "--foreground"], **quiet)]
    try:
        trials.until(lambda: Path("/run/munge/munge.socket.2").exists(), "munged answers")
        daemons += [subprocess.Popen([name, "-D"], **quiet) for name in ("slurmctld", "slurmd")]
        trials.until(lambda: "idle" in said("sinfo", "-h", "-o", "%t"), "the node is idle")
        yield
    finally:
        subprocess.run(["scancel", "--user=root", "--signal=KILL"])
        for daemon in reversed(daemons):
            daemon.terminate()
            daemon.wait(20)


def said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True).stdout


def jobs(state: str = "RUNNING") -> list[str]:
    """Return the jobs in a state."""
    return said("squeue", "-h", "-r", "-t", state, "-o", "%A").split()


def cancelled(folder: Path, expected, words) -> None:
    """A job is cancelled while it computes."""
    sweep = trials.start(folder, *words)
    trials.until(lambda: trials.running(folder) > 1 and len(jobs()) == 3, "three jobs run")
    subprocess.run(["scancel", jobs()[0]])
    trials.same(sweep, folder, expected)


def killed(folder: Path, expected, words) -> None:
    """The process of a job is killed, as it is when its memory is used up."""
    sweep = trials.start(folder, *words)
    trials.until(lambda: trials.running(folder) > 1 and len(jobs()) == 3, "three jobs run")
    trials.kill(folder)
    trials.same(sweep, folder, expected)


def begun_by_none(folder: Path, expected, words) -> None:
    """All jobs are cancelled before one of them begins a cell."""
    sweep = trials.start(folder, *words)
    trials.until(lambda: len(jobs("PENDING,RUNNING")) == 3, "three jobs are submitted")
    subprocess.run(["scancel", *jobs("PENDING,RUNNING")])
    assert trials.untouched(folder)
    trials.same(sweep, folder, expected)


def never_begun(folder: Path, expected, words) -> None:
    """Jobs that never begin a cell end the command with a sentence."""
    sweep = trials.start(folder, *SLURM, "workers=2", "hydra.launcher.setup=[exit 1]")
    out = sweep.communicate(timeout=300)[0]
    assert sweep.returncode == 1 and "ended before one of them began a cell" in out, out
    trials.same(trials.start(folder, *words), folder, expected)


def out_of_memory(folder: Path, expected, words) -> None:
    """Slurm kills jobs that use more memory than they asked for; other cells go on, and with more memory all do."""
    (folder / "method").mkdir()
    (folder / "hungry.py").write_text(HUNGRY)
    (folder / "method" / "hungry.yaml").write_text("_target_: hungry.Hungry\n")
    os.environ["PYTHONPATH"] = str(folder)
    hungry = ["--config-dir", str(folder), "hydra/launcher=slurm", "workers=2", "method=hungry,rise", "seed=0,1"]
    sweep = trials.start(folder, *hungry, "hydra.launcher.mem_gb=2")
    out = sweep.communicate(timeout=600)[0]
    assert sweep.returncode == 1 and "2 of 4 cells failed" in out and "more memory" in out, out
    assert "2 of 4 cells are done, 0 are running, 2 failed" in trials.status(folder)
    trials.finished(trials.start(folder, *hungry, "hydra.launcher.mem_gb=6"))
    rise = (trials.some(rows, ["rise"], [0, 1]) for rows in (trials.scores(folder), expected))
    pd.testing.assert_frame_equal(*rise, check_exact=True)


def out_of_time(folder: Path, expected, words) -> None:
    """A job's minute is over before its cells are done; it is queued again."""
    sweep = trials.start(
        folder, *SLURM, "workers=1", "hydra.launcher.timeout_min=1", "hydra.launcher.signal_delay_s=10"
    )
    trials.same(sweep, folder, expected)
    logs = "".join(path.read_text() for path in (folder / "outputs").rglob("*_log.*"))
    assert "timed-out" in logs, "no job has come to its end"


def too_many(folder: Path, expected, words) -> None:
    """More workers than the cluster's arrays have places are refused by Slurm in words."""
    sweep = trials.start(folder, *SLURM, "workers=6")
    out = sweep.communicate(timeout=300)[0]
    assert sweep.returncode == 1 and "array" in out, out


def hydras_submitit_slurm(folder: Path, expected, _words) -> None:
    trials.by_hydras_name(folder, expected, "submitit_slurm")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="slurm") as files, running(Path(files)):
        own = [hydras_submitit_slurm, too_many, cancelled, killed, begun_by_none, never_begun]
        sys.exit(trials.tried([*own, out_of_memory, out_of_time], [*SLURM, "workers=3"]))
