"""Score how strongly the features of a network correlate over the reference images."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial

import pandas as pd
from omegaconf import OmegaConf
from torch import Tensor

from benchmarks import rows
from benchmarks.beside import of_recipe
from benchmarks.contracts import say_once, untouched
from benchmarks.cost import measured
from benchmarks.layers.benchmark import Layers, Reference
from benchmarks.layers.represented import Represented
from benchmarks.loop import Batch, Scored
from benchmarks.preparation import Prepared
from methods.layers.layered import Layered


def step(cell: Prepared, network: Layered, reference: Reference, settings: Layers) -> Callable[[Batch], Scored]:
    """Return the function that scores all reference images, of which it is given the first as a batch."""
    return lambda batch: Scored(scored(cell, network, reference, batch), [], lambda images: {})


def scored(cell: Prepared, network: Layered, reference: Reference, batch: Batch) -> list[pd.DataFrame]:
    """Return a table of every metric, with a row for each layer or pair of layers."""
    x = reference.x
    with untouched(type(cell.entry).__name__, batch.explained), measured(cell.model, cell.device) as cost:
        features = cell.entry(network, x)
    if "effective_rank" in cell.metrics:
        warn_of_few(network.names, features)
    last = cache(partial(of_last, cell, network, x))
    represented = Represented(cell.model, x, reference.labels, network.names, features, last, cell.store)
    tables = []
    for name, metric in cell.metrics.items():
        parts = metric.parts(represented) or [""]
        table = rows.answered(name, metric, partial(metric, represented), len(parts), represented)
        spent = rows.per_image(cost, len(parts), "explain_")
        tables.append(table.assign(image="", part=parts, data=reference.data, **spent))
    return tables


def of_last(cell: Prepared, network: Layered, x: Tensor) -> list[Tensor]:
    """Return the features of the network at its last epoch; a model that has no epochs is its own last one."""
    if OmegaConf.select(cell.cfg, "model.epoch") is None:
        return network.features(x)
    model, store = of_recipe(cell, epoch=None)
    features = replace(network, model=model, keep=store).features(x)
    cell.store.reused = store.reused
    return features


def warn_of_few(names: tuple[str, ...], features: list[Tensor]) -> None:
    """Say once where there are fewer images than channels."""
    n, (channels, name) = len(features[0]), max((f.shape[1], name) for f, name in zip(features, names, strict=True))
    if n < channels:
        most = f"of {n} images is at most {n - 1}, and {name} has {channels} channels"
        say_once("effective_rank", f"{most}; more benchmark.reference_images can raise it")
