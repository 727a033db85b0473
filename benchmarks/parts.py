"""Scores, curves and pictures on disk: those of a cell, and of its batches while it is computed.

A process that is killed loses only the batch that it was computing. The next process that computes the cell goes on
after the batches that are stored, if the code is still the same.
"""

import hashlib
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.cell import CURVES, GALLERY, SCORES, write
from benchmarks.store import sources


@dataclass(frozen=True)
class Parts:
    """The batches of one cell that one version of the code has computed, each in a folder of its own."""

    folder: Path
    version: str

    @classmethod
    def of(cls, cell: Path, entries: Iterable[object]) -> "Parts":
        """Return those of the cell in this folder; code is the project's and the files of the entries."""
        modules = {sys.modules.get(type(entry).__module__) for entry in entries}
        outside = {Path(file) for module in modules if (file := getattr(module, "__file__", None))}
        version = hashlib.sha256(b"".join([sources().encode(), *(file.read_bytes() for file in sorted(outside))]))
        return cls(cell / ".parts", version.hexdigest()[:12])

    def keep(self, scores: pd.DataFrame, curves: pd.DataFrame, gallery: dict[str, np.ndarray]) -> None:
        """Write one batch."""
        place = self.folder / self.version
        save(place / f"{len(list(place.glob('*'))):05d}", scores, curves, gallery)

    def read(self) -> list[tuple[pd.DataFrame, pd.DataFrame, dict[str, np.ndarray]]]:
        """Return the batches that were written whole, in their order."""
        return [load(file.parent) for file in sorted((self.folder / self.version).glob(f"*/{SCORES}"))]

    def clear(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def save(folder: Path, scores: pd.DataFrame, curves: pd.DataFrame, gallery: dict[str, np.ndarray]) -> None:
    """Write the files of a cell or a batch, the scores last."""

    def save_gallery(path: Path) -> None:
        with path.open("wb") as file:
            np.savez_compressed(file, **gallery)

    folder.mkdir(parents=True, exist_ok=True)
    write(folder / GALLERY, save_gallery)
    write(folder / CURVES, lambda path: curves.to_parquet(path, index=False))
    write(folder / SCORES, lambda path: scores.to_parquet(path, index=False))


def load(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, np.ndarray]]:
    """Read what `save` wrote."""
    scores, curves = (pd.read_parquet(folder / file, partitioning=None) for file in (SCORES, CURVES))
    with np.load(folder / GALLERY) as gallery:
        return scores, curves, dict(gallery)
