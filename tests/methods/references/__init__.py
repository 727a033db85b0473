"""What each method is checked against: its reference, computed another way on the same network in float64."""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy
from torch import Tensor, nn


class Reference(NamedTuple):
    """An independent computation of a method's maps (n, h, w), and where it comes from."""

    source: str  # "captum", "zennit", "pytorch-grad-cam", "scipy", ..., "float64 derivation"
    maps: Callable[[object, nn.Module, Tensor, Tensor], Tensor]  # (method, model, x, target)
    inapplicable: Mapping[str, str] = {}  # architecture: what the refusal must say


def interpolation(cells: int, pixels: int) -> numpy.ndarray:
    """Linear interpolation (pixels, cells) between the centres of cells, constant beyond the last."""
    centres, points = (numpy.arange(cells) + 0.5) / cells, (numpy.arange(pixels) + 0.5) / pixels
    return numpy.stack([numpy.interp(points, centres, row) for row in numpy.eye(cells)], 1)


def references() -> dict[str, Reference]:
    """Every method's reference, from the modules of this package."""
    everything: dict[str, Reference] = {}
    for module in pkgutil.iter_modules(__path__):
        some = importlib.import_module(f"{__name__}.{module.name}").REFERENCES
        assert not everything.keys() & some.keys()
        everything |= some
    return everything
