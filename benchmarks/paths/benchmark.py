"""Benchmark of critical paths: select the channels that carry a decision, and see what they decide without the rest.

Our reading of Bhati et al. 2024; the paper's own algorithm was not available.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import pairwise

import numpy as np
import pandas as pd
from torch import Tensor

from benchmarks import rows
from benchmarks.contracts import untouched
from benchmarks.cost import measured
from benchmarks.loop import Batch, Evaluated, Scored, evaluated, target_of
from benchmarks.paths.gallery import Pictures
from benchmarks.paths.pathed import Pathed
from benchmarks.preparation import Prepared, with_background
from entries import whole
from methods.graph import canonical_form
from methods.paths import masked


@dataclass(frozen=True)
class Paths:
    """Select a path for the `target` class, predicted or label, of every image; score it whole and layer by layer.

    Where the selector has a share, the whole path is scored at all `shares` of the channels, too. `background` other
    images of the data set give the mean of a channel outside the path. `gallery` says what is kept for figures.
    """

    entry: str
    target: str
    shares: list[float]
    background: int
    gallery: dict[str, object]

    def __post_init__(self) -> None:
        target_of(self.target)
        whole(self, background=1)
        listed = isinstance(self.shares, Sequence) and all(type(share) in (int, float) for share in self.shares)
        if not listed or not all(low < high for low, high in pairwise([0, *self.shares, 1 + 1e-9])):
            raise ValueError(f"benchmark.shares needs a list of rising numbers in (0, 1]; {self.shares!r} was given")
        Pictures(**self.gallery)

    def __call__(self, cell: Prepared) -> Evaluated:
        """Compute one cell."""
        cell = with_background(cell, self.background)
        for name, metric in cell.metrics.items():
            if getattr(metric, "fill", None) == "mean" and not len(cell.background):
                need = f"{name} needs a data set with other images for fill=mean"
                raise ValueError(f"{need}; {type(cell.dataset).__name__} gives none")
        gallery = Pictures(**self.gallery)
        step = partial(self.step, cell, gallery, cache(partial(means, cell)))
        return evaluated(cell, self.target, step, gallery.images)

    def step(self, cell: Prepared, gallery: Pictures, average: Callable[[], list[Tensor]], batch: Batch) -> Scored:
        """Select the paths of one batch and score them."""
        with untouched(type(cell.entry).__name__, batch.explained), measured(cell.model, cell.device) as cost:
            pathed = selected(cell.entry, batch, average)
        scores = [scored(name, metric, pathed, batch.image) for name, metric in cell.metrics.items()]
        able = {table.metric[0]: cell.metrics[table.metric[0]] for table in scores if table.status[0] != "failed"}
        with measured(cell.model, cell.device) as more:
            curves = self.curves(able, cell.entry, batch, pathed, average)
        n = len(batch.image)
        spent = rows.per_image(cost, n, "explain_") | rows.per_image(more, n, "curve_")
        return Scored([table.assign(**spent) for table in scores], curves, partial(gallery, cell, batch, pathed.path))

    def curves(
        self, metrics: dict[str, Callable], selector: Callable, batch: Batch, pathed: Pathed, average: Callable
    ) -> list[pd.DataFrame]:
        """Return every metric of the whole path against the share of channels that is kept."""
        if not hasattr(selector, "share") or getattr(selector, "sizes", "share") == "gap":
            return []
        points = []
        for share in self.shares:
            same = share == selector.share
            other = pathed if same else selected(replace(selector, share=share), batch, average)
            for name, metric in metrics.items():
                value = metric(other).double().cpu().numpy()
                point = {"image": batch.image, "metric": name, "fraction": float(share), "value": value}
                points.append(pd.DataFrame(point))
        return points


def means(cell: Prepared) -> list[Tensor]:
    """Return the mean activation (c,) of every layer's channels over other images of the data set."""
    graph = canonical_form(cell.entry, cell.model, cell.background)
    return masked.means(graph, cell.background, cell.cfg.batch_size)


def selected(selector: Callable, batch: Batch, average: Callable[[], list[Tensor]]) -> Pathed:
    """Return the batch with the paths that the selector selects."""
    model, x, target = batch.explained.model, batch.explained.x, batch.explained.target
    path, graph = selector(model, x, target, batch.explained.box), canonical_form(selector, model, x)
    whole_run = cache(partial(masked.run, graph, x))  # what lies below a layer that is masked alone is run once

    def only(kept: Sequence[Tensor | None], fill: str) -> Tensor:
        clean = whole_run() if any(k is None for k in kept) else None
        return masked.only(graph, x, kept, average() if fill == "mean" else None, clean)

    return Pathed(model, x, target, batch.logits, path, only)


def scored(name: str, metric: Callable, pathed: Pathed, image: list[str]) -> pd.DataFrame:
    """Return image by image a row for the whole path, `part` being "", and one for each layer alone."""
    layers, n = ("", *pathed.path.layers), len(image)
    path = rows.answered(name, metric, partial(metric, pathed), n, pathed)
    alone = rows.answered(name, metric, partial(metric.layers, pathed), (len(layers) - 1) * n, pathed)
    table = pd.concat([path, alone], ignore_index=True)
    table = table.assign(image=np.tile(image, len(layers)), part=np.repeat(layers, n))
    by_image = np.arange(len(table)).reshape(len(layers), n).T.ravel()
    return table.iloc[by_image].reset_index(drop=True)
