"""Selectors of critical paths by LRP: which channels of every layer are kept.

A layer is the output of a plain ReLU; units in the head are channels. In every layer a share of the channels is kept,
rounded up and at least one. Channels are ranked by sums over positions: of relevance b by its magnitude, or of
activation f. Equal channels are ranked in their order. `selector(model, x, target, box)` gives the `Path`.

`lrp` names the rules (`methods.paths.rules`), which for `tutorial` read `box` (2, c), the values of black and white
pixels. `sizes` says what the number of kept channels follows: the selector's `share`; the largest `gap` between
relevances, where `share` is only an upper limit; or `all` channels.
"""

from dataclasses import dataclass
from functools import partialmethod

import torch
from torch import Tensor

from entries import choice, explains, number, whole
from methods.graph import Canonical
from methods.paths.propagation import Propagated, Propagation
from methods.paths.rules import RULES
from methods.paths.selection import SIZES, best, check, gap, path_of, places, relevant, shares, sizes, totals


@explains("structure", cites="Bhati et al. 2024", signed=True, passes=(1, 1), needs=("box",))
@dataclass(frozen=True)
class Relevance:
    """Channels with the most relevance in each layer [after Bhati et al. 2024].

    The share with the largest |b| is kept, whatever the layers above and below keep.
    """

    share: float
    lrp: str
    canonical: Canonical
    sizes = "share"
    __post_init__ = check
    __call__ = path_of

    def kept(self, full: Propagated, again: Propagation) -> list[Tensor]:
        return best(relevant(full), self.share)


@explains("structure", cites="Bhati et al. 2024", signed=True, passes=(1, 1), needs=("box",))
@dataclass(frozen=True)
class Gap:
    """Channels before the largest gap between a layer's sorted relevances [after Bhati et al. 2024].

    We read the paper's forward and backward differences as finite differences. With r_1 >= r_2 >= ... the sorted |b| of
    a layer, the first k are kept where r_k - r_(k+1) is largest, k >= 1 and no more than `share` of the layer. Each
    image and layer has its own k. Of equal gaps the first counts.
    """

    share: float  # the largest
    lrp: str
    canonical: Canonical
    sizes = "gap"
    __post_init__ = check
    __call__ = path_of

    def kept(self, full: Propagated, again: Propagation) -> list[Tensor]:
        return [(places(score) < gap(score, self.share))[None] for score in relevant(full)]


@explains("structure", cites="Bhati et al. 2024", signed=True, passes=(1, 2), needs=("box",))
@dataclass(frozen=True)
class Beam:
    """Channels that get the most relevance from kept channels above them [after Bhati et al. 2024].

    One backward pass goes from the target down. Each layer keeps the share with the largest |b| and passes only their
    relevance on; b is the sum of what arrives from the kept channels of all layers above, by all branches.
    """

    share: float
    lrp: str
    canonical: Canonical
    sizes = "share"
    __post_init__ = check
    __call__ = path_of

    def kept(self, full: Propagated, again: Propagation) -> list[Tensor]:
        chosen: dict[int, Tensor] = {}

        def select(i: int, relevance: Tensor) -> Tensor:
            (chosen[i],) = best([totals(relevance).abs()], self.share)
            return chosen[i][0]

        again(select)
        return [chosen[i] for i in range(len(full.relevances))]


@explains("structure", cites="Bhati et al. 2024", signed=True, passes=(1, 1), needs=("box",))
@dataclass(frozen=True)
class ForwardBackward:
    """Channels whose relevance is large and similar to their activation [after Bhati et al. 2024].

    We read the paper's forward and backward differences as those between the two passes. With the channels' shares
    bs = |b| / sum |b| and fs = f / sum f of a layer, those with the highest bs - weight |fs - bs| are kept.
    """

    share: float
    weight: float
    lrp: str
    canonical: Canonical
    sizes = "share"
    __call__ = path_of

    def __post_init__(self) -> None:
        check(self)
        number(self, "weight", ">= 0", lambda weight: weight >= 0)

    def kept(self, full: Propagated, again: Propagation) -> list[Tensor]:
        forward = [shares(totals(activation)) for activation in full.activations]
        backward = [shares(score) for score in relevant(full)]
        pairs = zip(forward, backward, strict=True)
        return best([bs - self.weight * (fs - bs).abs() for fs, bs in pairs], self.share)


@explains("control", cites="", signed=True, class_specific=False, passes=(1, 1), needs=("box",))
@dataclass(frozen=True)
class Activation:
    """Control: channels with the most activation in each layer, whatever the target.

    The share with the largest f is kept, or with `sizes: gap` as many as `Gap` keeps of this image and layer.
    """

    share: float
    sizes: str  # share | gap
    lrp: str
    canonical: Canonical
    __call__ = path_of

    def __post_init__(self) -> None:
        check(self)
        choice(self, "sizes", SIZES)

    def kept(self, full: Propagated, again: Propagation) -> list[Tensor]:
        pairs = zip(full.activations, sizes(self, full), strict=True)
        return [(places(totals(activation)) < size)[None] for activation, size in pairs]


@explains("control", cites="", signed=True, class_specific=False, passes=(1, 1), needs=("box",))
@dataclass(frozen=True)
class Random:
    """Control: random channels of each layer, in several draws.

    All images share the draws, and a larger share contains a smaller one. `sizes: gap` draws as many as `Gap` keeps.
    """

    share: float
    sizes: str  # share | gap
    draws: int
    seed: int
    lrp: str
    canonical: Canonical
    __call__ = path_of

    def __post_init__(self) -> None:
        check(self)
        choice(self, "sizes", SIZES)
        whole(self, draws=1, seed=0)

    def kept(self, full: Propagated, again: Propagation) -> list[Tensor]:
        rng = torch.Generator().manual_seed(self.seed)
        orders = [torch.rand(self.draws, 1, a.shape[1], generator=rng).to(a.device) for a in full.activations]
        pairs = zip(orders, sizes(self, full), strict=True)
        return [(places(order) < size).expand(-1, len(full.logits), -1) for order, size in pairs]


@explains("control", cites="", signed=True, class_specific=False, passes=(1, 1), needs=("box",))
@dataclass(frozen=True)
class All:
    """Control: all channels; the whole network is its own path."""

    lrp: str
    canonical: Canonical
    sizes = "all"
    __call__ = path_of
    __post_init__ = partialmethod(choice, "lrp", RULES)

    def kept(self, full: Propagated, again: Propagation) -> list[Tensor]:
        return [torch.ones_like(totals(activation), dtype=torch.bool)[None] for activation in full.activations]
