"""A cell made ready and computed batch by batch: what all kinds of benchmarks share."""

import hashlib
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset
from tqdm import tqdm

from benchmarks import rows
from benchmarks.batches import batch_size
from benchmarks.cell import Cell, single, text
from benchmarks.contracts import classified, frozen, painted, photographed, untouched
from benchmarks.device import chosen_device, environment
from benchmarks.explained import CLEAN, Explained
from benchmarks.memory import neighbours, trim
from benchmarks.precision import at_precision, bearing
from benchmarks.store import Store
from entries import Inapplicable, explains, scores, stated

log = logging.getLogger(__name__)
Metric = Callable[..., Tensor]


class Evaluated(NamedTuple):
    """What one cell yields."""

    scores: pd.DataFrame  # one row per image, metric and part
    curves: pd.DataFrame  # image, metric, metric_settings, fraction, value
    gallery: dict[str, np.ndarray]  # the first images with what is drawn of them
    images: pd.DataFrame  # of this run, by name: label, predicted, masked


class Batch(NamedTuple):
    """Some images of the data set, as a kind of benchmark is given them."""

    image: list[str]
    pixels: Tensor  # (n, 3, h, w) float32 in [0, 1], on the CPU
    mask: Tensor  # (n, h, w) bool, the object of the label, on the CPU
    logits: Tensor  # (n, k) of the clean images
    explained: Explained  # images, targets and masks, before there are maps
    facts: pd.DataFrame  # by image: label, predicted, target, data


class Scored(NamedTuple):
    """What a kind of benchmark makes of a batch."""

    scores: list[pd.DataFrame]  # of `rows.answered`, with the columns `image` and, where it is not "", `part`
    curves: list[pd.DataFrame]  # image, metric, fraction, value
    pictures: Callable[[int], dict[str, np.ndarray]]  # what figures draw of the first images, at most so many


@dataclass(frozen=True, eq=False)
class Prepared:
    """One cell, ready to be computed; images are normalised for its network."""

    cell: Cell
    cfg: DictConfig
    device: torch.device
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
    keep: Callable[[Evaluated], None] = lambda part: None  # is given each batch as soon as another one follows
    unsuited: str = ""  # why the entry does not suit the data, whatever the network; no network was fitted then

    @property
    def bearing(self) -> AbstractContextManager[None]:
        """In which the entry is called."""
        return bearing(self.cell.precision, self.cell.names["entry"] or self.cell.names["kind"])

    def batches(self, target: str) -> Iterator[Batch]:
        """Give the images that are wanted in order, with their logits; a bar on a terminal.

        `target` says which class of an image is asked about: predicted or label.
        """
        network = self.cell.names["model"]
        images, dataset = suited(self.dataset, self.network).test(self.size), type(self.dataset).__name__
        names = unique(images, dataset)
        places = [k for k, name in enumerate(names) if name not in self.stored]
        # A generator of its own: without one, a loader draws from the global state.
        loader = DataLoader(Subset(images, places), self.cfg.batch_size, generator=torch.Generator())
        bar = tqdm(loader, self.cell.title, unit="batch", leave=False, disable=None)
        for image, pixels, label, mask in bar:
            image = photographed(image, pixels, label, mask, dataset)
            x = self.common.normalised(pixels.to(self.device))
            explained = replace(self.common, x=x, image=tuple(image), shared={})
            with untouched(network, explained):
                logits = classified(self.store((x,), CLEAN, partial(self.model, x)), len(x), network)
            asked, visible = question(image, logits, label, mask, target)
            explained = replace(explained, target=asked, mask=visible)
            explained.once(("for all", CLEAN), lambda logits=logits: logits)  # the store has them already
            facts = {
                "label": label.numpy(),
                "predicted": logits.argmax(1).cpu().numpy(),
                "target": asked.cpu().numpy(),
                "data": self.digests(pixels, mask),
            }
            yield Batch(image, pixels, mask, logits, explained, pd.DataFrame(facts, index=image))

    @property
    def background(self) -> Tensor:
        """Other images (m, 3, h, w) of the data set; none where it gives none."""
        return self.common.background

    def digests(self, pixels: Tensor, mask: Tensor) -> list[str]:
        """Return for each image a digest of its pixels, its mask and the data set's settings."""
        settings = text([self.cell.names["dataset"], self.cell.settings["data"]]).encode()
        return [
            hashlib.sha256(settings + x.numpy().tobytes() + m.numpy().tobytes()).hexdigest()[:12]
            for x, m in zip(pixels, mask, strict=True)
        ]


def made(cell: Cell, cfg: DictConfig) -> tuple[object, dict[str, object]]:
    """Return the entry of a cell, None where its kind has none, and its metrics by name."""
    group = cell.group
    entry = stated(instantiate(cfg[group], _convert_="all"), explains, cell.names["entry"]) if group else None
    return entry, {name: stated(instantiate(cfg.metric[name], _convert_="all"), scores, name) for name in cell.metrics}


def prepared(cell: Cell, cfg: DictConfig) -> Prepared:
    """Make a cell ready: its data set, its network on the device, its entry and its metrics.

    A kind of benchmark may have `suits(dataset, model, entry)`. What it refuses is refused before a network is fitted.
    """
    precision = cell.precision
    device = chosen_device(cfg.device, cfg.threads, precision)
    benchmark, dataset, model = (instantiate(cfg[part], _convert_="all") for part in ("benchmark", "dataset", "model"))
    # What may read the number of images in one pass is made anew when the network, on which it depends, is there.
    entry, metrics = made(cell, OmegaConf.merge(cfg, {"batch_size": 1}) if cfg.batch_size == "auto" else cfg)
    try:
        getattr(benchmark, "suits", lambda *_: None)(dataset, model, entry)
    except Inapplicable as reason:
        none, nobody = nn.Identity(), SimpleNamespace(digest="")
        store = Store(None, none, "", device)
        common = Explained(none, entry, *[torch.empty(0)] * 7)
        facts = (dataset, nobody, none, 0, entry, metrics, store, common)
        return Prepared(cell, cfg, device, *facts, unsuited=str(reason))
    network = model(getattr(dataset, "fitted_on", dataset))
    size = network.input_size * getattr(dataset, "tiles_per_side", 1)  # a mosaic has tiles of the input size
    model = frozen(network.module, cell.names["model"])
    model = model.to(device, memory_format=torch.channels_last)  # the faster layout for convolutions
    model = at_precision(model, precision, device)
    tried = Path(cfg.cache) / ".batches"
    batch = batch_size(cfg.batch_size, model, size, device, neighbours(cfg), tried)
    cfg = OmegaConf.merge(cfg, {"batch_size": batch})
    entry, metrics = made(cell, cfg)
    of = f"{network.digest} {network.mean} {network.std}" + ("" if precision == "float32" else f" {precision}")
    store = Store(cell.sweep / ".shared", model, of, device)
    mean, std = (torch.tensor(v, dtype=torch.float32, device=device) for v in (network.mean, network.std))
    none, others = torch.empty(0), torch.zeros(0, 3, size, size, device=device)
    common = Explained(model, entry, none, none, none, none, mean, std, others, store=store)
    return Prepared(cell, cfg, device, dataset, network, model, size, entry, metrics, store, common)


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


def evaluated(cell: Prepared, target: str, step: Callable[[Batch], Scored], pictures: int) -> Evaluated:
    """Compute one cell: `step` scores a batch, and the first `pictures` images are kept for figures.

    An entry that does not suit the network or the data leaves rows that say why, and no scores.
    """
    of_kind(cell.cell.names["kind"], cell.metrics)
    parts = []
    for batch in cell.batches(target):
        if parts:
            cell.keep(parts[-1])
            trim()
        seen = batch.facts[["label", "predicted"]].assign(masked=batch.mask.flatten(1).any(1).numpy())
        try:
            with cell.bearing:
                result = step(batch)
        except Inapplicable as reason:
            return refused(cell, reason, seen)
        scores = table(cell, [with_facts(part, batch.facts) for part in result.scores])
        left = pictures - cell.pictured - sum(len(part.gallery.get("image", ())) for part in parts)
        shown = result.pictures(left) if left > 0 else {}
        parts.append(Evaluated(scores, rows.joined(result.curves, rows.CURVE), shown, seen))
    if not parts and not cell.stored:
        raise ValueError(f"{type(cell.dataset).__name__} gives no image to explain")
    return together(cell, parts)


def alone(cell: Prepared, step: Callable[[], Scored], pictures: int) -> Evaluated:
    """Compute one cell whose scores belong to no single image of the test split: `step` gives all of them at once."""
    of_kind(cell.cell.names["kind"], cell.metrics)
    nobody = pd.DataFrame(columns=["label", "predicted", "masked"])
    try:
        if cell.unsuited:
            raise Inapplicable(cell.unsuited)
        with cell.bearing:
            result = step()
    except Inapplicable as reason:
        return refused(cell, reason, nobody)
    facts = pd.DataFrame({name: pd.Series(dtype=type(value)) for name, value in rows.NOBODY.items()})
    scores = table(cell, [with_facts(part, facts) for part in result.scores])
    shown = result.pictures(pictures) if pictures > cell.pictured else {}
    return Evaluated(scores, rows.joined(result.curves, rows.CURVE), shown, nobody)


def refused(cell: Prepared, reason: Inapplicable, images: pd.DataFrame) -> Evaluated:
    """Return what is left of a cell whose entry does not suit the network or the data: rows that say why."""
    if not single():
        log.warning("%s is skipped: %s", cell.cell.title, reason)
    none = table(cell, [rows.inapplicable(cell.metrics, str(reason))])
    return Evaluated(none, rows.joined([], rows.CURVE), {}, images[:0])


def together(cell: Prepared, parts: list[Evaluated]) -> Evaluated:
    """Return all batches as one."""
    scores = rows.ordered([part.scores for part in parts], cell.metrics) if parts else pd.DataFrame()
    curves = rows.joined([part.curves for part in parts if len(part.curves)], rows.CURVE)
    gallery = rows.stacked([part.gallery for part in parts if part.gallery])
    return Evaluated(scores, curves, gallery, pd.concat([part.images for part in parts]) if parts else pd.DataFrame())


def with_facts(scores: pd.DataFrame, facts: pd.DataFrame) -> pd.DataFrame:
    """Return scores with the facts of their images; a score of no image may bring its own `target` and `data`."""
    facts = facts[facts.columns.difference(scores.columns, sort=False)]
    joined = scores.join(facts, on="image").fillna({name: rows.NOBODY[name] for name in facts})
    return joined.astype(dict(facts.dtypes))


def of_kind(kind: str, metrics: dict[str, Metric]) -> None:
    """Refuse metrics of another kind of benchmark."""
    for name, metric in metrics.items():
        if (of := kind_of(metric)) not in (None, kind):
            raise ValueError(f"benchmark={kind} needs metrics of {kind}; {name} is a metric of {of}")


def kind_of(entry: object) -> str | None:
    """Return the kind of benchmark in whose folder an entry stands; None outside, where it may be of any."""
    room, _, place = type(entry).__module__.partition(".")
    return place.partition(".")[0] if room == "benchmarks" else None


def table(cell: Prepared, scores: list[pd.DataFrame]) -> pd.DataFrame:
    """Return rows in the order of the cell's metrics, with the facts of the cell."""
    facts = {
        "group": getattr(cell.entry, "group", ""),
        "cites": getattr(cell.entry, "cites", ""),
        "weights": cell.network.digest,
        "promised": getattr(cell.network, "promised", np.nan),
        "accuracy": getattr(cell.network, "accuracy", np.nan),
        "input_size": cell.size,
        "device": cell.device.type,
        **environment(),
    }
    joined = rows.ordered(scores, cell.metrics)
    return joined.assign(**facts).join(rows.facts(cell.metrics, cell.cell.metric_settings()), on="metric")


def unique(images: object, dataset: str) -> list[str]:
    """Return the names of a data set's images; refuse two of one name."""
    names = list(getattr(images, "names", None) or (image[0] for image in images))
    if len(set(names)) < len(names):
        twice = next(name for k, name in enumerate(names) if name in names[:k])
        raise ValueError(f"{dataset} needs images of different names; two are called {twice}")
    return names


def question(image: list[str], logits: Tensor, label: Tensor, mask: Tensor, target: str) -> tuple[Tensor, Tensor]:
    """Return the class that is asked about (n,), predicted or label, and its mask (n, h, w)."""
    label = label.to(logits.device)
    wrong = (label >= logits.shape[1]) | ((label < 0) & (target == "label"))
    if wrong.any():
        i = int(wrong.nonzero()[0])
        raise ValueError(
            f"image {image[i]} needs a class index from 0 to {logits.shape[1] - 1}, the model's classes; "
            f"{'it has none' if label[i] < 0 else f'{label[i]} was given'}"
        )
    asked = logits.argmax(1) if target == "predicted" else label
    # The mask marks the label's object: it is the truth only where that class is explained.
    return asked, mask.to(logits.device) & ((label == asked) | (label < 0))[:, None, None]


def target_of(name: object) -> str:
    """Return which class of an image is asked about; refuse other words."""
    if name not in ("predicted", "label"):
        raise ValueError(f"benchmark.target needs predicted or label; {name!r} was given")
    return name
