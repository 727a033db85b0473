"""Methods built on the gradient of the target logit with respect to the input."""

from dataclasses import dataclass
from math import isfinite
from typing import ClassVar

import torch
from torch import Tensor, nn


def input_gradient(model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
    """Return d logit[target] / dx, (n, c, h, w)."""
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        # autograd refuses a leaf, and the caller its image, to a first layer that works in place: hence the clone
        logit = model(leaf.clone()).gather(1, target[:, None]).sum()
        return torch.autograd.grad(logit, leaf)[0]


@dataclass(frozen=True)
class Gradient:
    """Largest absolute input gradient over the channels [Simonyan et al. 2014]."""

    group: ClassVar[str] = "linearisation"
    signed: ClassVar[bool] = False
    stochastic: ClassVar[bool] = False
    class_specific: ClassVar[bool] = True
    complete: ClassVar[str] = ""
    passes: ClassVar[tuple[int, int]] = (1, 1)
    cites: ClassVar[str] = "Simonyan et al. 2014"

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        return input_gradient(model, x, target).abs().amax(1)


@dataclass(frozen=True)
class InputXGradient:
    """Input times gradient, summed over the channels [Shrikumar et al. 2016].

    The input is in model units, so a pixel of the data set's mean colour gets 0. The map sums to the logit only
    where the network is piecewise linear without biases.
    """

    group: ClassVar[str] = "linearisation"
    signed: ClassVar[bool] = True
    stochastic: ClassVar[bool] = False
    class_specific: ClassVar[bool] = True
    complete: ClassVar[str] = ""
    passes: ClassVar[tuple[int, int]] = (1, 1)
    cites: ClassVar[str] = "Shrikumar et al. 2016"

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        return (x.detach() * input_gradient(model, x, target)).sum(1)


@dataclass(frozen=True)
class IntegratedGradients:
    """Path integral of the gradient, summed over the channels [Sundararajan et al. 2017].

    The path runs from the constant image of value `baseline`, in model units (0 is the data set's mean colour), to
    the image; midpoint rule with `steps` points, closer than a sum over end points at the same cost.
    """

    steps: int
    baseline: float
    batch: int

    group: ClassVar[str] = "linearisation"
    signed: ClassVar[bool] = True
    stochastic: ClassVar[bool] = False
    class_specific: ClassVar[bool] = True
    complete: ClassVar[str] = "difference"
    cites: ClassVar[str] = "Sundararajan et al. 2017"

    def __post_init__(self) -> None:
        for name in ("steps", "batch"):
            if type(value := getattr(self, name)) is not int or value < 1:
                raise ValueError(f"IntegratedGradients needs a whole number {name} >= 1; {name}={value!r} was given")
        if type(self.baseline) not in (int, float) or not isfinite(self.baseline):
            raise ValueError(f"IntegratedGradients needs a number as baseline; baseline={self.baseline!r} was given")

    @property
    def passes(self) -> tuple[int, int]:
        """Forward and backward passes of one image."""
        return self.steps, self.steps

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        if len(x) > self.batch:
            parts = zip(x.split(self.batch), target.split(self.batch), strict=True)
            return torch.cat([self(model, *part) for part in parts])
        difference, total = x.detach() - self.baseline, torch.zeros_like(x)
        for step in torch.arange(self.steps, device=x.device).split(self.batch // len(x)):
            alpha = ((step + 0.5) / self.steps)[:, None, None, None, None]
            points = self.baseline + alpha * difference
            gradients = input_gradient(model, points.flatten(0, 1), target.repeat(len(step)))
            total += gradients.view_as(points).sum(0)
        return (difference * total).sum(1) / self.steps


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
        for name, least in (("samples", 1), ("seed", 0), ("batch", 1)):
            if type(value := getattr(self, name)) is not int or value < least:
                raise ValueError(f"SmoothGrad needs a whole number {name} >= {least}; {name}={value!r} was given")
        if type(self.noise) not in (int, float) or not 0 <= self.noise < float("inf"):
            raise ValueError(f"SmoothGrad needs a number noise >= 0; noise={self.noise!r} was given")

    @property
    def passes(self) -> tuple[int, int]:
        """Forward and backward passes of one image."""
        return self.samples, self.samples

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        if len(x) > self.batch:
            parts = zip(x.split(self.batch), target.split(self.batch), strict=True)
            return torch.cat([self(model, *part) for part in parts])
        x, total, rng = x.detach(), torch.zeros_like(x), torch.Generator().manual_seed(self.seed)
        scale = self.noise * (x.amax((1, 2, 3), keepdim=True) - x.amin((1, 2, 3), keepdim=True))
        many = self.batch // len(x)
        for start in range(0, self.samples, many):
            # one call per draw: a draw may not depend on how many fit into a pass
            draws = [torch.randn(x.shape[1:], generator=rng) for _ in range(min(many, self.samples - start))]
            noisy = x + scale * torch.stack(draws)[:, None].to(x)
            total += input_gradient(model, noisy.flatten(0, 1), target.repeat(len(draws))).view_as(noisy).sum(0)
        return total.abs().amax(1) / self.samples
