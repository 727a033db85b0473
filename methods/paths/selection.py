"""What selectors of paths share: checks of fields, and the ranking of channels."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from entries import choice, number
from methods.paths.rules import RULES


def check(selector: object) -> None:
    """Refuse a share outside (0, 1], an unknown way to count channels and an unknown rule map."""
    number(selector, "share", "> 0 and <= 1", lambda share: 0 < share <= 1)
    choice(selector, "sizes", ("share", "gap"))
    choice(selector, "lrp", RULES)


def highest(selector: object, scores: Sequence[Tensor], backward: Sequence[Tensor]) -> list[Tensor]:
    """Return for each layer a choice (draws, n, c) of the channels with the highest scores, (n, c) or (draws, n, c).

    `selector.sizes` says how many of a layer: its share, or those before the largest gap between relevances (n, c).
    """
    kept = []
    for score, b in zip(scores, backward, strict=True):
        size = gap(b.abs(), selector.share) if selector.sizes == "gap" else count(selector.share, b.shape[1])
        kept.append(places(score.reshape(-1, *b.shape)) < size)
    return kept


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
