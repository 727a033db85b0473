"""What a computation costs: wall time, passes through the model, and memory."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import nan
from pathlib import Path
from time import perf_counter

import torch
from torch import Tensor, nn

try:
    import resource
except ModuleNotFoundError:  # on Windows
    resource = None

MIB = 2**20


@dataclass
class Cost:
    """Totals over all images; `peak_memory` in MiB, of the device where there is one, else of the whole process."""

    seconds: float = 0.0
    forwards: int = 0
    backwards: int = 0
    peak_memory: float = 0.0


@contextmanager
def counted(model: nn.Module) -> Iterator[Cost]:
    """Count passes: one is one image through `model`, or its gradient through the model's output."""
    cost = Cost()

    def count(module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if not isinstance(output, Tensor):
            raise ValueError(f"{type(module).__name__} needs to give logits (n, k); it gave a {type(output).__name__}")
        cost.forwards += len(output)
        if output.requires_grad:
            output.register_hook(count_backward)

    def count_backward(gradient: Tensor) -> None:
        cost.backwards += len(gradient)

    handle = model.register_forward_hook(count)
    try:
        yield cost
    finally:
        handle.remove()


@contextmanager
def measured(model: nn.Module, device: torch.device) -> Iterator[Cost]:
    """Count passes and fill in seconds and memory."""
    reset_peak(device)
    with counted(model) as cost:
        start = perf_counter()
        try:
            yield cost
        finally:
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            cost.seconds = perf_counter() - start
            cost.peak_memory = peak(device) / MIB


def reset_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        with suppress(OSError):  # Linux only; elsewhere the peak is the process's since it started
            Path("/proc/self/clear_refs").write_text("5")


def peak(device: torch.device) -> float:
    """Return the largest memory use in bytes since `reset_peak`; nan where the system does not say it."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    with suppress(OSError, IndexError):
        status = Path("/proc/self/status").read_text()
        return 1024 * int(status.partition("VmHWM:")[2].split()[0])
    if resource is None:
        return nan
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
