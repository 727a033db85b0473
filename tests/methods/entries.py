"""The methods as composed from conf/, at a small budget, and what they are called with."""

from dataclasses import fields, replace
from functools import cache

import torch
from hydra.utils import get_class, instantiate
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from tests.conftest import CONF, METHODS, composed
from tests.methods import networks

BUDGET = {"steps": 3, "samples": 3, "masks": 5, "iterations": 3}
BUDGET |= {"grid": 3, "window": 0.5, "stride": 0.25, "cells": 9, "jitter": 0.05, "batch": 8}


@cache
def kind(name: str) -> type:
    """The class behind a method's name."""
    return get_class(OmegaConf.load(CONF / "method" / f"{name}.yaml")._target_)


def having(field: str) -> list[str]:
    """The names of the methods that have this field."""
    return [name for name in METHODS if field in kind(name).__dataclass_fields__]


@cache
def config(seed: int, *overrides: str) -> DictConfig:
    """What the settings of methods refer to."""
    cfg = composed("model=planted", "batch_size=8", f"seed={seed}", *overrides)
    OmegaConf.set_struct(cfg, False)
    return cfg


@cache
def entry(name: str, seed: int = 0):
    """The method at a small budget. Only a method that has defaults of its own is composed alone."""
    node = OmegaConf.load(CONF / "method" / f"{name}.yaml")
    if "defaults" in node:
        method = instantiate(config(seed, f"method={name}").method)
    else:
        config(seed).method = node
        method = instantiate(config(seed).method)
    return replace(method, **{f.name: BUDGET[f.name] for f in fields(method) if f.name in BUDGET})


@cache
def configured(name: str):
    """The selector of paths as configured."""
    return instantiate(composed("benchmark=paths", f"selector={name}", "model=planted", "batch_size=8").selector)


def selector(name: str, **fields):
    """The selector with other values in these fields, and two draws if it draws."""
    draws = {"draws": 2} if hasattr(configured(name), "draws") else {}
    return replace(configured(name), **draws | fields)


def pointed(method, layer: str):
    """The method, reading a network's `layer` if it reads one."""
    return replace(method, layer=layer) if hasattr(method, "layer") else method


def explain(method, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
    """Call a method with all that it needs; an image's mask is where its first channel is positive."""
    box = torch.tensor([[-3.0], [3.0]]).expand(2, x.shape[1]).to(x)
    offered = {"mask": x[:, 0] > 0, "background": background(x), "box": box}
    return method(model, x, target, **{name: offered[name] for name in method.needs})


def background(x: Tensor) -> Tensor:
    """Five images of x's size, the same whatever x is."""
    rest, _ = networks.images(9, side=max(x.shape[2:]))
    return rest[4:, :, : x.shape[2], : x.shape[3]].to(x)


def logit(model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
    """The target's logit (n,)."""
    return model(x).gather(1, target[:, None])[:, 0]


def relative(maps: Tensor, wanted: Tensor) -> float:
    """The largest difference of two sets of maps (n, h, w), in units of each map's largest value."""
    error, scale = (values.abs().amax((1, 2)) for values in ((maps - wanted).double(), wanted.double()))
    return (error / scale).max().item() if torch.all(scale > 0) else float("nan")


def assert_near(maps: Tensor, wanted: Tensor, tolerance: float = 1e-4) -> None:
    """Equal within a fraction of each map's largest value, which is not 0."""
    assert maps.shape == wanted.shape
    error, scale = (values.abs().amax((1, 2)) for values in (maps - wanted, wanted))
    assert (error <= tolerance * scale).all() and (scale > 0).all()
