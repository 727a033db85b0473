"""Ranking of the channels of one layer by scores (n, c), and how many of them are kept."""

import math

import torch
from torch import Tensor


def totals(values: Tensor) -> Tensor:
    """Return the sums over positions (n, c), in float64."""
    return values.double().flatten(2).sum(2) if values.ndim > 2 else values.double()


def count(share: float, channels: int) -> int:
    """Return the number of channels that make a share of a layer, rounded up, at least one."""
    return max(1, math.ceil(round(share * channels, 9)))  # 0.07 * 100 is 7, not 7.000000000000001


def places(scores: Tensor) -> Tensor:
    """Return each channel's place, 0 for the highest score; equal scores are in the order of channels."""
    return scores.argsort(dim=-1, descending=True, stable=True).argsort(dim=-1)


def gap(scores: Tensor, share: float) -> Tensor:
    """Return the number (n, 1) of highest scores before the largest gap between one score and the next.

    Of equal gaps the first counts; no more than `share` of a layer are kept.
    """
    ordered = scores.sort(-1, descending=True).values
    drops = ordered[:, :-1] - ordered[:, 1:]
    if not drops.shape[1]:
        return torch.ones(len(scores), 1, dtype=torch.int64, device=scores.device)
    return drops[:, : count(share, scores.shape[1])].max(-1, keepdim=True).indices + 1


def shares(values: Tensor) -> Tensor:
    """Return magnitudes as shares of their sum; a layer of zeros has shares of zero."""
    sizes = values.abs()
    total = sizes.sum(-1, keepdim=True)
    return sizes / total.where(total > 0, torch.ones_like(total))
