"""A cell made ready: its data set, its network on the device, its entry and its metrics."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from math import nan
from pathlib import Path

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from benchmarks.batches import batch_size
from benchmarks.cell import SHARED, Cell
from benchmarks.contracts import frozen, painted
from benchmarks.device import chosen_device
from benchmarks.explained import Explained
from benchmarks.memory import neighbours
from benchmarks.precision import at_precision, bearing
from benchmarks.store import Store
from entries import Inapplicable, explains, scores, stated

Metric = Callable[..., Tensor]


@dataclass(frozen=True, eq=False)
class Prepared:
    """One cell, ready to be computed; images are normalised for its network."""

    cell: Cell
    cfg: DictConfig
    device: torch.device
    benchmark: Callable  # of the cell's kind; it is called with this and gives `benchmarks.loop.Evaluated`
    dataset: object
    network: object  # models.zoo.Network
    model: nn.Module  # the network's module on the device
    size: int  # pixels along a side
    entry: Callable | None
    metrics: dict[str, Metric]
    store: Store
    common: Explained  # what the batches share: network, entry, units, other images, store
    stored: frozenset[str] = frozenset()  # images that the metrics have been asked for before
    pictured: int = 0  # images of which the cell has pictures already
    keep: Callable[[object], None] = lambda part: None  # is given each batch as soon as another one follows

    @property
    def bearing(self) -> AbstractContextManager[None]:
        """Return the context in which the entry is called, which refuses one that cannot compute in bfloat16."""
        return bearing(self.cell.precision, self.cell.names["entry"] or self.cell.names["kind"])

    @property
    def background(self) -> Tensor:
        """Other images (m, 3, h, w) of the data set; none where it gives none."""
        return self.common.background

    @property
    def facts(self) -> dict[str, object]:
        """The columns that tell of the network."""
        accuracies = {name: getattr(self.network, name, nan) for name in ("promised", "accuracy")}
        return {"weights": self.network.digest, **accuracies, "input_size": self.size}


@dataclass(frozen=True, eq=False)
class Unsuited:
    """A cell whose entry does not suit the data, whatever the network, so that no network was made for it."""

    cell: Cell
    cfg: DictConfig
    device: torch.device
    entry: Callable | None
    metrics: dict[str, Metric]
    reason: Inapplicable

    @property
    def facts(self) -> dict[str, object]:
        """The columns that would tell of the network."""
        return {"weights": "", "promised": nan, "accuracy": nan, "input_size": 0}


def prepared(cell: Cell, cfg: DictConfig) -> Prepared | Unsuited:
    """Make a cell ready.

    A kind of benchmark may have `suits(dataset, model, entry)`. What it refuses is refused before a network is fitted,
    and so are wrong settings of the entry and the metrics, and metrics of another kind.
    """
    device = chosen_device(cfg.device, cfg.threads, cell.precision)
    benchmark, dataset, model = (instantiate(cfg[part], _convert_="all") for part in ("benchmark", "dataset", "model"))
    first = 1 if cfg.batch_size == "auto" else cfg.batch_size
    entry, metrics = made(cell, cfg, first)
    of_kind(cell.names["kind"], metrics)
    try:
        getattr(benchmark, "suits", lambda *_: None)(dataset, model, entry)
    except Inapplicable as reason:
        return Unsuited(cell, cfg, device, entry, metrics, reason)
    network = model(getattr(dataset, "fitted_on", dataset))
    size = network.input_size * getattr(dataset, "tiles_per_side", 1)  # a mosaic has tiles of the input size
    model = frozen(network.module, cell.names["model"])
    model = model.to(device, memory_format=torch.channels_last)  # the faster layout for convolutions
    model = at_precision(model, cell.precision, device)
    batch = batch_size(cfg.batch_size, model, size, device, neighbours(cfg), Path(cfg.cache) / ".batches")
    if batch != first:  # entries may read it
        entry, metrics = made(cell, cfg, batch)
    cfg = OmegaConf.merge(cfg, {"batch_size": batch})
    store = Store(cell.sweep / SHARED, model, computing(network, cell.precision), device)
    mean, std = (torch.tensor(v, dtype=torch.float32, device=device) for v in (network.mean, network.std))
    none, others = torch.empty(0), torch.zeros(0, 3, size, size, device=device)
    common = Explained(model, entry, none, none, none, none, mean, std, others, store=store)
    return Prepared(cell, cfg, device, benchmark, dataset, network, model, size, entry, metrics, store, common)


def computing(network: object, precision: str) -> str:
    """Return the name under which the passes of a network at a precision are stored: no other has the same."""
    of = [network.digest, network.mean, network.std, *([] if precision == "float32" else [precision])]
    return " ".join(map(str, of))


def made(cell: Cell, cfg: DictConfig, batch: int) -> tuple[Callable | None, dict[str, Metric]]:
    """Return the entry of a cell, None where its kind has none, and its metrics by name, for so many images a pass."""
    cfg, group = OmegaConf.merge(cfg, {"batch_size": batch}), cell.group
    entry = stated(instantiate(cfg[group], _convert_="all"), explains, cell.names["entry"]) if group else None
    return entry, {name: stated(instantiate(cfg.metric[name], _convert_="all"), scores, name) for name in cell.metrics}


def of_kind(kind: str, metrics: dict[str, Metric]) -> None:
    """Refuse metrics of another kind of benchmark."""
    for name, metric in metrics.items():
        if (of := kind_of(metric)) not in (None, kind):
            raise ValueError(f"benchmark={kind} needs metrics of {kind}; {name} is a metric of {of}")


def kind_of(entry: object) -> str | None:
    """Return the kind of benchmark in whose folder an entry stands; None outside, where it may be of any."""
    room, _, place = type(entry).__module__.partition(".")
    return place.partition(".")[0] if room == "benchmarks" else None


def suited(dataset: object, network: object) -> object:
    """Return the data set with the network's own crop and interpolation; without a network, with timm's defaults."""
    return dataset.suited(network) if hasattr(dataset, "suited") else dataset


def with_background(cell: Prepared, images: int) -> Prepared:
    """Give a cell other images of the data set, which stand for the absence of evidence."""
    if not hasattr(cell.dataset, "background"):
        return cell
    pixels = suited(cell.dataset, cell.network).background(cell.size, images)
    painted(pixels, ["a background image"] * len(pixels), type(cell.dataset).__name__)
    return replace(cell, common=replace(cell.common, background=cell.common.normalised(pixels.to(cell.device))))
