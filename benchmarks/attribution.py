"""Benchmark of pixel maps: explain every image of a data set with one method and score the maps with every metric."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm

from benchmarks import rows
from benchmarks.batch import batch_size
from benchmarks.changed import CHANGES, Changed
from benchmarks.cost import measured
from benchmarks.environment import chosen_device, environment
from benchmarks.explained import CLEAN, Explained
from benchmarks.metrics.axiomatic import Completeness
from benchmarks.metrics.ranking import tied
from benchmarks.store import Store
from methods import Inapplicable

log = logging.getLogger(__name__)


class Evaluated(NamedTuple):
    """What one cell yields."""

    scores: pd.DataFrame  # one row per image and metric
    curves: pd.DataFrame  # image, metric, fraction, value
    gallery: dict[str, np.ndarray]  # the first images with their maps


@dataclass(frozen=True)
class Attribution:
    """Explain the `target` class, predicted or label, of every image; keep the first `gallery` maps for figures.

    `background` other images of the data set stand for the absence of evidence where a method asks for them. `change`
    alters the maps before they are scored, see `benchmarks.changed`.
    """

    target: str
    change: str
    gallery: int
    background: int

    def __post_init__(self) -> None:
        if self.target not in ("predicted", "label"):
            raise ValueError(f"benchmark.target needs predicted or label; {self.target!r} was given")
        if self.change not in CHANGES:
            raise ValueError(f"benchmark.change needs one of {', '.join(CHANGES)}; {self.change!r} was given")
        for name in ("gallery", "background"):
            if type(value := getattr(self, name)) is not int or value < 1:
                raise ValueError(f"benchmark.{name} needs a whole number >= 1; {value!r} was given")

    def __call__(self, cfg: DictConfig) -> Evaluated:
        """Compute one cell."""
        device = chosen_device(cfg.device, cfg.threads)
        dataset = instantiate(cfg.dataset, _convert_="all")
        network = instantiate(cfg.model, _convert_="all")(getattr(dataset, "fitted_on", dataset))
        size = network.input_size * getattr(dataset, "tiles_per_side", 1)  # a mosaic has tiles of the input size
        model = network.module.to(device, memory_format=torch.channels_last)  # the faster layout for convolutions
        images = dataset.test(size)
        cfg = OmegaConf.merge(cfg, {"batch_size": batch_size(cfg.batch_size, model, size, device)})
        method = instantiate(cfg.method, _convert_="all")
        metrics = {name: instantiate(node, _convert_="all") for name, node in cfg.metric.items()}
        if getattr(method, "complete", ""):  # whoever is ranked has been asked whether its law holds
            metrics.setdefault("completeness", Completeness())
        mean, std = (torch.tensor(v, dtype=torch.float32, device=device) for v in (network.mean, network.std))
        others = torch.zeros(0, 3, size, size)
        if "background" in getattr(method, "needs", ()) and hasattr(dataset, "background"):
            others = dataset.background(size, self.background)
        background = (others.to(device) - mean[:, None, None]) / std[:, None, None]

        store = Store(shared_folder(), model, f"{network.digest} {network.mean} {network.std}", device)
        scores, curves, gallery = [], [], []
        for batch in batches(images, cfg.batch_size):
            x = (batch.pixels.to(device) - mean[:, None, None]) / std[:, None, None]
            logits = store((x,), CLEAN, partial(model, x))
            target, mask = self.question(logits, batch)
            explained = Explained(
                model=model, method=self.asked(method, logits.shape[1], cfg.seed), x=x,
                target=target, maps=torch.empty(0), mask=mask, mean=mean, std=std,
                background=background, store=store,
            )  # fmt: skip
            with measured(model, device) as cost:
                try:
                    maps = explained.explain()
                except Inapplicable as reason:
                    log.warning("skipped: %s", reason)
                    scores, curves, gallery = [rows.inapplicable(metrics, str(reason))], [], []
                    break
            check(maps, mask, method)
            explained = replace(explained, maps=maps)
            explained.for_all(CLEAN, lambda logits=logits: logits)
            identity = {
                "image": batch.image,
                "label": batch.label.numpy(),
                "predicted": logits.argmax(1).cpu().numpy(),
                "target": target.cpu().numpy(),
                "tied": tied(maps).cpu().numpy(),
            }
            asked = identity | rows.per_image(cost, len(x), "explain_")
            for name, metric in metrics.items():
                scores.append(rows.scored(metric, explained).assign(metric=name, **asked))
                if hasattr(metric, "curve") and scores[-1].status[0] != "failed":
                    curves.append(rows.curve(metric, explained, batch.image).assign(metric=name))
            shown = self.gallery - sum(len(g["image"]) for g in gallery)
            if shown > 0:
                gallery.append(rows.first_images(batch, explained, dataset.classes, method.signed, shown))

        if not scores:
            raise ValueError(f"{cfg.dataset._target_.rpartition('.')[2]} gives no image to explain")
        table = pd.concat(scores, ignore_index=True)
        place = {name: i for i, name in enumerate(metrics)}  # rows in one order, whatever the batches
        table = table.sort_values("metric", key=lambda names: names.map(place), kind="stable", ignore_index=True)
        facts = {"group": method.group, "weights": network.digest, "device": device.type, **environment()}
        table = table.assign(**facts).join(rows.declared(metrics, cfg.metric, self.target), on="metric")
        return Evaluated(
            table,
            pd.concat(curves, ignore_index=True)
            if curves
            else pd.DataFrame(columns=["image", "fraction", "value", "metric"]),
            {key: np.concatenate([g[key] for g in gallery]) for key in (gallery[0] if gallery else ())},
        )

    def asked(self, method: Callable, classes: int, seed: int) -> Callable:
        """Return the method, changed where that is asked for."""
        return method if self.change == "none" else Changed(method, self.change, classes, seed)

    def question(self, logits: Tensor, batch: rows.Batch) -> tuple[Tensor, Tensor]:
        """Return the class to explain (n,) and its mask (n, h, w)."""
        label = batch.label.to(logits.device)
        wrong = (label >= logits.shape[1]) | ((label < 0) & (self.target == "label"))
        if wrong.any():
            i = int(wrong.nonzero()[0])
            raise ValueError(
                f"image {batch.image[i]} needs a class index from 0 to {logits.shape[1] - 1}, the model's classes; "
                f"{'it has none' if label[i] < 0 else f'{label[i]} was given'}"
            )
        target = logits.argmax(1) if self.target == "predicted" else label
        # The mask marks the label's object: it is the truth only where that class is explained.
        return target, batch.mask.to(logits.device) & ((label == target) | (label < 0))[:, None, None]


def shared_folder() -> Path | None:
    """Return where the running sweep keeps what its methods share, hidden from those who collect scores."""
    return Path(HydraConfig.get().sweep.dir) / ".shared" if HydraConfig.initialized() else None


def batches(images: object, size: int) -> Iterator[rows.Batch]:
    """Give the data set in order, with a bar on a terminal."""
    for image, pixels, label, mask in tqdm(DataLoader(images, size), unit="batch", leave=False, disable=None):
        yield rows.Batch(list(image), pixels, label, mask)


def check(maps: Tensor, mask: Tensor, method: Callable) -> None:
    """Refuse maps that break the contract, whoever wrote the method."""
    if maps.shape != mask.shape or not maps.isfinite().all():
        given = "values that are not finite" if maps.shape == mask.shape else f"shape {tuple(maps.shape)}"
        name, need = type(method).__name__, tuple(mask.shape)
        raise ValueError(f"{name} needs to give finite maps of shape {need}; it gave {given}")
