"""Statistics of the input gradient on noisy copies of the image."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from methods.batching import within_batch
from methods.fields import number, whole
from methods.gradient import input_gradient


def noisy_gradients(method: object, model: nn.Module, x: Tensor, target: Tensor) -> Iterator[Tensor]:
    """Yield input gradients (s, n, c, h, w) on noisy images, `method.samples` of each image in all.

    The Gaussian noise has a standard deviation of `method.noise` times the range (largest less smallest value, in model
    units) of each image. All images, and all methods with the same seed, share the draws.
    """
    x, rng = x.detach(), torch.Generator().manual_seed(method.seed)
    scale = method.noise * (x.amax((1, 2, 3), keepdim=True) - x.amin((1, 2, 3), keepdim=True))
    many = method.batch // len(x)
    for start in range(0, method.samples, many):
        # one call per draw: a draw may not depend on how many fit into a pass
        draws = [torch.randn(x.shape[1:], generator=rng) for _ in range(min(many, method.samples - start))]
        noisy = x + scale * torch.stack(draws)[:, None].to(x)
        yield input_gradient(model, noisy.flatten(0, 1), target.repeat(len(draws))).view_as(noisy)


def check(method: object) -> None:
    """Refuse values of the fields that the methods below share."""
    whole(method, samples=1, seed=0, batch=1)
    number(method, "noise", ">= 0", lambda noise: noise >= 0)


@dataclass(frozen=True)
class SmoothGrad:
    """Largest absolute mean gradient over the channels, on noisy images [Smilkov et al. 2017].

    As in the paper the signed gradients are averaged, so noise of changing sign cancels; the absolute value comes
    afterwards, and no noise gives `Gradient`. The Gaussian noise has a standard deviation of `noise` times the range
    (largest less smallest value, in model units) of each image. All images share the same `samples` draws.
    """

    samples: int
    noise: float
    seed: int
    batch: int

    group: ClassVar[str] = "linearisation"
    signed: ClassVar[bool] = False
    stochastic: ClassVar[bool] = True
    class_specific: ClassVar[bool] = True
    complete: ClassVar[str] = ""
    cites: ClassVar[str] = "Smilkov et al. 2017"

    def __post_init__(self) -> None:
        check(self)

    @property
    def passes(self) -> tuple[int, int]:
        """Forward and backward passes of one image."""
        return self.samples, self.samples

    @within_batch
    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        total = torch.zeros_like(x)
        for gradients in noisy_gradients(self, model, x, target):
            total += gradients.sum(0)
        return total.abs().amax(1) / self.samples


@dataclass(frozen=True)
class SmoothGradSquared:
    """Largest mean squared gradient over the channels, on noisy images [Hooker et al. 2019].

    Noise and draws are `SmoothGrad`'s; no noise gives the square of `Gradient`. The largest of the channels is taken
    after the mean, as in `SmoothGrad`: the paper leaves the reduction open.
    """

    samples: int
    noise: float
    seed: int
    batch: int

    group: ClassVar[str] = "linearisation"
    signed: ClassVar[bool] = False
    stochastic: ClassVar[bool] = True
    class_specific: ClassVar[bool] = True
    complete: ClassVar[str] = ""
    cites: ClassVar[str] = "Hooker et al. 2019"

    def __post_init__(self) -> None:
        check(self)

    @property
    def passes(self) -> tuple[int, int]:
        """Forward and backward passes of one image."""
        return self.samples, self.samples

    @within_batch
    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        total = torch.zeros_like(x)
        for gradients in noisy_gradients(self, model, x, target):
            total += gradients.square().sum(0)
        return total.amax(1) / self.samples


@dataclass(frozen=True)
class VarGrad:
    """Largest variance of the gradient over the channels, on noisy images [Adebayo et al. 2018].

    Noise and draws are `SmoothGrad`'s. It is the population's variance (divided by `samples`), so that
    `SmoothGradSquared` is a channel's variance plus its squared mean; one sample, or no noise, gives 0. Deviations from
    a running mean are summed, since the difference of the two moments would be rounding where the mean is large.
    """

    samples: int
    noise: float
    seed: int
    batch: int

    group: ClassVar[str] = "linearisation"
    signed: ClassVar[bool] = False
    stochastic: ClassVar[bool] = True
    class_specific: ClassVar[bool] = True
    complete: ClassVar[str] = ""
    cites: ClassVar[str] = "Adebayo et al. 2018"

    def __post_init__(self) -> None:
        check(self)

    @property
    def passes(self) -> tuple[int, int]:
        """Forward and backward passes of one image."""
        return self.samples, self.samples

    @within_batch
    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        count, mean, squares = 0, torch.zeros_like(x), torch.zeros_like(x)
        for gradients in noisy_gradients(self, model, x, target):
            more, centre = len(gradients), gradients.mean(0)
            shift = centre - mean
            squares += (gradients - centre).square().sum(0) + shift.square() * (count * more / (count + more))
            mean += shift * (more / (count + more))
            count += more
        return squares.amax(1) / self.samples
