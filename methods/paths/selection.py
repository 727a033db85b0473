"""What selectors of paths share: checks of fields, the path of the kept channels, and the ranking of channels."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from entries import choice, number
from methods.paths import Path
from methods.paths.nodes import layers
from methods.paths.propagation import Propagated, propagation
from methods.paths.rules import RULES

SIZES = ("share", "gap")


def check(selector: object) -> None:
    """Refuse a share outside (0, 1] and an unknown rule map."""
    number(selector, "share", "> 0 and <= 1", lambda share: 0 < share <= 1)
    choice(selector, "lrp", RULES)


def path_of(selector: object, model: nn.Module, x: Tensor, target: Tensor, box: Tensor | None = None) -> Path:
    """Return the channels that a selector keeps, with each channel's activation and its relevance in the whole network.

    `selector.kept(full, again)` gives the choice in each layer (draws, n, c): `full` is the relevance in the whole
    network, and `again` propagates once more, through chosen channels only.
    """
    with propagation(selector, model, x, target, box) as propagate:
        full = propagate()
        names = tuple(node.name for node in layers(full.graph))
        forward, backward = (tuple(map(totals, values)) for values in (full.activations, full.relevances))
        return Path(names, tuple(selector.kept(full, propagate)), forward, backward)


def best(scores: Sequence[Tensor], share: float) -> list[Tensor]:
    """Return for each layer a choice (1, n, c) of the share of channels that has the highest scores (n, c)."""
    return [(places(score) < count(share, score.shape[1]))[None] for score in scores]


def relevant(full: Propagated) -> list[Tensor]:
    """Return for each layer the magnitudes (n, c) of its channels' relevances."""
    return [totals(relevance).abs() for relevance in full.relevances]


def sizes(selector: object, full: Propagated) -> list[Tensor | int]:
    """Return how many channels of each layer a control keeps: its share, or as many as `Gap` keeps of each image."""
    if selector.sizes == "gap":
        return [gap(score, selector.share) for score in relevant(full)]
    return [count(selector.share, activation.shape[1]) for activation in full.activations]


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
