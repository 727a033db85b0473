"""Masks and attacks of one image at a time, written out: scipy's filters, loops over cells, torch's own optimisers."""

import itertools
import math
from itertools import pairwise

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

from tests.methods.references import Reference, interpolation


def blur(image: Tensor, sigma: float) -> Tensor:
    """A blurred image (c, h, w), by scipy; what the border cuts off is made up for by blurring ones."""
    width = [sigma * side for side in image.shape[1:]]
    ones = gaussian_filter(np.ones(image.shape[1:]), width, mode="constant", truncate=1 / sigma + 1)
    planes = [gaussian_filter(plane.numpy(), width, mode="constant", truncate=1 / sigma + 1) for plane in image]
    return torch.from_numpy(np.stack(planes) / ones)


def spread(grid: int, side: int, sigma: float) -> Tensor:
    """The weight of each cell in each pixel, pixel by pixel; sigma in pixels."""
    weights = torch.zeros(side, grid, dtype=torch.float64)
    for pixel in range(side):
        for cell in range(grid):
            distance = (pixel + 0.5) - (cell + 0.5) * side / grid
            weights[pixel, cell] = math.exp(-(distance**2) / (2 * sigma**2))
        weights[pixel] /= weights[pixel].sum()
    return weights


def upsampled(cells: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    return torch.einsum("yi,ij,xj->yx", rows, cells, columns)


def shifted(image: Tensor, down: int, right: int) -> Tensor:
    """The image that shows at each pixel what lies `down` and `right` of it, or else the nearest border pixel."""
    h, w = image.shape[1:]
    rows = [min(max(row + down, 0), h - 1) for row in range(h)]
    columns = [min(max(column + right, 0), w - 1) for column in range(w)]
    return image[:, rows][:, :, columns]


def mask_optimisation(method, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
    """Eq. 4 with torch's Adam, in the published settings but for epsilon; shares the order of the random moves."""
    assert (method.rate, method.l1, method.tv, method.beta) == (0.1, 1e-4, 1e-2, 3)
    return torch.stack([one_mask(method, model, *pair) for pair in zip(x, target, strict=True)])


def one_mask(method, model: nn.Module, image: Tensor, target: Tensor) -> Tensor:
    rng, n = torch.Generator().manual_seed(method.seed), method.cells
    reach = [round(method.jitter * side) for side in image.shape[1:]]
    rows, columns = (spread(n, side, method.smooth * side) for side in image.shape[1:])
    draws = torch.rand(method.iterations, 2, generator=rng).tolist()
    moves = [[int(u * (2 * r + 1)) - r for u, r in zip(draw, reach, strict=True)] for draw in draws]
    hidden = blur(image, method.blur)
    cells = torch.full((n, n), method.start, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([cells], lr=0.1, betas=(0.9, 0.999), eps=method.epsilon)
    for move in moves:
        mask = upsampled(cells, rows, columns)
        seen = shifted(image, *move) * mask + shifted(hidden, *move) * (1 - mask)
        cost = 1e-4 * (1 - cells).abs().sum()
        for i in range(n):
            if i:
                cost = cost + 1e-2 * ((cells[i] - cells[i - 1]).abs() ** 3).sum()
                cost = cost + 1e-2 * ((cells[:, i] - cells[:, i - 1]).abs() ** 3).sum()
        adam.zero_grad()
        (cost + torch.softmax(model(seen[None]), 1)[0, target]).backward()
        adam.step()
        with torch.no_grad():
            cells.clamp_(0, 1)
    return 1 - upsampled(cells.detach(), rows, columns)


def extremal_perturbation(method, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
    """TorchRay's formulas with the departures that the method states; torch's SGD with dampening."""
    shares = [method.iterations * i // len(method.areas) for i in range(len(method.areas) + 1)]
    maps = []
    for image, t in zip(x, target, strict=True):
        levels = method.levels
        pyramid = [blur(image, method.blur * (1 - level / (levels - 1))) for level in range(levels - 1)] + [image]
        steps = [b - a for a, b in pairwise(shares)]
        masks = [one_extremal(method, model, pyramid, t, a, n) for a, n in zip(method.areas, steps, strict=True)]
        maps.append(sum(masks) / len(masks))
    return torch.stack(maps)


def neighbours(method) -> tuple[Tensor, Tensor]:
    """Which cell each place around a cell reads (one behind the last outside the grid), and the kernel there."""
    n, reach = method.cells, 1 + math.ceil(method.sigma)
    steps = [(down, right) for down in range(-reach, reach + 1) for right in range(-reach, reach + 1)]
    read = torch.full((n, n, len(steps)), n * n)
    for i, j, place in itertools.product(range(n), range(n), range(len(steps))):
        row, column = i + steps[place][0], j + steps[place][1]
        if 0 <= row < n and 0 <= column < n:
            read[i, j, place] = row * n + column
    kernel = [math.exp(-2 * max(math.hypot(*step) / method.sigma - 0.5, 0) ** 2) for step in steps]
    return read.flatten(0, 1), torch.tensor(kernel, dtype=torch.float64)


def one_extremal(method, model: nn.Module, pyramid: list[Tensor], target: Tensor, area: float, steps: int) -> Tensor:
    n, (read, kernel) = method.cells, neighbours(method)
    rows, columns = (torch.from_numpy(interpolation(n, side)) for side in pyramid[0].shape[1:])
    cells = torch.full((n * n,), method.start, dtype=torch.float64, requires_grad=True)
    sgd = torch.optim.SGD([cells], lr=method.travel / steps, momentum=method.momentum, dampening=method.momentum)
    wanted = torch.ones(n * n, dtype=torch.float64)
    wanted[: int(n * n * (1 - area))] = 0

    def smooth() -> Tensor:
        z = torch.cat([cells, cells.new_zeros(1)])[read] * kernel
        weight = torch.exp(method.coldness * z)
        return (z * weight).sum(1) / weight.sum(1)

    for step in range(steps):
        mask = upsampled(smooth().view(n, n), rows, columns)
        seen = 0
        for level, image in enumerate(pyramid):  # a hat over each level's mask value
            seen = seen + (1 - (mask * (method.levels - 1) - level).abs()).clamp(min=0) * image
        loss = -model(seen[None])[0, target]
        if step:
            weight = method.weight * method.growth ** (step / steps)
            loss = loss + weight * ((torch.sort(smooth(), stable=True).values - wanted) ** 2).mean()
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        with torch.no_grad():
            cells.clamp_(0, 1)
    return upsampled(smooth().detach().view(n, n), rows, columns)


def adversarial_difference(method, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
    """Projected gradient ascent of the cross-entropy on one image: the same direction, since steps are normalised."""
    maps = []
    for image, t in zip(x, target.tolist(), strict=True):
        radius = method.radius * math.sqrt(image.numel())
        attacked = image.clone()
        for _ in range(method.iterations):
            attacked.requires_grad_(True)
            logits = model(attacked[None])[0]
            gradient = torch.autograd.grad(logits.log_softmax(0)[t], attacked)[0]
            step = method.step * radius / method.iterations
            attacked = attacked.detach() - step * gradient / math.sqrt((gradient**2).sum())
            away = math.sqrt(((attacked - image) ** 2).sum())
            if away > radius:
                attacked = image + (attacked - image) * radius / away
        maps.append(sum((attacked - image)[channel].abs() for channel in range(len(image))))
    return torch.stack(maps)


REFERENCES = {
    "mask_optimisation": Reference("torch.optim, scipy", mask_optimisation),
    "extremal_perturbation": Reference("torch.optim, scipy", extremal_perturbation),
    "adversarial_difference": Reference("float64 derivation", adversarial_difference),
}
