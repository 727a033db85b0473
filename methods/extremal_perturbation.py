"""The mask of a given area under which the image excites its class most."""

from collections.abc import Iterable
from itertools import pairwise
from math import ceil

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, unfold

from entries import explains, number, positive, whole
from methods.batching import within_batch
from methods.optimisation import blurred


@explains("adversarial", cites="Fong et al. 2019")
class ExtremalPerturbation:
    """Mean of the smooth masks of given areas that keep the target logit highest [Fong et al. 2019].

    For each of `areas` (fractions of the image) gradient descent with momentum maximises logit - weight mean (sort(m) -
    r)^2 over `cells` x `cells` values in [0, 1]; r is a vector of zeros followed by a part `area` of ones. The mask m
    is the smooth maximum (temperature 1 / `coldness`) of the values around each cell, weighed by a kernel of radius
    `sigma` cells. It is interpolated linearly to pixels and chooses among `levels` blurs: 1 is no blur, 0 the
    strongest, of standard deviation `blur` (fraction of the side). `iterations` is the total over all areas. Within the
    steps of one area `weight` grows by the factor `growth` and the learning rate is `travel` / steps, so that the
    schedule does not depend on the budget.

    Kernel, optimiser and constants are those of TorchRay. Departures: masks are averaged, not added. No second step
    flips the image (a mirrored digit is no digit), and there is no margin. The smooth maximum is taken at the cells
    alone. Values begin at `start`; from 1, a saturated network would leave most of them there. The first step follows
    the logit alone, since all cells still tie. `weight` begins ten times lower, or the area settles first.
    """

    iterations: int
    areas: tuple[float, ...]
    cells: int
    sigma: float
    coldness: float
    start: float
    levels: int
    blur: float
    weight: float
    growth: float
    travel: float
    momentum: float
    batch: int
    passes = property(lambda self: (self.iterations, self.iterations))

    def __post_init__(self) -> None:
        areas = tuple(self.areas) if isinstance(self.areas, Iterable) else ()
        if not areas or not all(type(area) is float and 0 < area < 1 for area in areas):
            raise ValueError(f"ExtremalPerturbation needs areas in (0, 1); areas={self.areas!r} was given")
        object.__setattr__(self, "areas", areas)  # a list from a config cannot be hashed
        whole(self, iterations=len(areas), cells=2, levels=2, batch=1)
        positive(self, "sigma", "coldness", "blur", "weight", "growth", "travel")
        number(self, "start", "in (0, 1]", lambda value: 0 < value <= 1)
        number(self, "momentum", "in [0, 1)", lambda value: 0 <= value < 1)

    @within_batch
    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        strength = [self.blur * (1 - level / (self.levels - 1)) for level in range(self.levels - 1)]
        pyramid = torch.stack([*(blurred(x.detach(), sigma) for sigma in strength), x.detach()])
        shares = [self.iterations * i // len(self.areas) for i in range(len(self.areas) + 1)]
        steps = [end - begin for begin, end in pairwise(shares)]
        masks = [self.mask(model, pyramid, target, *task) for task in zip(self.areas, steps, strict=True)]
        return torch.stack(masks).mean(0)

    def mask(self, model: nn.Module, pyramid: Tensor, target: Tensor, area: float, steps: int) -> Tensor:
        """Return the best mask (n, h, w) of one area."""
        cells = pyramid.new_full((pyramid.shape[1], self.cells, self.cells), self.start)
        wanted = (torch.arange(self.cells**2) >= int(self.cells**2 * (1 - area))).to(cells)
        speed = torch.zeros_like(cells)
        each = torch.eye(self.cells, dtype=torch.float64)[None]
        rows, columns = (interpolate(each, side, mode="linear")[0].T.to(cells) for side in pyramid.shape[3:])
        for step in range(steps):
            weight = self.weight * self.growth ** (step / steps) if step else 0
            with torch.enable_grad():
                leaf = cells.requires_grad_()
                smooth = self.smooth_maximum(leaf)
                logits = model(picked(pyramid, rows @ smooth @ columns.T)).gather(1, target[:, None])
                excess = (smooth.flatten(1).sort(dim=1, stable=True).values - wanted).square().mean(1)
                gradient = torch.autograd.grad((weight * excess - logits[:, 0]).sum(), leaf)[0]
            speed = gradient if step == 0 else speed.lerp(gradient, 1 - self.momentum)
            cells = (cells.detach() - self.travel / steps * speed).clamp(0, 1)
        return rows @ self.smooth_maximum(cells) @ columns.T

    def smooth_maximum(self, cells: Tensor) -> Tensor:
        """Return at each cell the softmax-weighed mean of kernel times cell around it, (n, cells, cells)."""
        reach = 1 + ceil(self.sigma)
        offset = torch.arange(-reach, reach + 1, dtype=torch.float64)
        distance = torch.cartesian_prod(offset, offset).norm(dim=1) / self.sigma
        kernel = (-2 * (distance - 0.5).clamp(min=0) ** 2).exp().to(cells)
        around = unfold(cells[:, None], 2 * reach + 1, padding=reach).mul_(kernel[:, None])
        return (around * (self.coldness * around).softmax(1)).sum(1).view_as(cells)


def picked(pyramid: Tensor, mask: Tensor) -> Tensor:
    """Return images (n, c, h, w): each pixel is interpolated between the two levels around its mask value (n, h, w)."""
    height = mask[:, None] * (len(pyramid) - 1)
    below = height.detach().floor().clamp(0, len(pyramid) - 2)
    index = below.long().expand_as(pyramid[0])[None]
    low, high = pyramid.gather(0, index)[0], pyramid.gather(0, index + 1)[0]
    return low + (height - below) * (high - low)
