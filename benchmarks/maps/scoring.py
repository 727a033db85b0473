"""Methods and metrics of maps from Python: the entries of conf/ by name, and scores of maps of any origin."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import torch
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch import Tensor, nn

from benchmarks import rows
from benchmarks.batches import batch_size
from benchmarks.cell import own, shown, text
from benchmarks.command import CONF, sentence
from benchmarks.contracts import classified, frozen, photographed, say_once
from benchmarks.explained import CLEAN, Explained
from benchmarks.maps.benchmark import flaw, scored
from benchmarks.preparation import of_kind
from benchmarks.store import Store
from entries import scores, stated
from methods.stored import Stored

Maps = Tensor | np.ndarray


def method(name: str, *settings: str) -> Callable[..., Tensor]:
    """Return a method of conf/method with the values of its file: `method("rise", "method.masks=500")`.

    It is called with a model in eval mode with frozen parameters, images (n, 3, h, w) normalised for it, and classes
    (n,); it gives maps (n, h, w). `settings` are typed as on the command line. Without a setting, methods that read a
    layer find it themselves, and at most 16 images go through the network at once.
    """
    return instantiate(composed("model=timm", f"method={name}", "batch_size=16", *settings).method, _convert_="all")


def score(
    model: nn.Module,
    x: Maps,
    target: Maps | Sequence[int],
    maps: Maps,
    metrics: Collection[str],
    *,
    mask: Maps | None = None,
    method: Callable[..., Tensor] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    settings: Collection[str] = (),
) -> pd.DataFrame:
    """Score maps (n, h, w) of any origin: a row for each metric and image, with status, reason, cost and facts.

    `x` are the images (n, 3, h, w), float32, normalised by `mean` and `std`; without these, by those that a timm model
    states, or else ImageNet's. `target` (n,) are the classes that the maps explain. `metrics` are names as they are
    typed for a sweep, such as "deletion" and "set/all", with the values of their files; `settings` change these:
    ["metric.deletion.steps=32", "seed=1"]. Metrics of localisation need `mask` (n, h, w) of bool, and metrics that
    explain anew need the `method`, called with (model, x, target).
    """
    frozen(model, type(model).__name__)
    x, target, maps = map(tensor, (x, target, maps))
    shape, (mean, std) = (len(x), *x.shape[2:]), normalisation(model, mean, std)
    masks = torch.zeros(shape, dtype=torch.bool) if mask is None else tensor(mask)
    target = target if target.is_floating_point() else target.long()
    target, maps, masks = (given.to(x.device) for given in (target, maps, masks))
    colours = (torch.tensor(values, dtype=torch.float32, device=x.device) for values in (mean, std))
    given = (model, method or Stored(None), x, target, maps.float(), masks, *colours, x[:0])
    explained = Explained(*given, store=Store(None, model, "", x.device))
    place = f"score with mean={mean} and std={std}"
    photographed([*map(str, range(len(x)))], explained.pixels(), target, explained.mask, place)
    if said := flaw(explained.maps, shape):
        raise ValueError(f"score needs finite maps {shape}, one value for each pixel; it was given {said}")
    batch = batch_size("auto", model, max(shape[1:]), x.device)
    names = metrics if isinstance(metrics, str) else ",".join(metrics)
    cfg = composed(f"metric=[{names}]", f"batch_size={batch}", *settings)
    entries = {name: stated(instantiate(node, _convert_="all"), scores, name) for name, node in cfg.metric.items()}
    of_kind("maps", entries)
    for need, word, argument in (("explain", "method", method), ("mask", "mask", mask)):
        if lost := [name for name, metric in entries.items() if argument is None and need in metric.needs]:
            raise ValueError(f"score needs {word}=... for {', '.join(lost)}")
    tables = []
    for places in torch.arange(len(x)).split(batch):
        part = {name: getattr(explained, name)[places.to(x.device)] for name in ("x", "target", "maps", "mask")}
        part = replace(explained, **part, shared={})
        known(part)
        tables += scored(entries, part, places.tolist())[0]
    nodes = OmegaConf.to_container(cfg.metric, resolve=True)
    values = {name: text(shown(own(node, cfg.seed))) for name, node in nodes.items()}
    return rows.ordered(tables, entries).join(rows.facts(entries, values), on="metric")


def tensor(given: Maps | Sequence) -> Tensor:
    """Return a copy without its graph: of an array that must not be written to, or of a tensor of inference mode."""
    return given.detach().clone() if isinstance(given, Tensor) else torch.from_numpy(np.array(given))


def known(explained: Explained) -> None:
    """Pass a batch through its network once for all metrics; refuse classes that the network does not have."""
    logits = explained.store((explained.x,), CLEAN, partial(explained.logits, explained.x))
    classes = classified(logits, len(explained.x), type(explained.model).__name__).shape[1]
    if other := [k for k in explained.target.tolist() if not 0 <= k < classes]:
        raise ValueError(f"score needs classes from 0 to {classes - 1}; {other[0]} was given")
    explained.once(("for all", CLEAN), lambda: logits)


def normalisation(model: nn.Module, mean: Sequence | None, std: Sequence | None) -> tuple[tuple, tuple]:
    """Return the mean and the standard deviation that are given, or a timm model's own, or ImageNet's, and say so."""
    config = getattr(model, "pretrained_cfg", {})
    if not config and (mean is None or std is None):
        say_once(type(model).__name__, "does not state mean=... and std=... of its images; ImageNet's are taken")
    mean = config.get("mean", IMAGENET_DEFAULT_MEAN) if mean is None else mean
    std = config.get("std", IMAGENET_DEFAULT_STD) if std is None else std
    return tuple(map(float, mean)), tuple(map(float, std))


def composed(*overrides: str) -> DictConfig:
    """Return the config that a command with these settings would get, also within a program that runs Hydra itself."""
    running, GlobalHydra.instance().hydra = GlobalHydra.instance().hydra, None
    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            return compose("config", [*overrides])
    except HydraException as error:
        raise ValueError(sentence(error)) from error
    finally:
        GlobalHydra.instance().hydra = running
