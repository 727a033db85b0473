"""One cell of a sweep: what it is as data, where it lies, and files that are written whole or not at all."""

import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from filelock import FileLock
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

import benchmarks.resolvers  # noqa: F401 (its resolver)
from benchmarks.choices import PRECISIONS, of_group, precision_of, refuse_name, refused

SCORES, CURVES, GALLERY, CONFIG = "scores.parquet", "curves.parquet", "gallery.npz", "config.yaml"
LOCK, SWEEP, DONE = ".lock", "sweep.json", "cell.json"
SHARED = ".shared"  # in the folder of a sweep: what its cells have in common
LATER = [("model", "epoch", None), ("model", "merged", False)]  # came later, with the value of cells before
# Settings that cannot change a score, by the node in which they stand.
NEUTRAL = {
    "benchmark": {"entry", "gallery"},
    "data": {"strict"},
    "model": {"cache", "device", "checkpoints"},
    "entry": {"batch", "canonical"},  # and of metrics
}


@dataclass(frozen=True)
class Cell:
    """What is computed, as resolved values, and where it goes.

    `settings` are those of the benchmark, the data set, the model and the entry, in flat dictionaries. Metrics and the
    number of images are no part of a cell: both can be added later.
    """

    sweep: Path
    names: dict[str, str | int]  # kind, condition, dataset, model, entry, seed
    settings: dict[str, dict[str, object]]
    metrics: dict[str, dict[str, object]]  # settings by name
    images: int | None  # how many are wanted; None: all
    config: dict  # resolved, as it runs
    group: str | None  # the config group of its entry; None where the kind has none
    varied: Mapping[str, object] = field(default_factory=dict)  # settings of it that its sweep varies: method.masks

    @classmethod
    def of(cls, cfg: DictConfig, choices: Mapping[str, str | None], sweep: Path, asked: Collection[str] = ()) -> "Cell":
        """Read a composed config, the entries that were chosen for it by group, and the folder of its sweep.

        `asked` are the groups of which the command names an entry.
        """
        config, group = of_group(OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True), choices, asked)
        refused(config, group, choices)
        names = {
            "kind": choices["benchmark"],
            "condition": choices.get("condition") or "",
            "dataset": choices["dataset"],
            "model": choices["model"],
            "entry": choices[group] if group else "",
            "seed": config["seed"],
        }
        entry = config[group] if group else {}
        nodes = {"benchmark": config["benchmark"], "data": config["dataset"], "model": config["model"]}
        settings = {name: flat(node, name) for name, node in nodes.items()} | {"entry": own(entry, config["seed"])}
        images = settings["data"].pop("images", None)
        if (precision := precision_of(config)) != PRECISIONS[0]:
            settings["model"]["precision"] = precision
        metrics = {name: own(node, config["seed"]) for name, node in config["metric"].items() if node}
        return cls(sweep, names, settings, metrics, images, config, group, varied(cfg, group, sweep))

    @cached_property
    def key(self) -> str:
        """Digest of everything that can change a score."""
        return hashlib.sha256(text([self.names, self.settings]).encode()).hexdigest()[:16]

    @property
    def precision(self) -> str:
        """At which the network computes."""
        return precision_of(self.config)

    @property
    def folder(self) -> Path:
        """Where the cell lies, for the eye: nothing reads what it is from this path."""
        names = [str(self.names[part]) for part in ("kind", "condition", "dataset", "model", "entry")]
        return self.sweep.joinpath(*filter(None, names), f"seed_{self.names['seed']}-{self.key[:8]}")

    @property
    def title(self) -> str:
        """Name the cell in one line of a log, with the settings of it that its sweep varies."""
        names = [str(self.names[part]) for part in ("dataset", "model", "entry", "condition")]
        title = " / ".join([*filter(None, names), f"seed {self.names['seed']}"])
        settings = ", ".join(f"{key.rpartition('.')[2]}={value}" for key, value in self.varied.items())
        return title + (f" ({settings})" if settings else "")

    def lock(self) -> FileLock:
        """Hold the folder against a second sweep; a killed process lets go of it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return FileLock(self.folder / LOCK)

    def columns(self) -> dict[str, object]:
        """Return the columns that say which cell a row belongs to."""
        columns = {"benchmark": "benchmark", "data": "data_settings", "model": "model_settings", "entry": "settings"}
        settings = {column: text(shown(self.settings[part])) for part, column in columns.items()}
        return {**self.names, **settings, "key": self.key}

    def metric_settings(self) -> dict[str, str]:
        """Return every metric's settings as the column has them."""
        return {name: text(shown(settings)) for name, settings in self.metrics.items()}


def single() -> bool:
    """Return whether the command computes one cell, so that what it lacks is the error that ends the command."""
    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.RUN


def varied(cfg: DictConfig, group: str | None, sweep: Path) -> dict[str, object]:
    """Return the settings that a sweep varies and that are a cell's own, or that its parts read."""
    parts = ("dataset", "model", "benchmark", *([group] if group else []))
    reads = str([OmegaConf.to_container(cfg[part], resolve=False) for part in parts])
    return {
        key: OmegaConf.select(cfg, key)
        for key in read_sweep(sweep)["varied"]
        if key.partition(".")[0] in (*parts, "metric", "precision") or f"${{{key}}}" in reads
    }


def flat(node: dict, part: str) -> dict[str, object]:
    """Return the settings of a node, which is such a part of a cell, without those that can change no score."""
    return {
        key: int(value) if isinstance(value, float) and value.is_integer() else value
        for key, value in flattened(node).items()
        if not {"_convert_", *NEUTRAL[part]}.intersection(key.split(".")) and (part, key, value) not in LATER
    }


def own(node: dict, seed: int) -> dict[str, object]:
    """Return the settings of an entry or a metric without the sweep's seed, for which rows have a column."""
    return {
        key: value for key, value in flat(node, "entry").items() if (key.rpartition(".")[2], value) != ("seed", seed)
    }


def flattened(values: object, prefix: str = "") -> dict[str, object]:
    """Return nested mappings under dotted names; lists are values."""
    if not isinstance(values, dict):
        return {prefix: values}
    parts = (flattened(value, f"{prefix}.{name}" if prefix else str(name)) for name, value in values.items())
    return {key: value for part in parts for key, value in part.items()}


def shown(settings: dict[str, object]) -> dict[str, object]:
    """Return settings as tables show them: without the entry's own class, and with the name of a class inside it."""
    inner = {key: str(value).rpartition(".")[2] for key, value in settings.items() if key.endswith("._target_")}
    named = {key.removesuffix("._target_"): value for key, value in inner.items()}
    return {key: value for key, value in settings.items() if not key.endswith("_target_")} | named


def text(values: object) -> str:
    """Return values as JSON in one form."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"), default=str)


def write(path: Path, save: Callable[[Path], object]) -> None:
    """Let `save` write a temporary file and rename it to `path`: readers see all of it or nothing."""
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        save(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def whole(folder: Path) -> bool:
    """Return whether all files of a finished cell are there."""
    return all((folder / file).exists() for file in (DONE, SCORES, CURVES, GALLERY, CONFIG))


def read_cell(folder: Path) -> dict:
    """Return what a finished cell has left of itself in cell.json; nothing where one of its files is missing."""
    return json.loads((folder / DONE).read_text(encoding="utf-8")) if whole(folder) else {}


def sweep_of(cell: Path) -> Path | None:
    """Return the folder of a cell's sweep: the nearest one above it with the file that a sweep leaves."""
    return next((above for above in cell.resolve().parents if (above / SWEEP).exists()), None)


def read_sweep(folder: Path) -> dict:
    """Return what the sweep has left of itself in its folder."""
    path = folder / SWEEP
    return json.loads(path.read_text()) if path.exists() else {"name": "", "kind": "", "varied": []}


def mark_sweep(folder: Path, name: str, kind: str, varied: Iterable[str] = ()) -> None:
    """Leave the file by which a sweep is found again; refuse a folder of another kind of benchmark.

    `varied` are the settings of which the running command tries several values; those of earlier commands are kept.
    """
    refuse_name(name)
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / LOCK):
        before = read_sweep(folder)
        if before["kind"] not in ("", kind) and any(cells(folder)):  # a folder without a cell may take any kind
            raise ValueError(f"{folder} holds a sweep of {before['kind']}; give benchmark={kind} another name=...")
        now = {"name": name, "kind": kind, "varied": [*dict.fromkeys([*before["varied"], *varied])]}
        if now != before:
            write(folder / SWEEP, lambda temporary: temporary.write_text(json.dumps(now)))


def cells(folder: Path) -> Iterator[Path]:
    """Yield the folders of the finished cells below a folder."""
    yield from (path.parent for path in sorted(folder.rglob(DONE)))
