"""The methods as composed from conf/, at a small budget, and what they are called with."""

from dataclasses import fields, replace
from functools import cache

import torch
from hydra.utils import instantiate
from torch import Tensor, nn

from tests.conftest import composed
from tests.methods import networks

BUDGET = {"steps": 3, "samples": 3, "masks": 5, "iterations": 3, "grid": 3, "window": 0.5, "stride": 0.25, "batch": 8}


@cache
def entry(name: str, seed: int = 0):
    """The method at a small budget."""
    method = instantiate(composed(f"method={name}", "model=planted", "batch_size=8", f"seed={seed}").method)
    return replace(method, **{f.name: BUDGET[f.name] for f in fields(method) if f.name in BUDGET})


def pointed(method, layer: str):
    """The method, reading a network's `layer` if it reads one."""
    return replace(method, layer=layer) if hasattr(method, "layer") else method


def explain(method, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
    """Call a method with all that it needs; an image's mask is where its first channel is positive."""
    box = torch.tensor([[-3.0], [3.0]]).expand(2, x.shape[1]).to(x)
    offered = {"mask": x[:, 0] > 0, "background": background(x), "box": box}
    return method(model, x, target, **{name: offered[name] for name in getattr(method, "needs", ())})


def background(x: Tensor) -> Tensor:
    """Five images of x's size, the same whatever x is."""
    rest, _ = networks.images(9, side=max(x.shape[2:]))
    return rest[4:, :, : x.shape[2], : x.shape[3]].to(x)


def relative(maps: Tensor, wanted: Tensor) -> float:
    """The largest difference of two sets of maps (n, h, w), in units of each map's largest value."""
    error, scale = (values.abs().amax((1, 2)) for values in ((maps - wanted).double(), wanted.double()))
    return (error / scale).max().item() if torch.all(scale > 0) else float("nan")
