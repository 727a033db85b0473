"""One cell of a sweep on disk: its folder, its key, and a write that is either whole or absent."""

import hashlib
import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet
from filelock import FileLock
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

import benchmarks.resolvers  # noqa: F401 (its resolver)

SCORES, LOCK = "scores.parquet", ".lock"
# Settings that cannot change a score, with the value that stands for all of theirs in the key.
NEUTRAL = {
    "batch_size": 1,
    "cache": "",
    "debug": False,
    "device": "",
    "name": "",
    "threads": None,
    "tracking_uri": None,
}
NAMED = {*NEUTRAL, "benchmark", "dataset", "experiment", "method", "model", "seed"}


def variant(overrides: Sequence[str]) -> str:
    """Name the overrides that the rest of a cell's folder does not name, such as `method.steps=8`."""
    rest = [o.lstrip("+~") for o in overrides if o.lstrip("+~").partition("=")[0] not in NAMED]
    name = re.sub(r"[^\w.,=+-]", "_", ",".join(sorted(rest)))
    return name if len(name) <= 120 else f"{name[:100]}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"


OmegaConf.register_new_resolver("variant", variant, replace=True)


@dataclass(frozen=True)
class Cell:
    """What is computed, as resolved values, and where it goes."""

    folder: Path
    names: dict[str, str | int]  # benchmark, dataset, model, method, variant, seed
    config: dict  # resolved, as it runs
    values: dict  # of it, what can change a score

    @classmethod
    def of(cls, cfg: DictConfig) -> "Cell":
        """Read the running Hydra job."""
        hydra = HydraConfig.get()
        chosen = {group: hydra.runtime.choices[group] for group in ("benchmark", "dataset", "model", "method")}
        names = {**chosen, "variant": variant(hydra.overrides.task), "seed": cfg.seed}
        config, values = (
            OmegaConf.to_container(c, resolve=True, throw_on_missing=True) for c in (cfg, OmegaConf.merge(cfg, NEUTRAL))
        )
        return cls(Path(hydra.runtime.output_dir), names, config, values)

    @property
    def key(self) -> str:
        """Digest of everything that can change a score."""
        text = json.dumps([self.names, self.values], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def done(self) -> bool:
        """Is this very cell stored, with every metric? Another one in its folder is an error that names both keys."""
        path = self.folder / SCORES
        if not path.exists():
            return False
        stored = pyarrow.parquet.read_schema(path).metadata
        if (key := stored[b"key"].decode()) != self.key:
            before, now = (flattened(v) for v in (json.loads(stored[b"values"]), self.values))
            changed = sorted(k for k in before.keys() | now.keys() if before.get(k) != now.get(k))
            raise ValueError(
                f"{self.folder} holds cell {key} and this one is {self.key}: other "
                f"{', '.join(changed[:5]) or 'names'}; give another name=..., or remove the folder"
            )
        return stored[b"failed"] == b"False"

    def inapplicable(self) -> str:
        """Return why the stored cell has no scores, or nothing if it has."""
        rows = pyarrow.parquet.read_table(self.folder / SCORES, columns=["status", "reason"], partitioning=None)
        first = rows.slice(0, 1).to_pylist()[0]
        return first["reason"] if first["status"] == "inapplicable" else ""

    def lock(self) -> FileLock:
        """Hold the folder against a second sweep; a killed process lets go of it."""
        return FileLock(self.folder / LOCK)


def flattened(values: object, prefix: str = "") -> dict[str, object]:
    """Return nested values under dotted names."""
    items = values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ()
    if not items:
        return {prefix: values}
    below = (flattened(value, f"{prefix}.{name}" if prefix else str(name)) for name, value in items)
    return {key: value for part in below for key, value in part.items()}


def write(path: Path, save: Callable[[Path], object]) -> None:
    """Let `save` write a temporary file and rename it to `path`: readers see all of it or nothing."""
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        save(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
