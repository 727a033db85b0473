"""Critical paths by LRP: which channels of every layer are kept, and the heat map of what comes through them.

Our reading of Bhati et al. 2024; the paper's own algorithm was not available. In every layer (the output of a plain
ReLU) a share of the channels is kept, rounded up and at least one; units in the head are channels. Channels are ranked
by sums over positions, of relevance b by its magnitude or of activation f, equal ones in their order. The heat map of a
path is the relevance of the target's logit that comes down to the pixels through kept channels only; others get theirs
but pass nothing on. `lrp` names the rules (`methods.paths.rules`), which for `tutorial` read `box` (2, c), the values
of black and white pixels. `path(model, x, target, box)` gives the `Path`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from methods.fields import number, whole
from methods.paths.propagation import Propagated, Propagation
from methods.paths.ranking import gap, places, shares, totals
from methods.paths.rules import RULES
from methods.paths.selection import SIZES, best, check, heat_map_of, one_of, path_of, relevant, sizes


@dataclass(frozen=True)
class PathRelevance:
    """LRP through the channels with the most relevance in each layer [after Bhati et al. 2024].

    The share with the largest |b| is kept, whatever lies above or below."""

    share: float
    lrp: str
    canonical: Callable[[nn.Module, Tensor], nn.Module]

    group: ClassVar[str] = "structure"
    signed: ClassVar[bool] = True
    stochastic: ClassVar[bool] = False
    class_specific: ClassVar[bool] = True
    complete: ClassVar[str] = ""
    passes: ClassVar[tuple[int, int]] = (1, 2)
    cites: ClassVar[str] = "Bhati et al. 2024"
    needs: ClassVar[tuple[str, ...]] = ("box",)
    path, __call__ = path_of, heat_map_of

    def __post_init__(self) -> None:
        check(self)

    def kept(self, full: Propagated, again: Propagation) -> list[Tensor]:
        """Keep the highest |b|."""
        return best(relevant(full), self.share)


@dataclass(frozen=True)
class PathGap:
    """LRP through the channels before the largest gap in a layer's relevances [after Bhati et al. 2024].

    Our reading of the paper's forward and backward differences as finite differences: with r_1 >= r_2 >= ... the sorted
    |b| of a layer, the first k are kept where r_k - r_(k+1) is largest, k >= 1 and no more than `share` of the layer:
    each image and layer has a k of its own. Of equal gaps the first counts.
    """

    share: float  # the largest
    lrp: str
    canonical: Callable[[nn.Module, Tensor], nn.Module]

    sizes: ClassVar[str] = "gap"  # of its own: `share` is no axis of a curve
    group: ClassVar[str] = "structure"
    signed: ClassVar[bool] = True
    stochastic: ClassVar[bool] = False
    class_specific: ClassVar[bool] = True
    complete: ClassVar[str] = ""
    passes: ClassVar[tuple[int, int]] = (1, 2)
    cites: ClassVar[str] = "Bhati et al. 2024"
    needs: ClassVar[tuple[str, ...]] = ("box",)
    path, __call__ = path_of, heat_map_of

    def __post_init__(self) -> None:
        check(self)

    def kept(self, full: Propagated, again: Propagation) -> list[Tensor]:
        """Keep what lies before the gap."""
        return [(places(score) < gap(score, self.share))[None] for score in relevant(full)]


@dataclass(frozen=True)
class PathBeam:
    """LRP through the channels that get the most relevance from kept ones above [after Bhati et al. 2024].

    From the target down, in one backward pass: a layer keeps the share with the largest |b|, where b is what arrives
    from kept channels of all layers above (by all branches, added up), and passes only theirs on.
    """

    share: float
    lrp: str
    canonical: Callable[[nn.Module, Tensor], nn.Module]

    group: ClassVar[str] = "structure"
    signed: ClassVar[bool] = True
    stochastic: ClassVar[bool] = False
    class_specific: ClassVar[bool] = True
    complete: ClassVar[str] = ""
    passes: ClassVar[tuple[int, int]] = (1, 3)
    cites: ClassVar[str] = "Bhati et al. 2024"
    needs: ClassVar[tuple[str, ...]] = ("box",)
    path, __call__ = path_of, heat_map_of

    def __post_init__(self) -> None:
        check(self)

    def kept(self, full: Propagated, again: Propagation) -> list[Tensor]:
        """Keep the highest |b| of what kept channels sent."""
        chosen: dict[int, Tensor] = {}

        def select(i: int, relevance: Tensor) -> Tensor:
            (chosen[i],) = best([totals(relevance).abs()], self.share)
            return chosen[i][0]

        again(select)
        return [chosen[i] for i in range(len(full.relevances))]


@dataclass(frozen=True)
class PathForwardBackward:
    """LRP through channels whose relevance is large and like their activation [after Bhati et al. 2024].

    Our reading of the paper's forward and backward differences as those of the two passes: with the shares of a layer's
    channels bs = |b| / sum |b| and fs = f / sum f, the highest bs - weight |fs - bs| are kept.
    """

    share: float
    weight: float
    lrp: str
    canonical: Callable[[nn.Module, Tensor], nn.Module]

    group: ClassVar[str] = "structure"
    signed: ClassVar[bool] = True
    stochastic: ClassVar[bool] = False
    class_specific: ClassVar[bool] = True
    complete: ClassVar[str] = ""
    passes: ClassVar[tuple[int, int]] = (1, 2)
    cites: ClassVar[str] = "Bhati et al. 2024"
    needs: ClassVar[tuple[str, ...]] = ("box",)
    path, __call__ = path_of, heat_map_of

    def __post_init__(self) -> None:
        check(self)
        number(self, "weight", ">= 0", lambda weight: weight >= 0)

    def kept(self, full: Propagated, again: Propagation) -> list[Tensor]:
        """Keep the highest scores."""
        forward = [shares(totals(activation)) for activation in full.activations]
        backward = [shares(score) for score in relevant(full)]
        pairs = zip(forward, backward, strict=True)
        return best([bs - self.weight * (fs - bs).abs() for fs, bs in pairs], self.share)


@dataclass(frozen=True)
class PathActivation:
    """Control: LRP through the channels with the most activation in each layer, whatever the target.

    The share with the largest f is kept, or with `sizes: gap` as many as `PathGap` keeps of this image and layer.
    """

    share: float
    sizes: str  # share | gap
    lrp: str
    canonical: Callable[[nn.Module, Tensor], nn.Module]

    group: ClassVar[str] = "structure"
    signed: ClassVar[bool] = True
    stochastic: ClassVar[bool] = False
    class_specific: ClassVar[bool] = True
    complete: ClassVar[str] = ""
    passes: ClassVar[tuple[int, int]] = (1, 2)
    cites: ClassVar[str] = ""
    needs: ClassVar[tuple[str, ...]] = ("box",)
    path, __call__ = path_of, heat_map_of

    def __post_init__(self) -> None:
        check(self, ("sizes", SIZES))

    def kept(self, full: Propagated, again: Propagation) -> list[Tensor]:
        """Keep the highest f."""
        pairs = zip(full.activations, sizes(self, full), strict=True)
        return [(places(totals(activation)) < size)[None] for activation, size in pairs]


@dataclass(frozen=True)
class PathRandom:
    """Control: LRP through random channels of each layer, mean over draws.

    All images share the draws, and a larger share contains a smaller one; with `sizes: gap` as many channels are
    drawn as `PathGap` keeps of this image and layer.
    """

    share: float
    sizes: str  # share | gap
    draws: int
    seed: int
    lrp: str
    canonical: Callable[[nn.Module, Tensor], nn.Module]

    group: ClassVar[str] = "structure"
    signed: ClassVar[bool] = True
    stochastic: ClassVar[bool] = True
    class_specific: ClassVar[bool] = True
    complete: ClassVar[str] = ""
    cites: ClassVar[str] = ""
    needs: ClassVar[tuple[str, ...]] = ("box",)
    path, __call__ = path_of, heat_map_of

    def __post_init__(self) -> None:
        check(self, ("sizes", SIZES))
        whole(self, draws=1, seed=0)

    @property
    def passes(self) -> tuple[int, int]:
        """Forward and backward passes of one image."""
        return 1, 1 + self.draws

    def kept(self, full: Propagated, again: Propagation) -> list[Tensor]:
        """Keep the first channels of permutations."""
        rng = torch.Generator().manual_seed(self.seed)
        orders = [torch.rand(self.draws, 1, a.shape[1], generator=rng).to(a.device) for a in full.activations]
        pairs = zip(orders, sizes(self, full), strict=True)
        return [(places(order) < size).expand(-1, len(full.logits), -1) for order, size in pairs]


@dataclass(frozen=True)
class PathAll:
    """Control: LRP through all channels, the whole network as its own path."""

    lrp: str
    canonical: Callable[[nn.Module, Tensor], nn.Module]

    group: ClassVar[str] = "structure"
    signed: ClassVar[bool] = True
    stochastic: ClassVar[bool] = False
    class_specific: ClassVar[bool] = True
    complete: ClassVar[str] = ""
    passes: ClassVar[tuple[int, int]] = (1, 2)
    cites: ClassVar[str] = ""
    needs: ClassVar[tuple[str, ...]] = ("box",)
    path, __call__ = path_of, heat_map_of

    def __post_init__(self) -> None:
        one_of(self, "lrp", RULES)

    def kept(self, full: Propagated, again: Propagation) -> list[Tensor]:
        """Keep everything."""
        return [torch.ones_like(totals(activation), dtype=torch.bool)[None] for activation in full.activations]
