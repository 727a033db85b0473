"""Score the order that an importance gives to filters: by removing them on every image, and once by what it says."""

from collections.abc import Callable, Sequence
from functools import cache, partial

import numpy as np
import pandas as pd
from torch import Tensor

from benchmarks import rows
from benchmarks.contracts import untouched
from benchmarks.cost import Cost, measured
from benchmarks.layers.benchmark import Layers, Reference
from benchmarks.layers.ranked import Ranked
from benchmarks.loop import Batch, Scored
from benchmarks.preparation import Prepared
from methods.graph import canonical_form
from methods.layers import ablation
from methods.layers.layered import Layered


def step(cell: Prepared, network: Layered, reference: Reference, settings: Layers) -> Callable[[Batch], Scored]:
    """Return the function that scores a batch; filters are ordered on the reference images, with the first one."""
    known: list[object] = []
    told: dict[str, pd.DataFrame] = {}

    def score(batch: Batch) -> Scored:
        new, cost, n = not known, Cost(), len(batch.image)
        if new:
            with untouched(type(cell.entry).__name__, batch.explained), measured(cell.model, cell.device) as cost:
                known.append(cell.entry(network, reference.x, reference.labels))
        ranked = Ranked(
            cell.model,
            batch.explained.x,
            batch.logits.argmax(1),
            *known,
            settings.shares,
            removal(cell, batch.explained.x),
        )
        tables, curves = [], []
        for name, metric in cell.metrics.items():
            if new or metric.of_images:
                table = scored(name, metric, ranked, batch.image, reference.data)
                spent = rows.per_image(cost, n if metric.of_images else len(table), "explain_")
                told[name] = table.assign(**spent)
                curves += rows.curves(metric, told[name], ranked)
            tables.append(told[name] if new or metric.of_images else told[name][:0])
        return Scored(tables, curves, lambda images: {})

    return score


def removal(cell: Prepared, x: Tensor) -> Callable[[Sequence[Tensor | None]], Tensor]:
    """Return a function that gives the logits (n, k) of images without some filters (c,) of every layer, None: all."""
    graph = canonical_form(cell.entry, cell.model, x)
    layers, clean = ablation.convolutions(graph), cache(partial(ablation.outputs, graph, x))

    def without(removed: Sequence[Tensor | None]) -> Tensor:
        masks = {layer: mask.to(x.device) for layer, mask in zip(layers, removed, strict=True) if mask is not None}
        return ablation.without(graph, x, masks, clean() if len(masks) < len(layers) else None)

    return without


def scored(name: str, metric: Callable, ranked: Ranked, image: list[str], data: str) -> pd.DataFrame:
    """Return the rows of a metric: for each part, and in it for each image, unless its scores are of no image."""
    parts = metric.parts(ranked)
    n = len(parts) * (len(image) if metric.of_images else 1)
    table = rows.answered(name, metric, partial(metric, ranked), n, ranked)
    if metric.of_images:
        return table.assign(image=np.tile(image, len(parts)), part=np.repeat(parts, len(image)))
    target = metric.targets(ranked) if hasattr(metric, "targets") else -1
    return table.assign(image="", part=parts, target=target, data=data)
