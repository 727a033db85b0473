"""Benchmark of pixel maps: explain every image of a data set with one method and score the maps with every metric."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from benchmarks.batch import batch_size
from benchmarks.cost import Cost, measured
from benchmarks.environment import chosen_device, environment
from benchmarks.explained import Explained
from benchmarks.metrics.axiomatic import Completeness
from methods import Inapplicable

log = logging.getLogger(__name__)


class Evaluated(NamedTuple):
    """What one cell yields."""

    scores: pd.DataFrame  # one row per image and metric
    curves: pd.DataFrame  # image, metric, fraction, value
    gallery: dict[str, np.ndarray]  # the first images with their maps


class Batch(NamedTuple):
    """Images of the data set, in pixel space."""

    image: list[str]
    pixels: Tensor  # (n, 3, h, w) float32 in [0, 1]
    label: Tensor  # (n,) int64, -1 where unknown
    mask: Tensor  # (n, h, w) bool


@dataclass(frozen=True)
class Attribution:
    """Explain the `target` class, predicted or label, of every image; keep the first `gallery` maps for figures.

    `background` other images of the data set stand for the absence of evidence where a method asks for them.
    """

    target: str
    gallery: int
    background: int

    def __post_init__(self) -> None:
        if self.target not in ("predicted", "label"):
            raise ValueError(f"benchmark.target needs predicted or label; {self.target!r} was given")
        for name in ("gallery", "background"):
            if type(value := getattr(self, name)) is not int or value < 1:
                raise ValueError(f"benchmark.{name} needs a whole number >= 1; {value!r} was given")

    def __call__(self, cfg: DictConfig) -> Evaluated:
        """Compute one cell."""
        device = chosen_device(cfg.device, cfg.threads)
        dataset = instantiate(cfg.dataset, _convert_="all")
        network = instantiate(cfg.model, _convert_="all")(dataset)
        model = network.module.to(device, memory_format=torch.channels_last)  # the faster layout for convolutions
        images = dataset.test(network.input_size)
        cfg = OmegaConf.merge(cfg, {"batch_size": batch_size(cfg.batch_size, model, network.input_size, device)})
        method = instantiate(cfg.method, _convert_="all")
        metrics = {name: instantiate(node, _convert_="all") for name, node in cfg.metric.items()}
        if getattr(method, "complete", ""):  # whoever is ranked has been asked whether its law holds
            metrics.setdefault("completeness", Completeness())
        mean, std = (torch.tensor(v, dtype=torch.float32, device=device) for v in (network.mean, network.std))
        others = torch.zeros(0, 3, network.input_size, network.input_size)
        if "background" in getattr(method, "needs", ()) and hasattr(dataset, "background"):
            others = dataset.background(network.input_size, self.background)
        background = (others.to(device) - mean[:, None, None]) / std[:, None, None]

        scores, curves, gallery = [], [], []
        for batch in batches(images, cfg.batch_size):
            x = (batch.pixels.to(device) - mean[:, None, None]) / std[:, None, None]
            logits, target, mask = self.question(model, x, batch)
            explained = Explained(
                model=model, method=method, x=x, target=target, maps=torch.empty(0), mask=mask, mean=mean, std=std,
                background=background,
            )  # fmt: skip
            with measured(model, device) as cost:
                try:
                    maps = explained.explain()
                except Inapplicable as reason:
                    log.warning("skipped: %s", reason)
                    scores, curves, gallery = [inapplicable(metrics, str(reason))], [], []
                    break
            check(maps, mask, method)
            explained = replace(explained, maps=maps)
            explained.once("clean logits", lambda logits=logits: logits)
            identity = {
                "image": batch.image,
                "label": batch.label.numpy(),
                "predicted": logits.argmax(1).cpu().numpy(),
                "target": target.cpu().numpy(),
            }
            asked = identity | per_image(cost, len(x), "explain_")
            for name, metric in metrics.items():
                scores.append(scored(metric, explained).assign(metric=name, **asked))
                if hasattr(metric, "curve") and scores[-1].status[0] != "failed":
                    curves.append(curve(metric, explained, batch.image).assign(metric=name))
            shown = self.gallery - sum(len(g["image"]) for g in gallery)
            if shown > 0:
                gallery.append(first_images(batch, explained, dataset.classes, method.signed, shown))

        if not scores:
            raise ValueError(f"{cfg.dataset._target_.rpartition('.')[2]} gives no image to explain")
        table = pd.concat(scores, ignore_index=True)
        place = {name: i for i, name in enumerate(metrics)}  # rows in one order, whatever the batches
        table = table.sort_values("metric", key=lambda names: names.map(place), kind="stable", ignore_index=True)
        facts = {"group": method.group, "weights": network.digest, "device": device.type, **environment()}
        table = table.assign(**facts).join(declared(metrics, cfg.metric, self.target), on="metric")
        return Evaluated(
            table,
            pd.concat(curves, ignore_index=True)
            if curves
            else pd.DataFrame(columns=["image", "fraction", "value", "metric"]),
            {key: np.concatenate([g[key] for g in gallery]) for key in (gallery[0] if gallery else ())},
        )

    @torch.no_grad()
    def question(self, model: nn.Module, x: Tensor, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Return the logits (n, k), the class to explain (n,) and its mask (n, h, w)."""
        logits, label = model(x), batch.label.to(x.device)
        wrong = (label >= logits.shape[1]) | ((label < 0) & (self.target == "label"))
        if wrong.any():
            i = int(wrong.nonzero()[0])
            raise ValueError(
                f"image {batch.image[i]} needs a class index from 0 to {logits.shape[1] - 1}, the model's classes; "
                f"{'it has none' if label[i] < 0 else f'{label[i]} was given'}"
            )
        target = logits.argmax(1) if self.target == "predicted" else label
        # The mask marks the label's object: it is the truth only where that class is explained.
        return logits, target, batch.mask.to(x.device) & ((label == target) | (label < 0))[:, None, None]


def batches(images: object, size: int) -> Iterator[Batch]:
    """Give the data set in order, with a bar on a terminal."""
    for image, pixels, label, mask in tqdm(DataLoader(images, size), unit="batch", leave=False, disable=None):
        yield Batch(list(image), pixels, label, mask)


def check(maps: Tensor, mask: Tensor, method: Callable) -> None:
    """Refuse maps that break the contract, whoever wrote the method."""
    if maps.shape != mask.shape or not maps.isfinite().all():
        given = "values that are not finite" if maps.shape == mask.shape else f"shape {tuple(maps.shape)}"
        name, need = type(method).__name__, tuple(mask.shape)
        raise ValueError(f"{name} needs to give finite maps of shape {need}; it gave {given}")


def scored(metric: Callable, explained: Explained) -> pd.DataFrame:
    """Return score, status, reason and cost per image; a metric that fails loses its own rows only."""
    n, reason = len(explained.x), metric.undefined
    with measured(explained.model, explained.x.device) as cost:
        try:
            score, failed = metric(explained).double().cpu().numpy(), False
        except Exception as error:  # whatever a metric raises, the cell's other scores are kept
            score, failed = np.full(n, np.nan), True
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            log.warning("%s failed: %s", type(metric).__name__, reason)
    if "mask" in getattr(explained.method, "needs", ()):  # without a mask the truth is unknown, not empty
        known = explained.mask.flatten(1).any(1).cpu().numpy()
        score, reason = np.where(known, score, np.nan), np.where(known, reason, "the image has no mask of the class")
    defined = np.isfinite(score)
    status = np.where(defined, "ok", "failed" if failed else "undefined")
    return pd.DataFrame({"score": np.where(defined, score, np.nan), "status": status,
                         "reason": np.where(defined, "", reason), **per_image(cost, n)})  # fmt: skip


def inapplicable(metrics: dict[str, Callable], reason: str) -> pd.DataFrame:
    """Return one row per metric that says why the cell has no scores."""
    cost = per_image(Cost(), 1) | per_image(Cost(), 1, "explain_")
    nobody = {"image": "", "label": -1, "predicted": -1, "target": -1, "score": np.nan}
    return pd.DataFrame({"metric": list(metrics)}).assign(**nobody, **cost, status="inapplicable", reason=reason)


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
    facts = [(m.category, protocol[name], m.version, m.higher_is_better) for name, m in metrics.items()]
    return pd.DataFrame(facts, index=list(metrics), columns=["category", "protocol", "version", "higher_is_better"])


def first_images(batch: Batch, e: Explained, classes: tuple[str, ...], signed: bool, n: int) -> dict[str, np.ndarray]:
    """Return what the gallery figure draws of the first `n` images of the batch."""
    names = [classes[t] if t < len(classes) else str(t) for t in e.target[:n].tolist()]
    return {
        "image": np.array(batch.image[:n], dtype=str),
        "pixels": (batch.pixels[:n] * 255).round().byte().permute(0, 2, 3, 1).numpy(),
        "maps": e.maps[:n].cpu().numpy(),
        "mask": batch.mask[:n].numpy(),
        "signed": np.full(len(names), signed),
        "target": np.array(names, dtype=str),
    }
