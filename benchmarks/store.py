"""Results that every method of a sweep shares: what depends on network, images and classes, but on no map."""

import hashlib
import logging
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TypeVar

import torch
from filelock import FileLock
from torch import Tensor, nn

from benchmarks.cell import write
from benchmarks.cost import counted
from benchmarks.device import ROOT, device_name, environment

T = TypeVar("T")
log = logging.getLogger(__name__)


@dataclass
class Store:
    """Keeps tensors on disk under a digest of all that they depend on; without a folder, in memory.

    `of` names the network's weights; its modules are part of the digest, too. A result is computed by the first cell
    that asks for it, while others wait.
    """

    folder: Path | None
    model: nn.Module
    of: str
    device: torch.device
    reused: int = 0  # forward and backward passes that were not made again
    memory: dict[str, object] = field(default_factory=dict, repr=False)

    def __call__(self, inputs: tuple[Tensor, ...], key: Hashable, compute: Callable[[], T]) -> T:
        """Return `compute()` for these inputs and this key: tensors, and lists, tuples and dictionaries of such."""
        name = self.digest(inputs, key)
        if self.folder is None:
            if name not in self.memory:
                self.memory[name] = self.priced(compute)
            else:
                self.reused += self.memory[name]["passes"]
            return self.memory[name]["value"]
        try:
            return self.kept(self.folder / name[:2] / f"{name}.pt", compute)
        except OSError as error:  # a full or odd file system costs passes, not scores
            log.warning("nothing is shared: %s", error)
            return compute()

    def kept(self, path: Path, compute: Callable[[], T]) -> T:
        """Return what the file has, or compute and keep it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            if path.exists():
                kept = torch.load(path, map_location=self.device, weights_only=True)
                self.reused += kept["passes"]
            else:
                kept = self.priced(compute)
                try:
                    write(path, lambda temporary: torch.save(kept, temporary))
                except (OSError, RuntimeError) as error:  # torch raises the latter where the folder is gone
                    log.warning("nothing is shared: %s", error)
        return kept["value"]

    def priced(self, compute: Callable[[], T]) -> dict[str, object]:
        with counted(self.model) as cost:
            value = compute()
        return {"value": value, "passes": cost.forwards + cost.backwards}

    def digest(self, inputs: tuple[Tensor, ...], key: Hashable) -> str:
        """Digest of the network, the inputs, the key, and the code, libraries and device that compute it."""
        libraries = environment()["libraries"]
        facts = (self.of, repr(self.model), key, device_name(self.device), sources(), libraries)
        total = hashlib.sha256(repr(facts).encode())
        for tensor in inputs:
            total.update(repr((tensor.dtype, tuple(tensor.shape))).encode())
            total.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return total.hexdigest()[:32]


@cache
def sources() -> str:
    """Digest of the code that computes what is kept: an edit that is not committed must not find the old result."""
    rooms = sorted(path for room in ("benchmarks", "methods", "models") for path in (ROOT / room).rglob("*.py"))
    files = [*sorted(ROOT.glob("*.py")), *rooms]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
