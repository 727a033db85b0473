"""Images are explained and their maps scored, batch by batch: what the kinds of benchmarks that score maps share."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
from torch import Tensor

from benchmarks import rows
from benchmarks.cost import Cost, measured
from benchmarks.explained import CLEAN, Explained
from benchmarks.metrics.ranking import tied
from benchmarks.prepared import Evaluated, Prepared
from methods import Inapplicable

log = logging.getLogger(__name__)


def evaluated(
    cell: Prepared, asked: str, method: Callable[[int], Callable], gallery: int,
    more: Callable[[Explained, int], dict[str, np.ndarray]] = lambda explained, shown: {},
) -> Evaluated:  # fmt: skip
    """Compute one cell: score the maps of `method(classes)` for the class that is `asked`, predicted or label.

    Of the first `gallery` images, their maps are kept for figures, and what `more` gives of them.
    """
    for name, metric in cell.metrics.items():
        if getattr(metric, "scores", "maps") != "maps":
            raise ValueError(f"maps need metrics of maps such as deletion; {name} scores {metric.scores}")
    scores, curves, kept = [], [], []
    for batch, x, logits in cell.batches():
        try:
            explained, cost = explain(cell.explained(batch, x, logits, asked, method(logits.shape[1])), logits)
        except Inapplicable as reason:
            log.warning("skipped: %s", reason)
            scores, curves, kept = [rows.inapplicable(cell.metrics, str(reason))], [], []
            break
        found, lines = score(cell.metrics, explained, batch, logits, cost)
        scores, curves = scores + found, curves + lines
        if (shown := gallery - sum(len(g["image"]) for g in kept)) > 0:
            first = rows.first_images(batch, explained, cell.dataset.classes, cell.method.signed, shown)
            kept.append(first | more(explained, shown))
    return Evaluated(cell.table(scores, asked), rows.joined(curves), rows.stacked(kept))


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


def check(maps: Tensor, mask: Tensor, method: Callable) -> None:
    """Refuse maps that break the contract, whoever wrote the method."""
    if maps.shape != mask.shape or not maps.isfinite().all():
        given = "values that are not finite" if maps.shape == mask.shape else f"shape {tuple(maps.shape)}"
        name, need = type(method).__name__, tuple(mask.shape)
        raise ValueError(f"{name} needs to give finite maps of shape {need}; it gave {given}")
