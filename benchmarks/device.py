"""The device a cell runs on, the versions that its scores depend on, and how many images fit in one pass."""

import ctypes
import os
import platform
import subprocess
import tomllib
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path

import torch
from torch import Tensor, nn

LARGEST = 64  # images in one pass
ROOT = Path(__file__).parents[1]
LIBRARIES = ("torch", "torchvision", "timm", "zennit", "numpy", "scipy", "scikit-image")


def chosen_device(name: str, threads: int | None) -> torch.device:
    """Return the device, with arithmetic set to be the same in every run on it."""
    if threads is not None:
        if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
            raise ValueError(f"threads needs a whole number >= 1 or null; {threads!r} was given")
        torch.set_num_threads(threads)
    torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = False, True
    torch.backends.cudnn.allow_tf32 = False
    gpu = torch.cuda.is_available()
    try:
        device = torch.device(("cuda" if gpu else "cpu") if name == "auto" else name)
        torch.empty(0, dtype=torch.float64, device=device)  # metrics need it, and Apple's GPUs have none
    except (RuntimeError, AssertionError, TypeError) as error:
        raise ValueError(f"device={name} is not available; there is cpu{' and cuda' if gpu else ''}") from error
    return device


@cache
def environment() -> dict[str, str]:
    """Return the columns `code` and `libraries`."""
    libraries = " ".join([f"python={platform.python_version()}", *(f"{name}={version(name)}" for name in LIBRARIES)])
    return {"code": code(), "libraries": libraries}


def code() -> str:
    """Return the project's version, with the commit where the checkout has one: `0.1.0+3f2c1ab`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    ask = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        answer = subprocess.run(ask, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return project
    return f"{project}+{answer.stdout.strip()}"


def fitting_batch(model: nn.Module, size: int, device: torch.device) -> int:
    """Return the largest power of two up to 64 whose pass and gradient take at most a quarter of the memory.

    It is found without timing, so that the same machine always gives the same number.
    The estimate is twice the bytes of all layer outputs of one image, at `size` pixels a side. On a GPU it is then
    tried out, and halved while memory runs out.
    """
    image = torch.zeros(1, 3, size, size, device=device)
    needed, budget, batch = footprint(model, image), memory(device) / 4, LARGEST
    while batch > 1 and batch * needed > budget:
        batch //= 2
    while device.type == "cuda" and batch > 1:
        try:
            with torch.enable_grad():
                x = image.expand(batch, -1, -1, -1).clone().requires_grad_()
                torch.autograd.grad(model(x).sum(), x)
            break
        except torch.OutOfMemoryError:
            batch //= 2
            torch.cuda.empty_cache()
    return batch


def batch_size(given: int | str, model: nn.Module, size: int, device: torch.device) -> int:
    """Return the number of images in one pass: the one given, or for `auto` one that fits."""
    if given == "auto":
        return fitting_batch(model, size, device)
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        raise ValueError(f"batch_size needs a whole number >= 1 or auto; {given!r} was given")
    return given


def memory(device: torch.device) -> int:
    """Return the bytes of memory that the device has in all."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    if not hasattr(os, "sysconf"):  # on Windows
        raise ValueError("batch_size=auto needs a system that says how much memory it has; give a number of images")
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(OSError, ValueError):  # a container may have less; "max" is no number
        return min(physical, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return physical


def trim() -> None:
    """Give freed memory back to the system, where its library can: without this, glibc keeps half a MB an image."""
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


@torch.no_grad()
def footprint(model: nn.Module, image: Tensor) -> int:
    """Return the estimated bytes of one image's forward and backward pass."""
    total = 0

    def add(_module: nn.Module, _inputs: tuple, output: object) -> None:
        nonlocal total
        total += output.nbytes if isinstance(output, Tensor) else 0

    handles = [m.register_forward_hook(add) for m in model.modules() if not list(m.children())]
    try:
        model(image)
    finally:
        for handle in handles:
            handle.remove()
    return 2 * total
