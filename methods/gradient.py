"""Methods built on the gradient of the target logit: at the image, and along a straight path."""

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
