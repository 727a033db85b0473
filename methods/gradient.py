"""Methods built on the gradient of the target logit: at the image, along a straight path, and on noisy copies."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from entries import explains, number, whole
from methods.batching import within_batch


def input_gradient(model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
    """Return d logit[target] / dx, (n, c, h, w)."""
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        # The clone is for networks whose first layer works in place, which must change neither a leaf nor the image.
        logit = model(leaf.clone()).gather(1, target[:, None]).sum()
        return torch.autograd.grad(logit, leaf)[0]


@explains("linearisation", cites="Simonyan et al. 2014", passes=(1, 1))
@dataclass(frozen=True)
class Gradient:
    """Largest absolute input gradient over the channels [Simonyan et al. 2014]."""

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        return input_gradient(model, x, target).abs().amax(1)


@explains("linearisation", cites="Shrikumar et al. 2016", signed=True, passes=(1, 1))
@dataclass(frozen=True)
class InputXGradient:
    """Input times gradient, summed over the channels [Shrikumar et al. 2016].

    The input is in model units, so a pixel of the mean colour of the network's normalisation gets 0. The map sums to
    the logit only where the network is piecewise linear without biases.
    """

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        return (x.detach() * input_gradient(model, x, target)).sum(1)


@explains("linearisation", cites="Sundararajan et al. 2017", signed=True, complete="difference")
@dataclass(frozen=True)
class IntegratedGradients:
    """Path integral of the gradient, summed over the channels [Sundararajan et al. 2017].

    The path runs from the constant image of value `baseline`, in model units (0 is the mean colour of the network's
    normalisation), to the image. The integral is the midpoint rule's with `steps` points.
    """

    steps: int
    baseline: float
    batch: int
    passes = property(lambda self: (self.steps, self.steps))

    def __post_init__(self) -> None:
        whole(self, steps=1, batch=1)
        number(self, "baseline")

    @within_batch
    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        difference, total = x.detach() - self.baseline, torch.zeros_like(x)
        for step in torch.arange(self.steps, device=x.device).split(self.batch // len(x)):
            alpha = ((step + 0.5) / self.steps)[:, None, None, None, None]
            points = self.baseline + alpha * difference
            gradients = input_gradient(model, points.flatten(0, 1), target.repeat(len(step)))
            total += gradients.view_as(points).sum(0)
        return (difference * total).sum(1) / self.steps


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
