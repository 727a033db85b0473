"""Maps that ignore the model: controls that every method must beat, and the truth that no method can beat."""

from functools import partialmethod

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad

from entries import explains, needed, positive, whole


@explains("control", cites="", class_specific=False, passes=(0, 0))
class Uniform:
    """Independent uniform noise in [0, 1), the same for every image.

    A map is one draw, so its hit rate in the pointing game is that of one pixel. Sweep `seed` where this matters.
    """

    seed: int
    __post_init__ = partialmethod(whole, seed=0)

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        noise = torch.rand(x.shape[2:], generator=torch.Generator().manual_seed(self.seed))
        return noise.to(x).repeat(len(x), 1, 1)


@explains("control", cites="", class_specific=False, passes=(0, 0))
class Constant:
    """The value 1 at every pixel."""

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        return torch.ones_like(x[:, 0])


@explains("control", cites="", class_specific=False, passes=(0, 0))
class Edges:
    """Magnitude of the Sobel gradient of the mean over the channels, the image mirrored at its borders."""

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        across = torch.tensor([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]).to(x)
        grey = pad(x.detach().mean(1, keepdim=True), (1, 1, 1, 1), mode="reflect")
        return torch.linalg.vector_norm(conv2d(grey, torch.stack([across, across.T])[:, None]), dim=1)


@explains("control", cites="", class_specific=False, passes=(0, 0))
class BlurredEdges:
    """`Edges` smoothed by a Gaussian: a control for metrics of removal, which can reward mere blur.

    `sigma` is a fraction of each side. The kernel ends at four sigma, and the mirrored border keeps the map's sum.
    """

    sigma: float
    __post_init__ = partialmethod(positive, "sigma")

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        rows, columns = (self.weights(side).to(x) for side in x.shape[2:])
        return rows @ Edges()(model, x, target) @ columns.T

    def weights(self, side: int) -> Tensor:
        """Return the weight of each pixel of a side in each smoothed pixel, (side, side)."""
        sigma = self.sigma * side
        offset = torch.arange(-int(4 * sigma + 0.5), int(4 * sigma + 0.5) + 1)
        kernel = torch.exp(-0.5 * (offset / sigma).double() ** 2)
        place = (torch.arange(side)[:, None] + offset) % (2 * side)  # the mirrored image repeats after two sides
        place = torch.minimum(place, 2 * side - 1 - place)
        return torch.zeros(side, side).double().scatter_add_(1, place, (kernel / kernel.sum()).expand(side, -1))


@explains("control", cites="", class_specific=False, passes=(0, 0))
class Centre:
    """A Gaussian at the centre of the image; `sigma` is a fraction of each side."""

    sigma: float
    __post_init__ = partialmethod(positive, "sigma")

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        offsets = ((torch.arange(side, dtype=x.dtype) + 0.5) / side - 0.5 for side in x.shape[2:])
        row, column = (torch.exp(-0.5 * (offset / self.sigma) ** 2) for offset in offsets)
        return torch.outer(row, column).to(x.device).repeat(len(x), 1, 1)


@explains("control", cites="", class_specific=False, passes=(0, 0), needs=("mask",))
class Truth:
    """The mask of the object itself, the map of a perfect localiser."""

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
        return needed(self, "masks", mask).detach().to(x)
