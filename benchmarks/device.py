"""The device a cell runs on, and the versions that its scores depend on."""

import platform
import subprocess
import tomllib
from functools import cache
from importlib.metadata import version
from pathlib import Path

import torch

ROOT = Path(__file__).parents[1]
LIBRARIES = ("torch", "torchvision", "timm", "zennit", "numpy", "scipy", "scikit-image")


def chosen_device(name: str, threads: int | None, precision: str) -> torch.device:
    """Return the device, with arithmetic set to be the same in every run on it; tf32 rounds what a GPU multiplies."""
    if threads is not None:
        if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
            raise ValueError(f"threads needs a whole number >= 1 or null; {threads!r} was given")
        torch.set_num_threads(threads)
    torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = False, True
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    gpu = torch.cuda.is_available()
    try:
        device = torch.device(("cuda" if gpu else "cpu") if name == "auto" else name)
        torch.empty(0, dtype=torch.float64, device=device)  # metrics need it, and Apple's GPUs have none
    except (RuntimeError, AssertionError, TypeError) as error:
        raise ValueError(f"device={name} is not available; there is cpu{' and cuda' if gpu else ''}") from error
    return device


def device_name(device: torch.device) -> str:
    """Return what sort of device it is: the name of a GPU, else cpu."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


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
