"""Path accuracy: how well do the selected channels stand for the whole network?

Our reading of Bhati et al. 2024; the paper's own algorithm was not available, and its abstract does not say between
what and what it takes MSE and SMAPE. Two comparisons are made here, and two others never:

- `of: shares`: the forward share f / sum f against the backward share b / sum |b| of the selected channels, f being a
  channel's activation and b its relevance, summed over positions, and the sums those of the whole layer. It describes
  a selection and does not prove it good.
- `of: logits`: the logits of the network against its logits when only the path is kept. This tests the path causally.
- Never relevance against its own masked copy: every term of a channel that was not selected is 2 |r| / |r| = 2, so that
  SMAPE is 200 % times the share of channels not selected, whatever was selected.
- Never softmax outputs: tiny probabilities of classes that nobody asked about decide SMAPE, while the label agrees.

All metrics give one score (n,) for the whole path, where all layers are masked in one run and the selected channels of
all layers are concatenated, and `layers` gives (l, n) with one layer alone. A random path is scored draw by draw; its
score is the mean over draws. `fill` says what a channel outside the path is: zero, or its mean over the data set. All
sums are in float64.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from benchmarks.metrics.fields import choice
from benchmarks.pathed import Pathed

FILLS = ("zero", "mean")


@dataclass(frozen=True)
class PathMse:
    """Mean of (a - b)^2 over selected channels, or over classes [Bhati et al. 2024, our reading]."""

    of: str
    fill: str | None

    scores: ClassVar[str] = "paths"
    category: ClassVar[str] = "path"
    higher_is_better: ClassVar[bool] = False
    bounds: ClassVar[tuple[float, float]] = (0.0, float("inf"))
    version: ClassVar[int] = 1
    undefined: ClassVar[str] = "a layer without activation or without relevance has no shares"
    passes: ClassVar[str] = "logits: 1 for each draw, and 1 + at most 1 for each draw and layer; shares: none"
    cites: ClassVar[str] = "Bhati et al. 2024"

    def __post_init__(self) -> None:
        compared(self)

    def __call__(self, pathed: Pathed) -> Tensor:
        return whole(self, pathed, squared)

    def layers(self, pathed: Pathed) -> Tensor:
        """Return the scores (l, n) of each layer alone."""
        return alone(self, pathed, squared)


@dataclass(frozen=True)
class PathSmape:
    """Mean of 200 |a - b| / (|a| + |b|) percent over channels or classes [Bhati et al. 2024, our reading].

    From 0 to 200; 0 / 0 counts 0, since both sides are equal. A term is 200 wherever the signs differ or one side is 0,
    so that a logit near 0 weighs as much as any other: read it beside `PathAgreement`.
    """

    of: str
    fill: str | None

    scores: ClassVar[str] = "paths"
    category: ClassVar[str] = "path"
    higher_is_better: ClassVar[bool] = False
    bounds: ClassVar[tuple[float, float]] = (0.0, 200.0)
    version: ClassVar[int] = 1
    undefined: ClassVar[str] = PathMse.undefined
    passes: ClassVar[str] = PathMse.passes
    cites: ClassVar[str] = "Bhati et al. 2024"

    def __post_init__(self) -> None:
        compared(self)

    def __call__(self, pathed: Pathed) -> Tensor:
        return whole(self, pathed, symmetric)

    def layers(self, pathed: Pathed) -> Tensor:
        """Return the scores (l, n) of each layer alone."""
        return alone(self, pathed, symmetric)


@dataclass(frozen=True)
class PathAgreement:
    """Does the path alone predict the same class as the whole network? The share of draws that do.

    With the fill `mean` the score of a whole path can be far below chance, and rightly so: averages in all layers at
    once silence what is kept above them. With half of the channels kept by relevance in a fitted VGG16, those of the
    last layer fell from 1.5 times their mean to a quarter of it, while those of other classes stayed at theirs: the
    path spoke against its own class. It agreed on .04 of 24 images (.12 for ResNet18), and layers masked alone on .88
    to 1.
    """

    fill: str

    scores: ClassVar[str] = "paths"
    category: ClassVar[str] = "path"
    higher_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    version: ClassVar[int] = 1
    undefined: ClassVar[str] = "never"
    passes: ClassVar[str] = "1 for each draw, and 1 + at most 1 for each draw and layer"
    cites: ClassVar[str] = ""
    of: ClassVar[str] = "logits"

    def __post_init__(self) -> None:
        choice(self, "fill", FILLS)

    def __call__(self, pathed: Pathed) -> Tensor:
        return whole(self, pathed, same_class)

    def layers(self, pathed: Pathed) -> Tensor:
        """Return the scores (l, n) of each layer alone."""
        return alone(self, pathed, same_class)


Metric = PathMse | PathSmape | PathAgreement
Terms = Callable[[Tensor, Tensor], Tensor]  # two tensors of one shape to the terms of a mean over the last axis


def compared(metric: PathMse | PathSmape) -> None:
    """Refuse what is not compared, and a fill where nothing is filled."""
    choice(metric, "of", ("shares", "logits"))
    if metric.of == "logits":
        choice(metric, "fill", FILLS)
    elif metric.fill is not None:
        need = f"{type(metric).__name__} needs fill=null with of=shares, which mask nothing"
        raise ValueError(f"{need}; fill={metric.fill!r} was given")


def squared(a: Tensor, b: Tensor) -> Tensor:
    return (a - b) ** 2


def symmetric(a: Tensor, b: Tensor) -> Tensor:
    """Terms of SMAPE in percent; equal values, two zeros too, give 0."""
    return torch.where(a == b, 0, 200 * ((a - b).abs() / (a.abs() + b.abs())))


def same_class(a: Tensor, b: Tensor) -> Tensor:
    return (a.argmax(-1) == b.argmax(-1))[..., None].double()


def whole(metric: Metric, pathed: Pathed, terms: Terms) -> Tensor:
    """Return the scores (n,) of the whole path."""
    if metric.of == "shares":
        forward, backward = (torch.cat(part, 1) for part in zip(*shares(pathed), strict=True))
        return selected(terms(forward, backward), torch.cat(pathed.path.kept, 2))
    return kept(metric, pathed, terms, None)


def alone(metric: Metric, pathed: Pathed, terms: Terms) -> Tensor:
    """Return the scores (l, n) of each layer."""
    if metric.of == "shares":
        return torch.stack([selected(terms(*s), k) for s, k in zip(shares(pathed), pathed.path.kept, strict=True)])
    return torch.stack([kept(metric, pathed, terms, i) for i in range(len(pathed.path.layers))])


def shares(pathed: Pathed) -> list[tuple[Tensor, Tensor]]:
    """Return the forward and the backward share (n, c) of every layer's channels; nan in a layer without any."""

    def compute() -> list[tuple[Tensor, Tensor]]:
        path = pathed.path
        return [(f / f.sum(1, keepdim=True), b / b.abs().sum(1, keepdim=True))
                for f, b in zip(path.forward, path.backward, strict=True)]  # fmt: skip

    return pathed.once("shares", compute)


def selected(terms: Tensor, chosen: Tensor) -> Tensor:
    """Return the mean (n,) of terms (n, c) over the chosen channels (draws, n, c), and over draws."""
    return (torch.where(chosen, terms, 0).sum(2) / chosen.sum(2)).mean(0)


def kept(metric: Metric, pathed: Pathed, terms: Terms, layer: int | None) -> Tensor:
    """Return the mean (n,) over draws and classes when one layer, or with None every layer, keeps its path only."""
    everything = range(len(pathed.path.layers))

    def compute() -> Tensor:
        draws = (
            [k[draw] if layer in (None, i) else None for i, k in zip(everything, pathed.path.kept, strict=True)]
            for draw in range(len(pathed.path.kept[0]))
        )
        return torch.stack([pathed.only(draw, metric.fill).double() for draw in draws])

    left = pathed.once((metric.fill, layer), compute)
    return terms(pathed.logits.double().expand_as(left), left).mean((0, 2))
