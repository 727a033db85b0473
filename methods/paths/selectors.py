"""Selectors of critical paths by LRP: which channels of every layer are kept.

A layer is the output of a plain ReLU; units in the head are channels. In every layer a share of the channels is kept,
rounded up and at least one. Channels are ranked by sums over positions: of relevance b by its magnitude, or of
activation f. Equal channels are ranked in their order. `selector(model, x, target, box)` gives the `Path`.

`lrp` names the rules (`methods.paths.rules`), which for `tutorial` read `box` (2, c), the values of black and white
pixels. `sizes` says what the number of kept channels follows: the selector's `share`; the largest `gap` between
relevances, where `share` is only an upper limit; or `all` channels.
"""

from functools import partialmethod

import torch
from torch import Tensor
from torch.nn.functional import normalize

from entries import choice, explains, number, whole
from methods.graph import Canonical
from methods.paths.propagation import path_of, totals
from methods.paths.rules import RULES
from methods.paths.selection import check, highest
from methods.relevance import Backward

Layers = tuple[Tensor, ...]  # (n, c) of each layer


@explains("structure", cites="Bhati et al. 2024", signed=True, passes=(1, 1), needs=("box",))
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

    def kept(self, forward: Layers, backward: Layers, again: Backward) -> list[Tensor]:
        return highest(self, [b.abs() for b in backward], backward)


@explains("structure", cites="Bhati et al. 2024", signed=True, passes=(1, 1), needs=("box",))
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
    kept = Relevance.kept


@explains("structure", cites="Bhati et al. 2024", signed=True, passes=(1, 2), needs=("box",))
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

    def kept(self, forward: Layers, backward: Layers, again: Backward) -> list[Tensor]:
        chosen: dict[int, Tensor] = {}

        def select(i: int, relevance: Tensor) -> Tensor:
            b = totals(relevance)
            (chosen[i],) = highest(self, [b.abs()], [b])
            return chosen[i][0]

        again(select)
        return [chosen[i] for i in range(len(backward))]


@explains("structure", cites="Bhati et al. 2024", signed=True, passes=(1, 1), needs=("box",))
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

    def kept(self, forward: Layers, backward: Layers, again: Backward) -> list[Tensor]:
        shares = ([normalize(values.abs(), p=1, eps=1e-300) for values in part] for part in (forward, backward))
        pairs = zip(*shares, strict=True)
        return highest(self, [bs - self.weight * (fs - bs).abs() for fs, bs in pairs], backward)


@explains("control", cites="", signed=True, class_specific=False, passes=(1, 1), needs=("box",))
class Activation:
    """Control: channels with the most activation in each layer, whatever the target.

    The share with the largest f is kept, or with `sizes: gap` as many as `Gap` keeps of this image and layer.
    """

    share: float
    sizes: str  # share | gap
    lrp: str
    canonical: Canonical
    __post_init__ = check
    __call__ = path_of

    def kept(self, forward: Layers, backward: Layers, again: Backward) -> list[Tensor]:
        return highest(self, forward, backward)


@explains("control", cites="", signed=True, class_specific=False, passes=(1, 1), needs=("box",))
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
        whole(self, draws=1, seed=0)

    def kept(self, forward: Layers, backward: Layers, again: Backward) -> list[Tensor]:
        rng = torch.Generator().manual_seed(self.seed)
        orders = [torch.rand(self.draws, 1, f.shape[1], generator=rng).to(f.device) for f in forward]
        return highest(self, [order.expand(-1, len(forward[0]), -1) for order in orders], backward)


@explains("control", cites="", signed=True, class_specific=False, passes=(1, 1), needs=("box",))
class All:
    """Control: all channels; the whole network is its own path."""

    lrp: str
    canonical: Canonical
    sizes = "all"
    __call__ = path_of
    __post_init__ = partialmethod(choice, "lrp", RULES)

    def kept(self, forward: Layers, backward: Layers, again: Backward) -> list[Tensor]:
        return [torch.ones_like(f, dtype=torch.bool)[None] for f in forward]
