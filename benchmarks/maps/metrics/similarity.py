"""How alike two sets of maps are, map by map, in float64."""

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from benchmarks.maps.metrics.ranking import average_ranks, constant

WINDOW, SIGMA = 11, 1.5  # the Gaussian window of Wang et al. 2004


def pearson(a: Tensor, b: Tensor) -> Tensor:
    """Correlate the rows of (n, m) tensors, (n,) float64; nan where a row is constant."""
    a, b = (t.double() - t.double().mean(1, keepdim=True) for t in (a, b))
    scale = (a.square().sum(1) * b.square().sum(1)).sqrt()
    return torch.where(scale > 0, (a * b).sum(1) / scale, torch.nan).clamp(-1, 1)


def spearman(a: Tensor, b: Tensor) -> Tensor:
    """Correlate the ranks of signed maps, ties at their mean rank; nan where a map is constant."""
    return pearson(average_ranks(a), average_ranks(b))


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Mean structural similarity of maps (n, h, w) [Wang et al. 2004]; nan where both are constant.

    Gaussian window of 11 pixels, k1 = .01, k2 = .03, over the windows that lie inside the map. The dynamic range is
    that of both maps together, so one scale for both changes nothing.
    """
    if min(a.shape[1:]) < WINDOW:
        raise ValueError(f"SSIM needs maps of at least {WINDOW} x {WINDOW} pixels; {tuple(a.shape[1:])} was given")
    a, b = a.double(), b.double()
    both = torch.cat([a.flatten(1), b.flatten(1)], 1)
    span = (both.amax(1) - both.amin(1))[:, None, None]
    offset = torch.arange(WINDOW, device=a.device, dtype=a.dtype) - WINDOW // 2
    window = (-0.5 * (offset / SIGMA).square()).exp()
    window = window / window.sum()

    def mean(t: Tensor) -> Tensor:
        return conv2d(conv2d(t[:, None], window.view(1, 1, -1, 1)), window.view(1, 1, 1, -1))[:, 0]

    mean_a, mean_b = mean(a), mean(b)
    var_a, var_b, cov = mean(a * a) - mean_a**2, mean(b * b) - mean_b**2, mean(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * span) ** 2, (0.03 * span) ** 2
    local = (2 * mean_a * mean_b + c1) * (2 * cov + c2) / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
    return torch.where(constant(a) & constant(b), torch.nan, local.mean((1, 2)))
