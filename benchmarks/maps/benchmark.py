"""Benchmark of pixel maps: explain every image of a data set with one method and score the maps with every metric."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from benchmarks import rows
from benchmarks.contracts import untouched
from benchmarks.cost import measured
from benchmarks.explained import Explained, draws
from benchmarks.loop import Batch, Evaluated, Scored, evaluated, target_of
from benchmarks.maps.metrics.ranking import tied
from benchmarks.preparation import Prepared, with_background
from entries import choice, whole

CHANGES = ("none", "minor", "other_class")
MINOR = 0.01  # of a map's standard deviation


@dataclass(frozen=True)
class Maps:
    """Explain the `target` class, predicted or label, of every image and score the maps.

    `background` other images of the data set stand for the absence of evidence where a method asks for them. `change`
    alters the maps before they are scored, see `Altered`. The maps of the first `gallery.images` images are kept for
    figures.
    """

    entry: str
    target: str
    change: str
    background: int
    gallery: dict[str, int]

    def __post_init__(self) -> None:
        target_of(self.target)
        choice(self, "change", CHANGES)
        whole(self, background=1)

    def __call__(self, cell: Prepared) -> Evaluated:
        """Compute one cell."""
        if "background" in getattr(cell.entry, "needs", ()):
            cell = with_background(cell, self.background)
        return evaluated(cell, self.target, partial(self.step, cell), self.gallery["images"])

    def step(self, cell: Prepared, batch: Batch) -> Scored:
        """Explain and score one batch."""
        method = cell.entry
        if self.change != "none":
            method = Altered(method, self.change, batch.logits.shape[1], cell.cfg.seed)
        explained, name = replace(batch.explained, method=method), type(cell.entry).__name__
        with untouched(name, explained), measured(cell.model, cell.device) as cost:
            maps = explained.explain()
        check(maps, explained.mask, name)
        explained = replace(explained, maps=maps)
        scores, curves = scored(cell.metrics, explained, batch.image)
        spent = rows.per_image(cost, len(batch.image), "explain_")
        return Scored([table.assign(**spent) for table in scores], curves, partial(pictures, cell, batch, explained))


@dataclass(frozen=True)
class Altered:
    """Explains as `method` does, but for one change of every map, to judge metrics by how they react.

    minor: normal noise of .01 of the map's standard deviation, the same draw for all images and calls, or no method
    would be robust. other_class: the class after the target is explained, modulo `classes`. What the method states of
    itself, this states too.
    """

    method: Callable[..., Tensor]
    change: str
    classes: int
    seed: int

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor, **needs: Tensor) -> Tensor:
        if self.change == "other_class":
            return self.method(model, x, (target + 1) % self.classes, **needs)
        maps = self.method(model, x, target, **needs)
        noise = torch.randn(maps.shape[1:], generator=draws(self.seed, "minor change")).to(maps)
        return maps + MINOR * maps.double().std((1, 2), keepdim=True).to(maps) * noise

    def __getattr__(self, name: str) -> object:
        if name.startswith("__") or name == "method":
            raise AttributeError(name)
        return getattr(self.method, name)


def scored(
    metrics: Mapping[str, Callable], explained: Explained, image: list[str]
) -> tuple[list[pd.DataFrame], list[pd.DataFrame]]:
    """Return what every metric gives for a batch that is explained: scores image by image, and curves."""
    ties, scores, curves = tied(explained.maps).cpu().numpy(), [], []
    for name, metric in metrics.items():
        scores.append(answered(name, metric, explained).assign(image=image, tied=ties))
        curves += rows.curves(metric, scores[-1], explained)
    return scores, curves


def answered(name: str, metric: Callable, explained: Explained) -> pd.DataFrame:
    """Return score, status, reason and cost of one metric, image by image."""

    def ask() -> Tensor:
        if "explain" in metric.needs:
            explained.anew()
        return metric(explained)

    table = rows.answered(name, metric, ask, len(explained.x), explained)
    if "mask" in getattr(explained.method, "needs", ()):  # without a mask the truth is unknown, not empty
        unknown = ~explained.mask.flatten(1).any(1).cpu().numpy()
        table.loc[unknown, ["score", "reason"]] = np.nan, "the image has no mask of the class"
        table.loc[unknown & (table.status == "ok"), "status"] = "undefined"
    return table


def pictures(cell: Prepared, batch: Batch, explained: Explained, left: int) -> dict[str, np.ndarray]:
    """Return what figures draw of the first images of the batch, at most `left`, and what metrics keep for theirs."""
    classes, n = cell.dataset.classes, min(left, len(batch.image))
    kept = {
        "image": np.array(batch.image[:n], dtype=str),
        "pixels": rows.as_bytes(batch.pixels[:n]),
        "maps": explained.maps[:n].cpu().numpy(),
        "mask": batch.mask[:n].numpy(),
        "signed": np.full(n, cell.entry.signed),
        "target": np.array([rows.named(classes, k) for k in explained.target[:n].tolist()], dtype=str),
    }
    for metric in cell.metrics.values():
        if hasattr(metric, "pictures"):
            for name, values in metric.pictures(explained, n).items():
                target = name.endswith("target")
                kept[name] = np.array([rows.named(classes, k) for k in values.tolist()], str) if target else values
    return kept


def check(maps: object, mask: Tensor, name: str) -> None:
    """Refuse maps that break the contract, whoever wrote the method."""
    if given := flaw(maps, tuple(mask.shape)):
        need = f"a tensor of finite, detached maps {tuple(mask.shape)} of torch.float32"
        raise ValueError(f"{name} needs to give {need}; it gave {given}")


def flaw(maps: object, shape: tuple[int, ...]) -> str:
    """Say what maps are, where they are not such as metrics read."""
    if not isinstance(maps, Tensor):
        return f"a {type(maps).__module__}.{type(maps).__qualname__}"
    if tuple(maps.shape) != shape:
        return f"shape {tuple(maps.shape)}"
    if maps.requires_grad or maps.dtype != torch.float32:
        return "maps with a gradient" if maps.requires_grad else f"{maps.dtype}"
    return "" if maps.isfinite().all() else "values that are not finite"
