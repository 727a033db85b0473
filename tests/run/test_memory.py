"""What memory a process has, read from files as Linux writes them, and from what Slurm says."""

from types import SimpleNamespace

import pytest
import torch
from omegaconf import OmegaConf

from benchmarks import memory as own
from benchmarks.memory import MIB, memory, neighbours

CPU = torch.device("cpu")


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with 64 GiB and no limits; it returns a function that writes files below the control groups."""
    for name in ("MEM_PER_NODE", "MEM_PER_CPU", "CPUS_ON_NODE"):
        monkeypatch.delenv(f"SLURM_{name}", raising=False)
    monkeypatch.setattr("os.sysconf", lambda name: {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 16 * MIB}[name])
    monkeypatch.setattr(own, "GROUPS", tmp_path / "groups")
    monkeypatch.setattr(own, "MEMBERSHIP", tmp_path / "cgroup")

    def write(membership: str, **limits: object) -> None:
        (tmp_path / "cgroup").write_text(membership)
        for place, limit in limits.items():
            path = tmp_path / "groups" / place.replace("__", "/").replace("_DOT_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{limit}\n")

    return write


V1 = "5:devices:/\n4:cpu,memory:/slurm/job\n0::/\n"
V2 = "0::/user/job\n"
CASES = {
    "none": ("", {}, {}, 65536),
    "version 2": (V2, {"user__job__memory_DOT_max": 3000 * MIB}, {}, 3000),
    "version 2, above": (V2, {"user__job__memory_DOT_max": "max", "user__memory_DOT_max": 2000 * MIB}, {}, 2000),
    "version 2, in a container": (V2, {"memory_DOT_max": 1000 * MIB}, {}, 1000),
    "version 1": (V1, {"memory__slurm__job__memory_DOT_limit_in_bytes": 500 * MIB}, {}, 500),
    "version 1, no limit": (V1, {"memory__slurm__job__memory_DOT_limit_in_bytes": 2**63 - 4096}, {}, 65536),
    "other controllers": ("4:cpu:/job\n", {"memory__job__memory_DOT_limit_in_bytes": 500 * MIB}, {}, 65536),
    "a node": ("", {}, {"MEM_PER_NODE": "8000"}, 8000),
    "all of a node": ("", {}, {"MEM_PER_NODE": "0"}, 65536),
    "a core": ("", {}, {"MEM_PER_CPU": "700", "CPUS_ON_NODE": "4"}, 2800),
}


@pytest.mark.parametrize(("membership", "limits", "slurm", "mib"), CASES.values(), ids=CASES)
def test_the_least_limit_is_shared_by_the_workers(machine, monkeypatch, membership, limits, slurm, mib):
    machine(membership, **limits)
    for name, value in slurm.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    assert memory(CPU) == mib * MIB
    assert memory(CPU, 4) == mib * MIB // 4


LAUNCHERS = {
    "none": (None, {"workers": 3}, 3),
    "Hydra's own": ({"_target_": "x.BasicLauncher"}, {}, 1),
    "processes": ({"_target_": "x.JoblibLauncher", "n_jobs": 3}, {"workers": 3}, 3),
    "joblib itself": ({"_target_": "x.JoblibLauncher", "n_jobs": -1}, {}, 8),
    "jobs on this machine": ({"_target_": "x.LocalLauncher"}, {"workers": 2}, 2),
    "jobs of a cluster": ({"_target_": "x.SlurmLauncher"}, {"workers": 4}, 1),
    "tasks on several machines": ({"_target_": "x.RayLauncher"}, {"workers": 100}, 8),
}


@pytest.mark.parametrize(("launcher", "given", "workers"), LAUNCHERS.values(), ids=LAUNCHERS)
def test_who_shares_the_machine(monkeypatch, launcher, given, workers):
    running = SimpleNamespace(initialized=lambda: launcher is not None, get=lambda: SimpleNamespace(launcher=launcher))
    monkeypatch.setattr(own, "HydraConfig", running)
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    assert neighbours(OmegaConf.create(given)) == workers
