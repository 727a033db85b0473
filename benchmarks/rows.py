"""What a cell stores of a batch: a row for each image and metric, curves, and the first images."""

import logging
from collections.abc import Callable
from dataclasses import asdict
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from benchmarks.cost import Cost, measured
from benchmarks.explained import Explained

log = logging.getLogger(__name__)
CURVE = ["image", "fraction", "value", "metric"]


class Batch(NamedTuple):
    """Images of the data set, in pixel space."""

    image: list[str]
    pixels: Tensor  # (n, 3, h, w) float32 in [0, 1]
    label: Tensor  # (n,) int64, -1 where unknown
    mask: Tensor  # (n, h, w) bool


def scored(metric: Callable, explained: Explained) -> pd.DataFrame:
    """Return score, status, reason and cost per image."""
    before = explained.store.reused
    table = answered(metric, lambda: metric(explained), len(explained.x), explained.model, explained.x.device)
    if "mask" in getattr(explained.method, "needs", ()):  # without a mask the truth is unknown, not empty
        unknown = ~explained.mask.flatten(1).any(1).cpu().numpy()
        table.loc[unknown, ["score", "reason"]] = np.nan, "the image has no mask of the class"
        table.loc[unknown & (table.status == "ok"), "status"] = "undefined"
    return table.assign(reused=(explained.store.reused - before) / len(explained.x))


def answered(
    metric: Callable, ask: Callable[[], Tensor], n: int, model: nn.Module, device: torch.device
) -> pd.DataFrame:
    """Return `n` rows of what a metric is asked for; one that fails loses its own rows only."""
    reason, failed = metric.undefined, False
    with measured(model, device) as cost:
        try:
            score = ask().double().cpu().numpy().ravel()
        except Exception as error:  # whatever a metric raises, the cell's other scores are kept
            score, failed = np.full(n, np.nan), True
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            log.warning("%s failed: %s", type(metric).__name__, reason)
    defined = np.isfinite(score)
    status = np.where(defined, "ok", "failed" if failed else "undefined")
    return pd.DataFrame({"score": np.where(defined, score, np.nan), "status": status,
                         "reason": np.where(defined, "", reason), **per_image(cost, n)})  # fmt: skip


def inapplicable(metrics: dict[str, Callable], reason: str) -> pd.DataFrame:
    """Return one row per metric that says why the cell has no scores."""
    cost = per_image(Cost(), 1) | per_image(Cost(), 1, "explain_")
    nobody = {"image": "", "label": -1, "predicted": -1, "target": -1, "tied": np.nan, "score": np.nan}
    return pd.DataFrame({"metric": list(metrics)}).assign(
        **nobody, **cost, reused=0.0, status="inapplicable", reason=reason
    )


def curve(metric: Callable, explained: Explained, image: list[str]) -> pd.DataFrame:
    """Return a metric's curve in long form; the passes were made when it was scored."""
    fractions, values = (t.double().cpu().numpy() for t in metric.curve(explained))
    return pd.DataFrame({"image": np.repeat(image, len(fractions)), "fraction": np.tile(fractions, len(image)),
                         "value": values.ravel()})  # fmt: skip


def per_image(cost: Cost, n: int, prefix: str = "") -> dict[str, float]:
    """Return a batch's cost as columns: seconds and passes of one image, memory of the batch."""
    return {prefix + k: v if k == "peak_memory" else v / n for k, v in asdict(cost).items()}


def declared(metrics: dict[str, Callable], nodes: DictConfig, target: str) -> pd.DataFrame:
    """Return what each metric states of itself; explained class and settings, such as `steps=16`, are its protocol."""
    settings = {name: OmegaConf.to_container(nodes[name], resolve=True) if name in nodes else {} for name in metrics}
    left_out = ("_target_", "seed", "batch")
    protocol = {
        name: " ".join([f"target={target}", *(f"{k}={v}" for k, v in node.items() if k not in left_out)])
        for name, node in settings.items()
    }
    facts = [
        (m.category, protocol[name], m.version, m.higher_is_better, *getattr(m, "bounds", (-np.inf, np.inf)))
        for name, m in metrics.items()
    ]
    columns = ["category", "protocol", "version", "higher_is_better", "lower_bound", "upper_bound"]
    return pd.DataFrame(facts, index=list(metrics), columns=columns)


def first_images(batch: Batch, e: Explained, classes: tuple[str, ...], signed: bool, n: int) -> dict[str, np.ndarray]:
    """Return what the gallery figure draws of the first `n` images of the batch."""
    names = [named(classes, t) for t in e.target[:n].tolist()]
    return {
        "image": np.array(batch.image[:n], dtype=str),
        "pixels": as_bytes(batch.pixels[:n]),
        "maps": e.maps[:n].cpu().numpy(),
        "mask": batch.mask[:n].numpy(),
        "signed": np.full(len(names), signed),
        "target": np.array(names, dtype=str),
    }


def named(classes: tuple[str, ...], index: int) -> str:
    """Return the name of a class, or its index where the data set names none."""
    return classes[index] if index < len(classes) else str(index)


def as_bytes(pixels: Tensor) -> np.ndarray:
    """Return pixels (n, 3, h, w) in [0, 1] as bytes (n, h, w, 3)."""
    return (pixels * 255).round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy()


def joined(curves: list[pd.DataFrame]) -> pd.DataFrame:
    """Return all curves of a cell in one table."""
    return pd.concat(curves, ignore_index=True) if curves else pd.DataFrame(columns=CURVE)


def stacked(gallery: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Return what the batches keep for figures as one; later batches may keep less."""
    return {key: np.concatenate([g[key] for g in gallery if key in g]) for key in (gallery[0] if gallery else ())}
