"""Rows of the long table of scores: what metrics gave for a batch, with its status, reason and cost."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict

import numpy as np
import pandas as pd
from torch import Tensor

from benchmarks.contracts import untouched, within
from benchmarks.cost import Cost, measured
from entries import Inapplicable

log = logging.getLogger(__name__)
NOBODY = {"label": -1, "predicted": -1, "target": -1, "data": ""}  # facts of an image, where a score belongs to none
CURVE = ["image", "metric", "metric_settings", "fraction", "value"]


def answered(name: str, metric: Callable, ask: Callable[[], Tensor], n: int, batch: object) -> pd.DataFrame:
    """Return `n` rows of what a metric is asked for about a batch, which has the fields `model`, `x` and maybe `store`.

    A metric that fails loses its own rows only; one that leaves something behind spoils the rest and is refused. One
    that raises Inapplicable has no scores of this batch, and the sentence is the reason.
    """
    reason, failed, store = metric.undefined, False, getattr(batch, "store", None)
    before = store.reused if store else 0
    with untouched(name, batch), measured(batch.model, batch.x.device) as cost:
        try:
            score = ask()
            if not isinstance(score, Tensor):
                raise TypeError(f"{n} images need a tensor of {n} scores; it gives a {type(score).__name__}")
            score = score.detach().double().cpu().numpy().ravel()
            if len(score) != n:
                raise ValueError(f"{n} images need {n} scores; it gives {len(score)}")
        except Inapplicable as error:
            score, reason = np.full(n, np.nan), str(error)
        except Exception as error:  # whatever a metric raises, the cell's other scores are kept
            score, failed = np.full(n, np.nan), True
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            log.warning("%s failed: %s", name, reason)
    defined = np.isfinite(score)
    within(score[defined], metric.bounds, name)
    return pd.DataFrame(
        {
            "metric": name,
            "part": "",
            "score": np.where(defined, score, np.nan),
            "status": np.where(defined, "ok", "failed" if failed else "undefined"),
            "reason": np.where(defined, "", reason),
            "tied": np.nan,
            "reused": (store.reused - before) / n if store else 0.0,
            **per_image(cost, n),
        }
    )


def inapplicable(metrics: Mapping[str, Callable], reason: str) -> pd.DataFrame:
    """Return one row per metric that says why the cell has no scores."""
    nobody = {"image": "", "part": "", **NOBODY}
    cost = per_image(Cost(), 1) | per_image(Cost(), 1, "explain_") | {"reused": 0.0, "tied": np.nan, "score": np.nan}
    return pd.DataFrame({"metric": list(metrics)}).assign(**nobody, **cost, status="inapplicable", reason=reason)


def ordered(tables: list[pd.DataFrame], metrics: Mapping[str, Callable]) -> pd.DataFrame:
    """Return the tables of all batches as one in the order of the metrics."""
    place = {name: k for k, name in enumerate(metrics)}
    joined = pd.concat(tables, ignore_index=True)
    return joined.sort_values("metric", key=lambda names: names.map(place), kind="stable", ignore_index=True)


def curves(metric: Callable, scores: pd.DataFrame, batch: object) -> list[pd.DataFrame]:
    """Return in long form the curves behind a metric's scores of a batch: no table if it has none.

    A metric's `curve` gives fractions (k,) of all images and values (n, k). Its passes were made for the scores.
    """
    if not hasattr(metric, "curve") or scores.status[0] == "failed":
        return []
    try:
        fractions, values = (t.double().cpu().numpy() for t in metric.curve(batch))
    except Inapplicable:  # what has no score has no curve
        return []
    columns = {"image": np.repeat(scores.image.to_numpy(), len(fractions)), "fraction": np.tile(fractions, len(scores))}
    return [pd.DataFrame(columns | {"value": values.ravel(), "metric": scores.metric[0]})]


def per_image(cost: Cost, n: int, prefix: str = "") -> dict[str, float]:
    """Return a batch's cost as columns: seconds and passes of one image, memory of the batch."""
    return {prefix + k: v if k == "peak_memory" else v / n for k, v in asdict(cost).items()}


def facts(metrics: Mapping[str, Callable], settings: Mapping[str, str]) -> pd.DataFrame:
    """Return what each metric states of itself and its settings, by name."""
    rows = {
        name: {
            "metric_settings": settings[name],
            "category": metric.category,
            "version": metric.version,
            "higher_is_better": metric.higher_is_better,
            "lower_bound": metric.bounds[0],
            "upper_bound": metric.bounds[1],
            "metric_cites": metric.cites,
        }
        for name, metric in metrics.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def named(classes: tuple[str, ...], index: int) -> str:
    """Return the name of a class, or its index where the data set names none."""
    return classes[index] if index < len(classes) else str(index)


def as_bytes(pixels: Tensor) -> np.ndarray:
    """Return pixels (n, 3, h, w) in [0, 1] as bytes (n, h, w, 3)."""
    return (pixels * 255).round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy()


def joined(tables: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    """Return all tables as one, an empty one where there is none."""
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)


def stacked(pictures: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Return what the batches keep for figures as one; later batches may keep less."""
    keys = pictures[0] if pictures else ()
    return {key: np.concatenate([batch[key] for batch in pictures if key in batch]) for key in keys}
