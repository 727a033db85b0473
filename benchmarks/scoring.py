"""One batch is explained and scored: its maps, and a row for each image and metric."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import pandas as pd
from torch import Tensor

from benchmarks import rows
from benchmarks.cost import Cost, measured
from benchmarks.explained import CLEAN, Explained
from benchmarks.metrics.ranking import tied


def explain(explained: Explained, logits: Tensor) -> tuple[Explained, Cost]:
    """Return the batch with its maps, and what they cost."""
    with measured(explained.model, explained.x.device) as cost:
        maps = explained.explain()
    check(maps, explained.mask, explained.method)
    explained = replace(explained, maps=maps)
    explained.for_all(CLEAN, lambda: logits)
    return explained, cost


def score(
    metrics: Mapping[str, Callable], explained: Explained, batch: rows.Batch, logits: Tensor, cost: Cost
) -> tuple[list[pd.DataFrame], list[pd.DataFrame]]:
    """Return every metric's rows, and the curves of those that have one."""
    asked = {
        "image": batch.image,
        "label": batch.label.numpy(),
        "predicted": logits.argmax(1).cpu().numpy(),
        "target": explained.target.cpu().numpy(),
        "tied": tied(explained.maps).cpu().numpy(),
        **rows.per_image(cost, len(explained.x), "explain_"),
    }
    scores, curves = [], []
    for name, metric in metrics.items():
        scores.append(rows.scored(metric, explained).assign(metric=name, **asked))
        if hasattr(metric, "curve") and scores[-1].status[0] != "failed":
            curves.append(rows.curve(metric, explained, batch.image).assign(metric=name))
    return scores, curves


def refuse_paths(metrics: Mapping[str, Callable], kind: str) -> None:
    """Refuse metrics that score paths where there are maps."""
    for name, metric in metrics.items():
        if hasattr(metric, "layers"):
            need = f"benchmark={kind} needs metrics of maps such as deletion"
            raise ValueError(f"{need}; {name} scores paths, which benchmark=paths selects")


def check(maps: Tensor, mask: Tensor, method: Callable) -> None:
    """Refuse maps that break the contract, whoever wrote the method."""
    if maps.shape != mask.shape or not maps.isfinite().all():
        given = "values that are not finite" if maps.shape == mask.shape else f"shape {tuple(maps.shape)}"
        name, need = type(method).__name__, tuple(mask.shape)
        raise ValueError(f"{name} needs to give finite maps of shape {need}; it gave {given}")
