"""A classifier whose evidence is known pixel by pixel, to check methods and metrics against."""

from collections import OrderedDict
from dataclasses import dataclass
from numbers import Real
from typing import ClassVar

import torch
from torch import nn

from models.zoo import Network, digest


@dataclass(frozen=True)
class Planted:
    """Class k scores scale * mean(relu(channel k - threshold)): red, green and blue, pixel by pixel.

    A pixel at or below `threshold` in channel k has no evidence for class k, and a gradient of exactly 0. The
    convolution is 1x1, so no evidence moves to a neighbour. There are no weights to load: the class is its definition.
    """

    classes: ClassVar[tuple[str, ...]] = ("red", "green", "blue")

    threshold: float
    scale: float
    last_conv: str
    input_size: int

    def __post_init__(self) -> None:
        for name, kind, good, needed in (
            ("threshold", Real, lambda value: 0 <= value < 1, "a number in [0, 1)"),
            ("scale", Real, lambda value: value > 0, "a number > 0"),
            ("input_size", int, lambda value: value >= 16, "a whole number >= 16"),
            ("last_conv", str, lambda value: value == "features", "features, its only such layer"),
        ):
            value = getattr(self, name)
            if not isinstance(value, kind) or isinstance(value, bool) or not good(value):
                raise ValueError(f"Planted needs {name} to be {needed}; {name}={value} was given")

    def __call__(self, dataset: object) -> Network:
        """Build the network; a data set with another number of classes is refused."""
        k = len(self.classes)
        if len(dataset.classes) not in (0, k):
            raise ValueError(
                f"Planted has the {k} classes {', '.join(self.classes)}; "
                f"{type(dataset).__name__} has {len(dataset.classes)}"
            )
        features = nn.Sequential(OrderedDict(conv=nn.Conv2d(k, k, 1), relu=nn.ReLU()))
        head = nn.Linear(k, k, bias=False)
        pool = nn.AdaptiveAvgPool2d(1)
        module = nn.Sequential(OrderedDict(features=features, pool=pool, flat=nn.Flatten(), head=head))
        with torch.no_grad():
            nn.init.dirac_(features.conv.weight)
            features.conv.bias.fill_(-self.threshold)
            head.weight.copy_(self.scale * torch.eye(k))
        module.eval().requires_grad_(False)
        return Network(module, (0.0,) * k, (1.0,) * k, self.input_size, digest(module.state_dict()))
