"""Path integrals of the gradient along other paths than the straight line from a constant image."""

from functools import partialmethod
from math import inf, pi

import torch
from torch import Tensor, nn

from entries import explains, needed, number, positive, whole
from methods.batching import in_equal_passes, within_batch
from methods.gradient import input_gradient


@explains("linearisation", cites="Erion et al. 2021", signed=True, complete="background", needs=("background",))
class ExpectedGradients:
    """Mean of (x - x') * gradient at random points between x and background images x' [Erion et al. 2021].

    The points are x' + a (x - x') with a uniform in (0, 1); channels are summed. The background images are taken in one
    random order, repeated as often as needed, so that their counts differ by at most one. All images share the draws of
    a and of the order. In expectation over the draws the map sums to logit(x) less the background's mean logit, if
    `samples` is a multiple of the number of background images.
    """

    samples: int
    seed: int
    batch: int
    passes = property(lambda self: (self.samples, self.samples))
    __post_init__ = partialmethod(whole, samples=1, seed=0, batch=1)

    @within_batch
    def __call__(self, model: nn.Module, x: Tensor, target: Tensor, background: Tensor | None = None) -> Tensor:
        background = needed(self, "background images", background)
        x, total, rng = x.detach(), torch.zeros_like(x), torch.Generator().manual_seed(self.seed)
        order = torch.randperm(len(background), generator=rng)
        shares = torch.rand(self.samples, 1, 1, 1, 1, generator=rng).to(x)
        for part in torch.arange(self.samples).split(self.batch // len(x)):
            start = background.detach()[order[part % len(order)].to(background.device), None].to(x)
            points = start + shares[part.to(x.device)] * (x - start)
            total += ((x - start) * input_gradient(model, points, target)).sum(0)
        return total.sum(1) / self.samples


@explains("linearisation", cites="Xu et al. 2020", signed=True, complete="difference")
class BlurIntegratedGradients:
    """Path integral of the gradient while the image is blurred less and less [Xu et al. 2020].

    The path starts at a standard deviation of `sigma` times the image's shorter side and ends at the image, in `steps`
    equal steps of the deviation; channels are summed. The blur is the discrete Gaussian exp(sigma^2 / 2 Laplacian) with
    mirrored borders. It has the scale-space properties that the paper asks for and keeps the mean colour.

    Departures from the authors' code, which bring the map's sum closer to the difference of the logits: borders are not
    black, a step is the difference of two blurs and not a derivative at its left end, and the gradient is that half way
    between.
    """

    steps: int
    sigma: float
    batch: int
    passes = property(lambda self: (self.steps, self.steps))

    def __post_init__(self) -> None:
        whole(self, steps=1, batch=1)
        positive(self, "sigma")

    @within_batch
    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        x, total = x.detach(), torch.zeros_like(x)
        for part in torch.arange(self.steps).split(self.batch // len(x)):
            ends = self.blurred(x, torch.cat([part, part[-1:] + 1]).double() / self.steps)
            gradients = input_gradient(model, (ends[:-1] + ends[1:]) / 2, target)
            total += ((ends[1:] - ends[:-1]) * gradients).sum(0)
        return total.sum(1)

    def reference(self, x: Tensor) -> Tensor:
        """Return the start of the path, the images (n, c, h, w) under the strongest blur."""
        return self.blurred(x.detach(), torch.zeros(1, dtype=torch.float64))[0]

    def blurred(self, x: Tensor, progress: Tensor) -> Tensor:
        """Return the images (s, n, c, h, w) at points of the path: 0 is the strongest blur, 1 the image itself."""
        sigma = self.sigma * min(x.shape[2:]) * (1 - progress)
        rows, columns = (blur(side, sigma)[:, None, None].to(x) for side in x.shape[2:])
        return rows @ x @ columns


def blur(side: int, sigma: Tensor) -> Tensor:
    """Return symmetric matrices (s, side, side) that blur by standard deviations (s,), in pixels.

    The eigenvectors of the Laplacian with mirrored borders are cosines (the DCT), with eigenvalues 2 cos - 2.
    """
    wave = torch.arange(side, dtype=torch.float64) * (pi / side)
    basis = torch.cos((torch.arange(side)[:, None] + 0.5) * wave)
    basis = basis / basis.norm(dim=0)
    decay = torch.exp(sigma[:, None] ** 2 * (wave.cos() - 1))
    return basis * decay[:, None] @ basis.T


@explains("linearisation", cites="Kapishnikov et al. 2021", signed=True, complete="difference")
class GuidedIntegratedGradients:
    """Path integral of the gradient that moves pixels of a small gradient first [Kapishnikov et al. 2021].

    The path starts at the constant image of value `baseline` (model units). In each of `steps` steps the L1 distance to
    the image shrinks by 1 / steps of the initial distance. A value is one channel of one pixel. The `fraction` of
    values with the smallest magnitudes of the gradient move, all by the same share of their way to the image; where
    this does not suffice, they arrive and the next values follow. As in the authors' code each step counts with the
    gradient at its start, and no value may be further than `deviation` ahead of or behind the straight path, as a share
    of its way: 0 gives integrated gradients with left ends, 1 leaves the path free. Channels are summed.

    That the map sums to the difference of the logits is the authors' claim. A value is chosen while its gradient is
    small and counts with that gradient, but a ReLU may change the gradient within the step.
    """

    steps: int
    fraction: float
    deviation: float
    baseline: float
    batch: int
    passes = property(lambda self: (self.steps, self.steps))

    def __post_init__(self) -> None:
        whole(self, steps=1, batch=1)
        number(self, "fraction", "in (0, 1]", lambda fraction: 0 < fraction <= 1)
        number(self, "deviation", "in [0, 1]", lambda deviation: 0 <= deviation <= 1)
        number(self, "baseline")

    @in_equal_passes
    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        end, total = x.detach().flatten(1), torch.zeros_like(x)
        here = start = torch.full_like(end, self.baseline)
        for step in range(1, self.steps + 1):
            gradient = input_gradient(model, here.view_as(x), target)
            there = self.moved(here, gradient.flatten(1).abs(), start, end, step / self.steps)
            total += (there - here).view_as(x) * gradient
            here = there
        return total.sum(1)

    def moved(self, here: Tensor, cost: Tensor, start: Tensor, end: Tensor, progress: float) -> Tensor:
        """Return the point (n, d) after `here` that is a share `progress` of the way from start to end, in L1."""
        behind = start.lerp(end, max(progress - self.deviation, 0.0))
        ahead = start.lerp(end, min(progress + self.deviation, 1.0))
        here = torch.where((here - start).abs() < (behind - start).abs(), behind, here)
        wanted = (1 - progress) * (end - start).abs().sum(1, keepdim=True)
        rank, unfinished = 1 + int(self.fraction * (here.shape[1] - 1)), True
        while True:
            excess = (end - here).abs().sum(1, keepdim=True) - wanted
            unfinished = unfinished & (excess > 0)
            cost = cost.masked_fill(here == ahead, inf)
            chosen = (cost <= cost.kthvalue(rank, 1, keepdim=True).values) & (cost < inf) & unfinished
            if not chosen.any():
                return here
            room = torch.where(chosen, (ahead - here).abs(), 0).sum(1, keepdim=True)
            here = torch.where(chosen, here.lerp(ahead, (excess / room).clamp(max=1)), here)
            unfinished = unfinished & (excess > room)
