"""How many images go through a network in one pass: as many as fit into memory and, of these, the fastest."""

import hashlib
import json
import logging
from contextlib import suppress
from math import inf
from pathlib import Path
from time import perf_counter, process_time

import torch
from filelock import FileLock
from torch import Tensor, nn

from benchmarks.cell import write
from benchmarks.device import device_name
from benchmarks.memory import memory
from entries import rounded_to

LARGEST = 64  # images in one pass
GIB = 2**30
log = logging.getLogger(__name__)


def batch_size(
    given: int | str, model: nn.Module, size: int, device: torch.device, workers: int = 1, kept: Path | None = None
) -> int:
    """Return the number of images in one pass: the one given, or for `auto` one that fits and, of these, the fastest.

    `workers` share the memory. The fastest is found once for all processes that share the folder `kept`; without a
    folder, it is the largest that fits. A given number that needs more than all memory is halved.
    """
    if given == "auto":
        most = fitting_batch(model, size, device, workers)
        return most if kept is None else remembered(kept, model, size, device, most)
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        raise ValueError(f"batch_size needs a whole number >= 1 or auto; {given!r} was given")
    with suppress(ValueError):  # on a system that does not say how much memory it has
        needed, there = footprint(model, torch.zeros(1, 3, size, size, device=device)), memory(device, workers)
        fits = halved(given, needed, there)
        if fits < given:
            need = f"batch_size={given} needs about {given * needed / GIB:.1f} GiB and there are {there / GIB:.1f}"
            log.warning("%s; it starts with %d", need, fits)
        return fits
    return given


def fitting_batch(model: nn.Module, size: int, device: torch.device, workers: int = 1) -> int:
    """Return the largest power of two up to 64 whose pass and gradient take at most a quarter of the memory.

    The estimate is twice the bytes of all layer outputs of one image, at `size` pixels a side. On a GPU it is then
    tried out, and halved while memory runs out.
    """
    image = torch.zeros(1, 3, size, size, device=device)
    batch = halved(LARGEST, footprint(model, image), memory(device, workers) / 4)
    while device.type == "cuda" and batch > 1:
        try:
            passed(model, image, batch)
            break
        except torch.OutOfMemoryError:
            batch //= 2
            torch.cuda.empty_cache()
    return batch


def halved(batch: int, needed: int, budget: float) -> int:
    """Return a batch, halved until its images, each of which needs so many bytes, keep to a budget; 1 at least."""
    while batch > 1 and batch * needed > budget:
        batch //= 2
    return batch


def remembered(folder: Path, model: nn.Module, size: int, device: torch.device, most: int) -> int:
    """Return the fastest batch of an architecture, of at most `most`, on this sort of device: tried once, then read.

    So all workers of a sweep take the same, and the next sweep does. Where no file can be written, it is `most`.
    """
    facts = repr((repr(model), rounded_to(model), size, most, device_name(device), torch.get_num_threads()))
    path = folder / f"{hashlib.sha256(facts.encode()).hexdigest()[:16]}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            if not path.exists():
                batch = fastest(model, size, device, most)
                log.info("batch_size=auto: %d images in one pass", batch)
                write(path, lambda temporary: temporary.write_text(json.dumps({"batch_size": batch})))
            return json.loads(path.read_text())["batch_size"]
    except OSError as error:
        log.warning("batch_size=auto is the largest that fits, since no trial can be kept: %s", error)
        return most


def fastest(model: nn.Module, size: int, device: torch.device, most: int) -> int:
    """Return how many images in one pass take the least time each, forward and backward: 4, 8, ... up to `most`.

    A larger batch has to be faster by a twentieth. A trial longer than 5 seconds is the last.
    """
    image, batch, begun, before = torch.zeros(1, 3, size, size, device=device), min(4, most), clock(device), inf
    while True:
        passed(model, image, batch)
        times = []
        while not times or (len(times) < 5 and sum(times) < 0.2):
            start = clock(device)
            passed(model, image, batch)
            times.append(clock(device) - start)
        if min(times) / batch > 0.95 * before:
            return batch // 2
        if 2 * batch > most or clock(device) - begun > 5:
            return batch
        before, batch = min(times) / batch, 2 * batch


def clock(device: torch.device) -> float:
    """Return seconds: those of the processor where one thread computes, otherwise those that go by, or of a GPU's work.

    Other work on the machine does not slow down the processor's seconds as much, but they add up all threads.
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        return perf_counter()
    return process_time() if torch.get_num_threads() == 1 else perf_counter()


def passed(model: nn.Module, image: Tensor, batch: int) -> None:
    """Pass so many images forward, and backward where the network has gradients."""
    with torch.enable_grad():
        x = image.expand(batch, -1, -1, -1).clone().requires_grad_()
        logits = model(x.clone())  # a first layer may work in place
        if isinstance(logits, Tensor) and logits.requires_grad:
            torch.autograd.grad(logits.sum(), x)


@torch.no_grad()
def footprint(model: nn.Module, image: Tensor) -> int:
    """Estimate how many bytes of memory one image needs for its forward and backward pass."""
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
