"""What every kind of benchmark starts from: data, network, method and metrics of a cell; and the table it ends with."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from benchmarks import rows
from benchmarks.batch import batch_size
from benchmarks.environment import chosen_device, environment
from benchmarks.explained import CLEAN, Explained
from benchmarks.store import Store

Metric = Callable[..., Tensor]


class Evaluated(NamedTuple):
    """What one cell yields."""

    scores: pd.DataFrame  # one row per image and metric
    curves: pd.DataFrame  # image, metric, fraction, value
    gallery: dict[str, np.ndarray]  # the first images with their maps


@dataclass(frozen=True, eq=False)
class Prepared:
    """One cell, ready to be computed; images are normalised for its network."""

    cfg: DictConfig
    device: torch.device
    dataset: object
    network: object  # models.zoo.Network
    model: nn.Module  # the network's module on the device
    size: int  # pixels along a side
    method: Callable[..., Tensor]
    metrics: dict[str, Metric]
    mean: Tensor  # (3,)
    std: Tensor  # (3,)
    background: Tensor  # (m, 3, h, w), other images of the data set; none where it gives none
    store: Store

    def batches(self) -> Iterator[tuple[rows.Batch, Tensor, Tensor]]:
        """Give the data set in order, with its normalised images and their logits; a bar on a terminal."""
        # A generator of its own: without one, a loader draws from the global state.
        loader = DataLoader(self.dataset.test(self.size), self.cfg.batch_size, generator=torch.Generator())
        for image, pixels, label, mask in tqdm(loader, unit="batch", leave=False, disable=None):
            x = self.normalised(pixels.to(self.device))
            yield rows.Batch(list(image), pixels, label, mask), x, self.store((x,), CLEAN, partial(self.model, x))

    def normalised(self, pixels: Tensor) -> Tensor:
        """Map pixels in [0, 1] to the network's input space."""
        return (pixels - self.mean[:, None, None]) / self.std[:, None, None]

    def explained(self, batch: rows.Batch, x: Tensor, logits: Tensor, asked: str, method: Callable) -> Explained:
        """Return the batch as metrics see it, before it has maps; `asked` is predicted or label."""
        target, mask = question(logits, batch, asked)
        return Explained(
            model=self.model, method=method, x=x, target=target, maps=torch.empty(0), mask=mask,
            mean=self.mean, std=self.std, background=self.background, store=self.store,
        )  # fmt: skip

    def table(self, scores: list[pd.DataFrame], asked: str) -> pd.DataFrame:
        """Return all rows in the order of the metrics, whatever the batches were, with the facts of the cell."""
        if not scores:
            raise ValueError(f"{self.cfg.dataset._target_.rpartition('.')[2]} gives no image to explain")
        table = pd.concat(scores, ignore_index=True)
        place = {name: i for i, name in enumerate(self.metrics)}
        table = table.sort_values("metric", key=lambda names: names.map(place), kind="stable", ignore_index=True)
        facts = {"group": self.method.group, "weights": self.network.digest, "input_size": self.size}
        facts |= {"device": self.device.type, **environment()}
        return table.assign(**facts).join(rows.declared(self.metrics, self.cfg.metric, asked), on="metric")


def prepared(cfg: DictConfig, background: int, needed: bool = False) -> Prepared:
    """Read a cell; `background` images are drawn where the method, or the benchmark itself, has `needed` them."""
    device = chosen_device(cfg.device, cfg.threads)
    dataset = instantiate(cfg.dataset, _convert_="all")
    network = instantiate(cfg.model, _convert_="all")(getattr(dataset, "fitted_on", dataset))
    size = network.input_size * getattr(dataset, "tiles_per_side", 1)  # a mosaic has tiles of the input size
    model = network.module.to(device, memory_format=torch.channels_last)  # the faster layout for convolutions
    cfg = OmegaConf.merge(cfg, {"batch_size": batch_size(cfg.batch_size, model, size, device)})
    method = instantiate(cfg.method, _convert_="all")
    mean, std = (torch.tensor(v, dtype=torch.float32, device=device) for v in (network.mean, network.std))
    others = torch.zeros(0, 3, size, size)
    if (needed or "background" in getattr(method, "needs", ())) and hasattr(dataset, "background"):
        others = dataset.background(size, background)
    return Prepared(
        cfg=cfg, device=device, dataset=dataset, network=network, model=model, size=size, method=method,
        metrics={name: instantiate(node, _convert_="all") for name, node in cfg.metric.items()},
        mean=mean, std=std, background=(others.to(device) - mean[:, None, None]) / std[:, None, None],
        store=Store(shared_folder(), model, f"{network.digest} {network.mean} {network.std}", device),
    )  # fmt: skip


def question(logits: Tensor, batch: rows.Batch, asked: str) -> tuple[Tensor, Tensor]:
    """Return the class to explain (n,), predicted or label, and its mask (n, h, w)."""
    label = batch.label.to(logits.device)
    wrong = (label >= logits.shape[1]) | ((label < 0) & (asked == "label"))
    if wrong.any():
        i = int(wrong.nonzero()[0])
        raise ValueError(
            f"image {batch.image[i]} needs a class index from 0 to {logits.shape[1] - 1}, the model's classes; "
            f"{'it has none' if label[i] < 0 else f'{label[i]} was given'}"
        )
    target = logits.argmax(1) if asked == "predicted" else label
    # The mask marks the label's object: it is the truth only where that class is explained.
    return target, batch.mask.to(logits.device) & ((label == target) | (label < 0))[:, None, None]


def shared_folder() -> Path | None:
    """Return where the running sweep keeps what its methods share, hidden from those who collect scores."""
    return Path(HydraConfig.get().sweep.dir) / ".shared" if HydraConfig.initialized() else None
