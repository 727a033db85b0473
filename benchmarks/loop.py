"""A cell computed batch by batch, and its scores gathered: what all kinds of benchmarks share."""

import hashlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Subset
from tqdm import tqdm

from benchmarks import rows
from benchmarks.cell import Cell, single, text
from benchmarks.contracts import classified, photographed, untouched
from benchmarks.device import environment
from benchmarks.explained import CLEAN, Explained
from benchmarks.memory import trim
from benchmarks.preparation import Metric, Prepared, Unsuited, suited
from entries import Inapplicable

log = logging.getLogger(__name__)


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


def computed(cell: Prepared | Unsuited, metrics: dict[str, Metric], **known: object) -> Evaluated:
    """Return a cell's scores by these metrics, or rows that say why its entry does not suit the data.

    `known` replaces fields of a cell with a network: what is stored of it already, and what keeps its batches.
    """
    if isinstance(cell, Unsuited):
        return refused(replace(cell, metrics=metrics), cell.reason)
    return cell.benchmark(replace(cell, metrics=metrics, **known))


def batched(cell: Prepared, target: str) -> Iterator[Batch]:
    """Give the images that are wanted in order, with their logits; a bar on a terminal.

    `target` says which class of an image is asked about: predicted or label.
    """
    network = cell.cell.names["model"]
    images, dataset = suited(cell.dataset, cell.network).test(cell.size), type(cell.dataset).__name__
    names = unique(images, dataset)
    places = [k for k, name in enumerate(names) if name not in cell.stored]
    # A generator of its own: without one, a loader draws from the global state.
    loader = DataLoader(Subset(images, places), cell.cfg.batch_size, generator=torch.Generator())
    bar = tqdm(loader, cell.cell.title, unit="batch", leave=False, disable=None)
    for image, pixels, label, mask in bar:
        image = photographed(image, pixels, label, mask, dataset)
        x = cell.common.normalised(pixels.to(cell.device))
        explained = replace(cell.common, x=x, image=tuple(image), shared={})
        with untouched(network, explained):
            logits = classified(cell.store((x,), CLEAN, partial(cell.model, x)), len(x), network)
        asked, visible = question(image, logits, label, mask, target)
        explained = replace(explained, target=asked, mask=visible)
        explained.once(("for all", CLEAN), lambda logits=logits: logits)  # the store has them already
        facts = {
            "label": label.numpy(),
            "predicted": logits.argmax(1).cpu().numpy(),
            "target": asked.cpu().numpy(),
            "data": digests(cell.cell, pixels, mask),
        }
        yield Batch(image, pixels, mask, logits, explained, pd.DataFrame(facts, index=image))


def digests(cell: Cell, pixels: Tensor, mask: Tensor) -> list[str]:
    """Return for each image a digest of its pixels, its mask and the data set's settings."""
    settings = text([cell.names["dataset"], cell.settings["data"]]).encode()
    return [
        hashlib.sha256(settings + x.numpy().tobytes() + m.numpy().tobytes()).hexdigest()[:12]
        for x, m in zip(pixels, mask, strict=True)
    ]


def evaluated(cell: Prepared, target: str, step: Callable[[Batch], Scored], pictures: int) -> Evaluated:
    """Compute one cell: `step` scores a batch, and the first `pictures` images are kept for figures.

    An entry that does not suit the network or the data leaves rows that say why, and no scores.
    """
    parts = []
    for batch in batched(cell, target):
        if parts:
            cell.keep(parts[-1])
            trim()
        seen = batch.facts[["label", "predicted"]].assign(masked=batch.mask.flatten(1).any(1).numpy())
        try:
            with cell.bearing:
                result = step(batch)
        except Inapplicable as reason:
            return refused(cell, reason)
        scores = table(cell, [with_facts(part, batch.facts) for part in result.scores])
        left = pictures - cell.pictured - sum(len(part.gallery.get("image", ())) for part in parts)
        shown = result.pictures(left) if left > 0 else {}
        parts.append(Evaluated(scores, rows.joined(result.curves, rows.CURVE), shown, seen))
    if not parts and not cell.stored:
        raise ValueError(f"{type(cell.dataset).__name__} gives no image to explain")
    return together(cell, parts)


def alone(cell: Prepared, step: Callable[[], Scored], pictures: int) -> Evaluated:
    """Compute one cell whose scores belong to no single image of the test split: `step` gives all of them at once."""
    try:
        with cell.bearing:
            result = step()
    except Inapplicable as reason:
        return refused(cell, reason)
    facts = pd.DataFrame({name: pd.Series(dtype=type(value)) for name, value in rows.NOBODY.items()})
    scores = table(cell, [with_facts(part, facts) for part in result.scores])
    shown = result.pictures(pictures) if pictures > cell.pictured else {}
    return Evaluated(scores, rows.joined(result.curves, rows.CURVE), shown, unseen())


def refused(cell: Prepared | Unsuited, reason: Inapplicable) -> Evaluated:
    """Return what is left of a cell whose entry does not suit the network or the data: rows that say why."""
    if not single():
        log.warning("%s is skipped: %s", cell.cell.title, reason)
    none = table(cell, [rows.inapplicable(cell.metrics, str(reason))])
    return Evaluated(none, rows.joined([], rows.CURVE), {}, unseen())


def together(cell: Prepared, parts: list[Evaluated]) -> Evaluated:
    """Return all batches as one."""
    scores = rows.ordered([part.scores for part in parts], cell.metrics) if parts else pd.DataFrame()
    curves = rows.joined([part.curves for part in parts if len(part.curves)], rows.CURVE)
    gallery = rows.stacked([part.gallery for part in parts if part.gallery])
    return Evaluated(scores, curves, gallery, pd.concat([part.images for part in parts]) if parts else pd.DataFrame())


def unseen() -> pd.DataFrame:
    """Return what is told of the images of a run that has none."""
    facts = {"label": int, "predicted": int, "masked": bool}
    return pd.DataFrame(columns=[*facts]).astype(facts)


def with_facts(scores: pd.DataFrame, facts: pd.DataFrame) -> pd.DataFrame:
    """Return scores with the facts of their images; a score of no image may bring its own `target` and `data`."""
    facts = facts[facts.columns.difference(scores.columns, sort=False)]
    joined = scores.join(facts, on="image").fillna({name: rows.NOBODY[name] for name in facts})
    return joined.astype(dict(facts.dtypes))


def table(cell: Prepared | Unsuited, scores: list[pd.DataFrame]) -> pd.DataFrame:
    """Return rows in the order of the cell's metrics, with the facts of the cell."""
    facts = {
        "group": getattr(cell.entry, "group", ""),
        "cites": getattr(cell.entry, "cites", ""),
        **cell.facts,
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
