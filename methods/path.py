"""Path integrals of the gradient whose path is not one straight line from a constant image."""

from dataclasses import dataclass
from math import inf, pi
from typing import ClassVar

import torch
from torch import Tensor, nn

from methods.batching import within_batch
from methods.fields import needed, number, whole
from methods.gradient import input_gradient


@dataclass(frozen=True)
class ExpectedGradients:
    """Mean of (x - x') * gradient at random points between x and background images x' [Erion et al. 2021].

    The points are x' + a (x - x') with a uniform in (0, 1); channels are summed. The background images are taken in one
    random order, again and again, so that none counts more than once more than another. All images share the draws of
    a and of the order. The law, a sum of logit(x) less the background's mean logit, holds in the mean over the draws
    where `samples` is a multiple of the number of background images.
    """

    samples: int
    seed: int
    batch: int

    group: ClassVar[str] = "linearisation"
    signed: ClassVar[bool] = True
    stochastic: ClassVar[bool] = True
    class_specific: ClassVar[bool] = True
    complete: ClassVar[str] = "background"
    cites: ClassVar[str] = "Erion et al. 2021"
    needs: ClassVar[tuple[str, ...]] = ("background",)

    def __post_init__(self) -> None:
        whole(self, samples=1, seed=0, batch=1)

    @property
    def passes(self) -> tuple[int, int]:
        """Forward and backward passes of one image."""
        return self.samples, self.samples

    @within_batch
    def __call__(self, model: nn.Module, x: Tensor, target: Tensor, background: Tensor | None = None) -> Tensor:
        background = needed(self, "background images", background)
        x, total, rng = x.detach(), torch.zeros_like(x), torch.Generator().manual_seed(self.seed)
        order = torch.randperm(len(background), generator=rng)
        shares = torch.rand(self.samples, 1, 1, 1, 1, generator=rng).to(x)
        for part in torch.arange(self.samples).split(self.batch // len(x)):
            start = background.detach()[order[part % len(order)].to(background.device), None].to(x)
            points = start + shares[part.to(x.device)] * (x - start)
            gradients = input_gradient(model, points.flatten(0, 1), target.repeat(len(part)))
            total += ((x - start) * gradients.view_as(points)).sum(0)
        return total.sum(1) / self.samples


@dataclass(frozen=True)
class BlurIntegratedGradients:
    """Path integral of the gradient while the image is blurred less and less [Xu et al. 2020].

    The path starts at a standard deviation of `sigma` times the image's shorter side and ends at the image, in `steps`
    equal steps of the deviation; channels are summed. The blur is the discrete Gaussian exp(sigma^2 / 2 Laplacian) with
    mirrored borders: it has the scale-space properties that the paper asks for (no new extrema, blurs add up) on a
    finite grid too, and keeps the mean colour.

    Departures from the authors' code, all for a smaller residual of the law at the same cost: borders are not black;
    an image moves by the difference of two blurs, not by `steps` derivatives at left ends; the gradient is taken half
    way between them.
    """

    steps: int
    sigma: float
    batch: int

    group: ClassVar[str] = "linearisation"
    signed: ClassVar[bool] = True
    stochastic: ClassVar[bool] = False
    class_specific: ClassVar[bool] = True
    complete: ClassVar[str] = "difference"
    cites: ClassVar[str] = "Xu et al. 2020"

    def __post_init__(self) -> None:
        whole(self, steps=1, batch=1)
        number(self, "sigma", "> 0", lambda sigma: sigma > 0)

    @property
    def passes(self) -> tuple[int, int]:
        """Forward and backward passes of one image."""
        return self.steps, self.steps

    @within_batch
    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        x, total = x.detach(), torch.zeros_like(x)
        for part in torch.arange(self.steps).split(self.batch // len(x)):
            ends = self.blurred(x, torch.cat([part, part[-1:] + 1]).double() / self.steps)
            points = (ends[:-1] + ends[1:]) / 2
            gradients = input_gradient(model, points.flatten(0, 1), target.repeat(len(part)))
            total += ((ends[1:] - ends[:-1]) * gradients.view_as(points)).sum(0)
        return total.sum(1)

    def reference(self, x: Tensor) -> Tensor:
        """Return where the path starts: the images (n, c, h, w) blurred most."""
        return self.blurred(x.detach(), torch.zeros(1, dtype=torch.float64))[0]

    def blurred(self, x: Tensor, progress: Tensor) -> Tensor:
        """Return the images (s, n, c, h, w) at places of the path: 0 is the most blurred image, 1 the image itself."""
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


@dataclass(frozen=True)
class GuidedIntegratedGradients:
    """Path integral of the gradient that moves pixels of a small gradient first [Kapishnikov et al. 2021].

    In each of `steps` steps the L1 distance to the image shrinks by 1 / steps of what it was at the constant image of
    value `baseline` (model units). The `fraction` of all values (one channel of one pixel each) that have the smallest
    magnitudes of the gradient move, all by one share of their way to the image; where this does not suffice they arrive
    and the next ones follow. As in the authors' code each step counts with the gradient at its start, and no value may
    be further than `deviation` ahead of or behind the straight path, as a share of its way: 0 gives integrated
    gradients with left ends, 1 leaves the path free. Channels are summed.

    The law is a claim: a value is chosen while its gradient is small and counts with that gradient, which a ReLU may
    change on the way. More steps mend this in smooth networks, hardly in others.
    """

    steps: int
    fraction: float
    deviation: float
    baseline: float
    batch: int

    group: ClassVar[str] = "linearisation"
    signed: ClassVar[bool] = True
    stochastic: ClassVar[bool] = False
    class_specific: ClassVar[bool] = True
    complete: ClassVar[str] = "difference"
    cites: ClassVar[str] = "Kapishnikov et al. 2021"

    def __post_init__(self) -> None:
        whole(self, steps=1, batch=1)
        number(self, "fraction", "in (0, 1]", lambda fraction: 0 < fraction <= 1)
        number(self, "deviation", "in [0, 1]", lambda deviation: 0 <= deviation <= 1)
        number(self, "baseline")

    @property
    def passes(self) -> tuple[int, int]:
        """Forward and backward passes of one image."""
        return self.steps, self.steps

    @within_batch
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
