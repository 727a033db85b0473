"""Curves over the share of pixels removed or kept, largest first; each state of an image is passed once per map."""

from functools import partial, partialmethod

import torch
from torch import Tensor

from benchmarks.explained import Explained
from benchmarks.maps.metrics.baselines import baseline_logits, filled, imputed
from benchmarks.maps.metrics.ranking import pixel_order
from entries import scores

STILL = 2.0**-17  # of the largest logit: what moves less moves by rounding, which depends on the batch size
stepwise = property(lambda metric: (metric.steps - 1, 1, 0))  # the passes of a curve
faithful = partial(scores, "faithfulness", undefined="the probability is not a number", passes=stepwise)
stepped = partialmethod(filled, steps=1)  # refuses wrong steps, baselines and seeds


def fractions(steps: int, explained: Explained) -> Tensor:
    """Return k / steps for k = 0, ..., steps."""
    return torch.linspace(0, 1, steps + 1, device=explained.maps.device)


def removal(explained: Explained, steps: int, baseline: str, seed: int, keep: bool = False) -> Tensor:
    """Return the logits (n, steps + 1, k) while the largest round(k N / steps) of the N pixels are removed.

    With `keep` all others are removed, which is insertion; read from its end, it is the removal of the smallest first.
    """
    return torch.stack([logits_at(explained, count, baseline, seed, keep) for count in even(explained, steps)], 1)


def even(explained: Explained, steps: int) -> list[int]:
    """Return the numbers of pixels at equal steps from none to all."""
    pixels = explained.maps[0].numel()
    return [round(k * pixels / steps) for k in range(steps + 1)]


def logits_at(explained: Explained, count: int, baseline: str, seed: int, keep: bool) -> Tensor:
    """Return the logits (n, k) when only the `count` largest pixels are kept, or when they are removed."""
    pixels = explained.maps[0].numel()
    if count == (pixels if keep else 0):
        return explained.clean_logits()
    if count == (0 if keep else pixels):
        return baseline_logits(explained, baseline, seed)

    def compute() -> Tensor:
        first = order(explained, seed) < count
        return explained.logits(imputed(explained, ~first if keep else first, baseline, seed))

    return explained.once(("state", count, baseline, seed, keep), compute)


def order(explained: Explained, seed: int) -> Tensor:
    """Rank the map's pixels (n, h, w), 0 for the largest."""
    return explained.once(("pixel order", seed), lambda: pixel_order(explained, explained.maps, seed))


def probability(explained: Explained, logits: Tensor) -> Tensor:
    """Return the target's probability (n, states) of logits (n, states, k)."""
    return of_target(explained, logits.softmax(-1))


def of_target(explained: Explained, values: Tensor) -> Tensor:
    """Pick the target's value (n, states) of (n, states, k)."""
    return values.gather(2, explained.target[:, None, None].expand(-1, values.shape[1], 1))[..., 0]


def log_odds(explained: Explained, logits: Tensor) -> Tensor:
    """Return the target's log odds (n, states) float64 of logits (n, states, k), as exact near 1 as near 0."""
    target = explained.target[:, None, None].expand(-1, logits.shape[1], 1)
    others = logits.double().scatter(2, target, -torch.inf).logsumexp(-1)
    return of_target(explained, logits.double()) - others


def rounding(logits: Tensor) -> Tensor:
    """Return how far log odds (n, 1) of logits (n, states, k) may move by rounding."""
    return STILL * logits.double().abs().flatten(1).amax(1, keepdim=True)


def area(values: Tensor) -> Tensor:
    """Integrate (n, steps + 1) values over [0, 1] by the trapezoid rule."""
    return (torch.trapezoid(values.double(), dim=1) / (values.shape[1] - 1)).float()


def area_under(metric: object, explained: Explained) -> Tensor:
    """Return the score (n,) of a metric that is the area under its curve."""
    return area(metric.curve(explained)[1])


def sized(*invariances: str) -> property:
    """Return the fact `invariant`: "size" is added where the metric's baseline looks the same at every size.

    The numbers of pixels of all steps must be whole at both sizes.
    """
    return property(lambda metric: (*invariances, "size") if metric.baseline in ("black", "mean") else invariances)
