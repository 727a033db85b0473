"""A classifier whose evidence is known for each pixel, to check methods and metrics."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from entries import number, positive, refuse, whole
from models.zoo import Network, digest


@dataclass(frozen=True)
class Planted:
    """A network whose logit k is scale * mean(relu(channel k - threshold)), for the classes red, green and blue.

    A pixel at or below `threshold` in channel k has no evidence for class k, and a gradient of exactly 0. The
    convolution is 1x1, so no evidence moves to a neighbour. The weights are computed here, not loaded.
    """

    classes: ClassVar[tuple[str, ...]] = ("red", "green", "blue")

    threshold: float
    scale: float
    last_conv: str
    input_size: int

    def __post_init__(self) -> None:
        number(self, "threshold", "in [0, 1)", lambda threshold: 0 <= threshold < 1)
        positive(self, "scale")
        whole(self, input_size=16)
        if self.last_conv != "features":
            refuse(self, "last_conv", "features, its only such layer, as last_conv")

    def __call__(self, dataset: object) -> Network:
        """Build the network; a data set with another number of classes is refused."""
        k = len(self.classes)
        if len(dataset.classes) not in (0, k):
            own = f"Planted has the {k} classes {', '.join(self.classes)}"
            raise ValueError(f"{own}; {type(dataset).__name__} has {len(dataset.classes)}")
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
