"""Representations of images: the features (n, c) of every layer of a network, and of controls of the same widths.

`representation(network, x)` gives a list of features on the CPU for images x (n, 3, h, w), normalised for the network.
"""

from functools import partialmethod

import torch
from torch import Tensor

from entries import explains, whole
from methods.layers.layered import Layered


@explains("structure", cites="", class_specific=False, passes=(1, 0))
class Network:
    """Features of the network itself."""

    def __call__(self, network: Layered, x: Tensor) -> list[Tensor]:
        return network.features(x)


@explains("control", cites="", class_specific=False, passes=(1, 0))
class Untrained:
    """Control: features of the same architecture with its initial weights drawn anew.

    They show what architecture and images alone do to a score: random networks are alike because their inputs are.
    """

    seed: int
    __post_init__ = partialmethod(whole, seed=0)

    def __call__(self, network: Layered, x: Tensor) -> list[Tensor]:
        return network.untrained(self.seed).features(x)


@explains("control", cites="", class_specific=False, passes="1 image in all, which shows the widths of the layers")
class Gaussian:
    """Control: random normal features, as many in each layer as the network has, that ignore the images.

    They show what the number of images and channels alone does to a score.
    """

    seed: int
    __post_init__ = partialmethod(whole, seed=0)

    def __call__(self, network: Layered, x: Tensor) -> list[Tensor]:
        rng = torch.Generator().manual_seed(self.seed)
        return [torch.randn(len(x), f.shape[1], generator=rng) for f in network.features(x[:1])]
