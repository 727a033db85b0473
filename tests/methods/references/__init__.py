"""What each method is checked against: its reference, computed another way on the same network in float64."""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from typing import NamedTuple

from torch import Tensor, nn


class Reference(NamedTuple):
    """An independent computation of a method's maps (n, h, w), and where it comes from."""

    source: str  # "captum", "zennit", "pytorch-grad-cam", "scipy", ..., "float64 derivation"
    maps: Callable[[object, nn.Module, Tensor, Tensor], Tensor]  # (method, model, x, target)
    inapplicable: Mapping[str, str] = {}  # architecture: what the refusal must say


def references() -> dict[str, Reference]:
    """Every method's reference, from the modules of this package."""
    found: dict[str, Reference] = {}
    for module in pkgutil.iter_modules(__path__):
        ours = importlib.import_module(f"{__name__}.{module.name}").REFERENCES
        assert not found.keys() & ours.keys()
        found |= ours
    return found
