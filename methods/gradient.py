"""Methods built on the gradient of the target logit: at the image, and along a straight path."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from methods.batching import within_batch
from methods.fields import number, whole


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

    The input is in model units, so a pixel of the mean colour of the network's normalisation gets 0. The map sums to
    the logit only where the network is piecewise linear without biases.
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

    The path runs from the constant image of value `baseline`, in model units (0 is the mean colour of the network's
    normalisation), to the image; midpoint rule with `steps` points, closer than a sum over end points at the same cost.
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
        whole(self, steps=1, batch=1)
        number(self, "baseline")

    @property
    def passes(self) -> tuple[int, int]:
        """Forward and backward passes of one image."""
        return self.steps, self.steps

    @within_batch
    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        difference, total = x.detach() - self.baseline, torch.zeros_like(x)
        for step in torch.arange(self.steps, device=x.device).split(self.batch // len(x)):
            alpha = ((step + 0.5) / self.steps)[:, None, None, None, None]
            points = self.baseline + alpha * difference
            gradients = input_gradient(model, points.flatten(0, 1), target.repeat(len(step)))
            total += gradients.view_as(points).sum(0)
        return (difference * total).sum(1) / self.steps
