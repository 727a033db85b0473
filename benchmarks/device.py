"""How many images fit in one pass, found without timing, so that the same machine always gives the same number."""

import os
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor, nn

LARGEST = 64


def fitting_batch(model: nn.Module, size: int, device: torch.device) -> int:
    """Return the largest power of two up to 64 whose pass and gradient take at most a quarter of the memory.

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
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(OSError, ValueError):  # a container may have less; "max" is no number
        return min(physical, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return physical


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
