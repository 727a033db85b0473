"""How much memory a process may use: what machine, container and job allow, shared with other workers."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

MEMBERSHIP, GROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")
MIB = 2**20


def memory(device: torch.device, workers: int = 1) -> int:
    """Return the bytes that one of so many workers has of the device's memory."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory // workers
    if not hasattr(os, "sysconf"):  # on Windows
        raise ValueError("batch_size=auto needs a system that says how much memory it has; give a number of images")
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([physical, *control_groups(), *slurm()]) // workers


def control_groups() -> Iterator[int]:
    """Yield the limits of the process's own control group and of those above it, of either version of Linux's."""
    with suppress(OSError):
        for line in MEMBERSHIP.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if not controllers:
                root, file = GROUPS, "memory.max"
            elif "memory" in controllers.split(","):
                root, file = GROUPS / "memory", "memory.limit_in_bytes"
            else:
                continue
            group = root / path.lstrip("/")  # a container may not see its own place, but sees the top
            for place in (group, *group.parents[: len(group.parts) - len(root.parts)]):
                with suppress(OSError, ValueError):  # "max" is no number
                    yield int((place / file).read_text())


def slurm() -> Iterator[int]:
    """Yield the memory that a job of Slurm was given on this machine; 0 stands for all."""
    given = {name: os.environ.get(f"SLURM_{name}", "") for name in ("MEM_PER_NODE", "MEM_PER_CPU", "CPUS_ON_NODE")}
    number = {name: int(value) for name, value in given.items() if value.isdigit() and int(value)}
    if "MEM_PER_NODE" in number:
        yield number["MEM_PER_NODE"] * MIB
    if "MEM_PER_CPU" in number:
        yield number["MEM_PER_CPU"] * number.get("CPUS_ON_NODE", 1) * MIB


def neighbours(cfg: DictConfig) -> int:
    """Return how many workers of this command share this machine's memory: 1 under Slurm, where each has its own."""
    launcher = HydraConfig.get().launcher if HydraConfig.initialized() else {}
    cores, workers = os.cpu_count() or 1, launcher.get("n_jobs") or OmegaConf.select(cfg, "workers") or 1
    if launcher.get("_target_", "").endswith("SlurmLauncher") or type(workers) is not int:
        return 1
    return cores if workers < 0 else min(workers, cores)


def trim() -> None:
    """Give freed memory back to the system, where its library can: without this, glibc keeps half a MB an image."""
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
