"""Statistics of the input gradient on noisy copies of the image."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from entries import explains, number, whole
from methods.batching import within_batch
from methods.gradient import input_gradient


def noisy_gradients(method: object, model: nn.Module, x: Tensor, target: Tensor) -> Iterator[Tensor]:
    """Yield input gradients (s, n, c, h, w) on noisy images, with `method.samples` copies of each image in total.

    The Gaussian noise has a standard deviation of `method.noise` times the range (largest less smallest value, in model
    units) of each image. All images, and all methods with the same seed, share the draws.
    """
    x, rng = x.detach(), torch.Generator().manual_seed(method.seed)
    scale = method.noise * (x.amax((1, 2, 3), keepdim=True) - x.amin((1, 2, 3), keepdim=True))
    many = method.batch // len(x)
    for start in range(0, method.samples, many):
        # One call for each draw, so that draws do not depend on how many fit into a pass.
        draws = [torch.randn(x.shape[1:], generator=rng) for _ in range(min(many, method.samples - start))]
        noisy = x + scale * torch.stack(draws)[:, None].to(x)
        yield input_gradient(model, noisy.flatten(0, 1), target.repeat(len(draws))).view_as(noisy)


def check(method: object) -> None:
    """Refuse values of the fields that the methods below share."""
    whole(method, samples=1, seed=0, batch=1)
    number(method, "noise", ">= 0", lambda noise: noise >= 0)


@explains("linearisation", cites="Smilkov et al. 2017")
@dataclass(frozen=True)
class SmoothGrad:
    """Largest absolute mean gradient over the channels, on noisy images [Smilkov et al. 2017].

    As in the paper the signed gradients are averaged, so that noise of changing sign cancels, and the absolute value is
    taken afterwards. Without noise the map is that of `Gradient`. Noise and draws are those of `noisy_gradients`.
    """

    samples: int
    noise: float
    seed: int
    batch: int
    __post_init__ = check
    passes = property(lambda self: (self.samples, self.samples))

    @within_batch
    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        total = torch.zeros_like(x)
        for gradients in noisy_gradients(self, model, x, target):
            total += gradients.sum(0)
        return total.abs().amax(1) / self.samples


@explains("linearisation", cites="Hooker et al. 2019")
@dataclass(frozen=True)
class SmoothGradSquared:
    """Largest mean squared gradient over the channels, on noisy images [Hooker et al. 2019].

    Noise and draws are those of `SmoothGrad`; without noise the map is the square of `Gradient`. The largest of the
    channels is taken after the mean, as in `SmoothGrad`, since the paper does not say how channels are reduced.
    """

    samples: int
    noise: float
    seed: int
    batch: int
    __post_init__ = check
    passes = property(lambda self: (self.samples, self.samples))

    @within_batch
    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        total = torch.zeros_like(x)
        for gradients in noisy_gradients(self, model, x, target):
            total += gradients.square().sum(0)
        return total.amax(1) / self.samples


@explains("linearisation", cites="Adebayo et al. 2018")
@dataclass(frozen=True)
class VarGrad:
    """Largest variance of the gradient over the channels, on noisy images [Adebayo et al. 2018].

    Noise and draws are those of `SmoothGrad`. The variance is the population's (divided by `samples`), so that
    `SmoothGradSquared` is a channel's variance plus its squared mean. One sample, or no noise, gives 0. Deviations from
    a running mean are summed, since the difference of the two moments is mostly rounding where the mean is large.
    """

    samples: int
    noise: float
    seed: int
    batch: int
    __post_init__ = check
    passes = property(lambda self: (self.samples, self.samples))

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
