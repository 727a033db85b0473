"""Importance of filters, judged by removing them: does the network still give an image the class that it gave?

Removed filters are zero everywhere after their batch norm, whatever the importance took their removal to be. Several
draws of an order, as the control `random` has them, are scored one by one; the score is their mean. The gain of an
order is the area of `random` less its own, most important filters first, and both are cells of their own.
"""

import json
from functools import partial
from math import inf

import torch
from torch import Tensor

from benchmarks.layers.ranked import Ranked
from entries import Inapplicable, number, scores, whole

ranks = partial(scores, "importance", bounds=(0.0, 1.0))


def whole_image(metric: object, ranked: Ranked) -> list[str]:
    return [""]


def layers(metric: object, ranked: Ranked) -> list[str]:
    """Return what the scores are of: every layer with filters."""
    return [*ranked.importance.names]


def removal_curve(metric: object, ranked: Ranked) -> tuple[Tensor, Tensor]:
    """Return the shares (s,) of filters removed and on what share of draws each image keeps its class (n, s)."""
    shares = [0.0, *ranked.shares, 1.0]
    kept = [ranked.kept(share, metric.most_first).cpu() for share in shares]
    return torch.tensor(shares, dtype=torch.float64), torch.stack(kept, 1)


def area(metric: object, ranked: Ranked) -> Tensor:
    """Return the area (n,) under the curve, by trapezoids, both ends included."""
    shares, kept = metric.curve(ranked)
    return torch.trapezoid(kept, shares)


@ranks(higher_is_better=False, cites="", passes="1 for each share and draw")
class RemovalMostFirst:
    """Area under hits against the share of every layer's filters removed, most important first."""

    most_first = True
    of_images = True
    parts = whole_image
    curve = removal_curve
    __call__ = area


@ranks(higher_is_better=True, cites="", passes="1 for each share and draw")
class RemovalLeastFirst:
    """Area under hits against the share of every layer's filters removed, least important first."""

    most_first = False
    of_images = True
    parts = whole_image
    curve = removal_curve
    __call__ = area


@ranks(higher_is_better=False, cites="", passes="1 of the network, and at most 1 for each layer and draw")
class LayerRemoval:
    """Does an image keep its class without the most important filters of one layer? Layer by layer.

    A `share` of the filters is removed. The other layers stay whole. The score is the share of draws that keep it, of
    the first `draws` where an importance has several orders.
    """

    share: float
    draws: int
    of_images = True
    parts = layers

    def __post_init__(self) -> None:
        number(self, "share", "in (0, 1]", lambda share: 0 < share <= 1)
        whole(self, draws=1)

    def __call__(self, ranked: Ranked) -> Tensor:
        """Return the scores (l, n)."""
        layers = range(len(ranked.importance.names))
        return torch.stack([ranked.kept(self.share, True, k, self.draws).cpu() for k in layers])


@scores(
    "importance",
    higher_is_better=True,
    cites="",
    undefined="the importance says nothing of a single class",
)
class ChannelImportance:
    """The fall of a class's logit when a filter is removed.

    The score is the mean over reference images of the class. Above 0 the filter supports the class, below it the
    filter speaks against it.
    """

    of_images = False

    def parts(self, ranked: Ranked) -> list[str]:
        """Return layer, channel and class in JSON, filter by filter; one part if no class is told of."""
        return [json.dumps(part) for part in self.filters(ranked)] or [""]

    def targets(self, ranked: Ranked) -> list[int]:
        return [target for *_, target in self.filters(ranked)] or [-1]

    def filters(self, ranked: Ranked) -> list[tuple[str, int, int]]:
        known = self.classes(ranked)
        sizes = zip(ranked.importance.names, ranked.importance.signed, strict=True)
        return [(name, c, k) for name, signed in sizes for c in range(signed.shape[1]) for k in known]

    def classes(self, ranked: Ranked) -> list[int]:
        """Return the classes that the importance tells of, which reference images show."""
        told = ~torch.cat(ranked.importance.signed, 1).isnan().all(1)
        return told.nonzero()[:, 0].tolist()

    def __call__(self, ranked: Ranked) -> Tensor:
        known = self.classes(ranked)
        told = torch.cat([signed[known].T.flatten() for signed in ranked.importance.signed])
        return told if known else torch.full((1,), torch.nan)


@scores("importance", higher_is_better=True, cites="", bounds=(0.0, inf))
class FilterImportance:
    """The size by which the filters of a layer are ordered, filter by filter.

    Of ablation and Taylor it is the mean over reference images of |fall of the label's logit|.
    """

    of_images = False

    def parts(self, ranked: Ranked) -> list[str]:
        """Return layer and channel in JSON."""
        sizes = zip(ranked.importance.names, ranked.importance.order, strict=True)
        return [json.dumps((name, channel)) for name, order in sizes for channel in range(order.shape[1])]

    def __call__(self, ranked: Ranked) -> Tensor:
        if len(ranked.importance.order[0]) > 1:
            raise Inapplicable("FilterImportance needs an importance with one order; several draws have no common one")
        return torch.cat([order[0] for order in ranked.importance.order])


@ranks(higher_is_better=False, cites="")
class DeadFilters:
    """Share of a layer's filters that are dead on the reference images.

    A dead filter is constant, or constant after the activation. Dead filters are never removed.
    """

    of_images = False
    parts = layers

    def __call__(self, ranked: Ranked) -> Tensor:
        return torch.stack([1 - alive.double().mean() for alive in ranked.importance.alive])
