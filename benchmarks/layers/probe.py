"""Score what the probes of all layers predict of each image, and how selective the probes are."""

from collections.abc import Callable
from functools import cache, partial

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from benchmarks import rows
from benchmarks.contracts import say_once, untouched
from benchmarks.cost import measured
from benchmarks.layers.benchmark import Layers, Reference
from benchmarks.layers.probed import Probed
from benchmarks.loop import Batch, Scored
from benchmarks.preparation import Prepared
from entries import Inapplicable
from methods.cam import GradCam
from methods.layers.layered import Layered


def step(cell: Prepared, network: Layered, reference: Reference, settings: Layers) -> Callable[[Batch], Scored]:
    """Return the function that scores a batch; scores of the probes themselves come with the first one."""
    predict = cache(partial(fitted, cell, network, reference))
    told: dict[str, pd.DataFrame] = {}

    def score(batch: Batch) -> Scored:
        with untouched(type(cell.entry).__name__, batch.explained), measured(cell.model, cell.device) as cost:
            probabilities = predict(batch.logits.shape[1])(batch.explained.x)
        probed = Probed(
            model=cell.model,
            x=batch.explained.x,
            labels=torch.tensor(batch.facts.label.to_list()),
            logits=batch.logits.cpu(),
            names=network.names,
            probabilities=probabilities,
            probe=cell.entry,
            network=network,
            train=lambda: (reference.x, reference.labels),
            mean=batch.explained.mean,
            std=batch.explained.std,
            store=cell.store,
        )
        spent, tables = rows.per_image(cost, len(batch.image), "explain_"), []
        for name, metric in cell.metrics.items():
            if metric.of_images:
                tables.append(scored(name, metric, probed, batch.image).assign(**spent))
            elif name in told:
                tables.append(told[name][:0])
            else:
                told[name] = scored(name, metric, probed, [""]).assign(data=reference.data, **spent)
                tables.append(told[name])
        return Scored(tables, [], partial(pictures, cell, batch, probed))

    return score


def fitted(cell: Prepared, network: Layered, reference: Reference, classes: int) -> Callable[[Tensor], Tensor]:
    """Return what predicts from all layers; refuse a data set without labelled images to fit on."""
    name = cell.cell.names["entry"]
    if "train" in cell.entry.needs:
        if not reference.trained:
            need = f"{name} needs a data set with a train split, whose labels are known"
            raise Inapplicable(f"{need}; {type(cell.dataset).__name__} has none")
        n, widths = len(reference.x), [part.shape[1] for part in network.features(reference.x[:1])]
        if n < max(widths) and not getattr(cell.entry, "equal_width", False):
            given = f"is fitted on {n} images, and {network.names[np.argmax(widths)]} has {max(widths)} channels"
            trap = "a probe of more channels than images can learn labels by heart, so read selectivity beside accuracy"
            say_once(name, f"{given}; {trap}")
    return cell.entry(network, reference.x, reference.labels, classes)


def scored(name: str, metric: Callable, probed: Probed, image: list[str]) -> pd.DataFrame:
    """Return image by image a row for each part, which is a layer or "" for the whole."""
    parts = metric.parts(probed)
    table = rows.answered(name, metric, partial(metric, probed), len(image) * len(parts), probed)
    return table.assign(image=np.repeat(image, len(parts)), part=np.tile(parts, len(image)))


def pictures(cell: Prepared, batch: Batch, probed: Probed, images: int) -> dict[str, np.ndarray]:
    """Return what figures draw of the first images: predictions by layer, and the pixels behind the label.

    The pixels are those of Grad-CAM at the last maps of at least 4 x 4 positions; nan where a network has none.
    """
    n = min(images, len(batch.image))
    x, target = probed.x[:n], batch.explained.target[:n]
    try:
        maps = GradCam("auto")(cell.model, x, target).detach().float().cpu()
    except Inapplicable:
        maps = torch.full((n, *x.shape[2:]), torch.nan)
    classes = [rows.named(cell.dataset.classes, k) for k in range(probed.logits.shape[1])]
    return {
        "image": np.array(batch.image[:n], dtype=str),
        "pixels": rows.as_bytes(batch.pixels[:n]),
        "probabilities": probed.probabilities[:, :n].transpose(0, 1).numpy(),
        "layers": np.tile(np.array(probed.names, dtype=str), (n, 1)),
        "classes": np.tile(np.array(classes, dtype=str), (n, 1)),
        "label": probed.labels[:n].numpy(),
        "predicted": probed.logits[:n].argmax(1).numpy(),
        "map": maps.numpy(),
    }
