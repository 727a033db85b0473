"""Path accuracy: how well do the selected channels stand for the whole network?

This is our reading of Bhati et al. 2024. The paper's own algorithm was not available, and its abstract does not say
between what and what it takes MSE and SMAPE. Two comparisons are made here, and two others never:

- `compares: shares` compares the forward share f / sum f with the backward share b / sum |b| of the selected channels.
  f is a channel's activation and b its relevance, summed over positions, and the sums are those of the whole layer. It
  describes a selection and does not prove it good.
- `compares: logits` compares the logits of the network with its logits when only the path is kept. This tests the path
  causally.
- Relevance is never compared with its own masked copy: every term of a channel that was not selected is 2 |r| / |r| =
  2, so that SMAPE is 200 % times the share of channels not selected, whatever was selected.
- Softmax outputs are never compared: tiny probabilities of classes that nobody asked about decide SMAPE, while the
  predicted class agrees.

All metrics give one score (n,) for the whole path, where all layers are masked in one run and the selected channels of
all layers are concatenated. `layers` gives (l, n) with one layer alone. A random path is scored draw by draw; its score
is the mean over draws. `fill` says what a channel outside the path is: zero, or its mean over the data set. All sums
are in float64.
"""

from functools import partial
from math import inf

import torch
from torch import Tensor

from benchmarks.paths.pathed import Pathed
from entries import choice, refuse, scores

FILLS = ("zero", "mean")
follows = partial(scores, "path")
compares_path = partial(
    follows,
    higher_is_better=False,
    cites="Bhati et al. 2024",
    undefined="a layer without activation or without relevance has no shares",
    passes="logits: 1 for each draw, and 1 + at most 1 for each draw and layer; shares: none",
)


def compared(metric: object) -> None:
    """Refuse what is not compared, and a fill where nothing is filled."""
    choice(metric, "compares", ("shares", "logits"))
    if metric.compares == "logits":
        choice(metric, "fill", FILLS)
    elif metric.fill is not None:
        refuse(metric, "fill", "fill=null with compares=shares, which mask nothing")


def path_score(metric: object, pathed: Pathed) -> Tensor:
    """Return the scores (n,) of the whole path."""
    if metric.compares == "shares":
        forward, backward = (torch.cat(part, 1) for part in zip(*shares(pathed), strict=True))
        return over_channels(metric.terms(forward, backward), torch.cat(pathed.path.kept, 2))
    return over_classes(metric, pathed, None)


def layer_scores(metric: object, pathed: Pathed) -> Tensor:
    """Return the scores (l, n) of each layer alone."""
    if metric.compares == "shares":
        pairs = zip(shares(pathed), pathed.path.kept, strict=True)
        return torch.stack([over_channels(metric.terms(*both), kept) for both, kept in pairs])
    return torch.stack([over_classes(metric, pathed, layer) for layer in range(len(pathed.path.layers))])


@compares_path(bounds=(0.0, inf))
class PathMse:
    """Mean of (a - b)^2 over selected channels, or over classes [Bhati et al. 2024, our reading]."""

    compares: str
    fill: str | None
    __post_init__ = compared
    __call__ = path_score
    layers = layer_scores

    def terms(self, a: Tensor, b: Tensor) -> Tensor:
        return (a - b) ** 2


@compares_path(bounds=(0.0, 200.0))
class PathSmape:
    """Mean of 200 |a - b| / (|a| + |b|) percent over channels or classes [Bhati et al. 2024, our reading].

    The score is from 0 to 200; 0 / 0 counts 0, since both sides are equal. A term is 200 wherever the signs differ or
    one side is 0, so that a logit near 0 weighs as much as any other: read it beside `PathAgreement`.
    """

    compares: str
    fill: str | None
    __post_init__ = compared
    __call__ = path_score
    layers = layer_scores

    def terms(self, a: Tensor, b: Tensor) -> Tensor:
        return torch.where(a == b, 0, 200 * ((a - b).abs() / (a.abs() + b.abs())))


@follows(
    higher_is_better=True,
    cites="",
    bounds=(0.0, 1.0),
    passes="1 for each draw, and 1 + at most 1 for each draw and layer",
)
class PathAgreement:
    """Does the path alone predict the same class as the whole network? The share of draws that do.

    With the fill `mean` the score of a whole path can be far below chance, since averages in all layers at once silence
    what is kept above them. With half of the channels kept by relevance in a fitted VGG16, those of the last layer fell
    from 1.5 times their mean to a quarter of it, while those of other classes stayed at theirs: the path spoke against
    its own class. It agreed on .04 of 24 images (.12 for ResNet18), and layers masked alone on .88 to 1.
    """

    fill: str
    compares = "logits"
    __call__ = path_score
    layers = layer_scores

    def __post_init__(self) -> None:
        choice(self, "fill", FILLS)

    def terms(self, a: Tensor, b: Tensor) -> Tensor:
        return (a.argmax(-1) == b.argmax(-1))[..., None].double()


@follows(higher_is_better=False, cites="", bounds=(0.0, 1.0))
class PathSize:
    """Share of the network's channels that the path keeps, the mean over draws.

    A smaller path is a simpler explanation. The share says nothing of whether the path is the right one.
    """

    def __call__(self, pathed: Pathed) -> Tensor:
        kept, channels = self.counts(pathed)
        return kept.sum(0) / channels.sum()

    def layers(self, pathed: Pathed) -> Tensor:
        """Return the share (l, n) of each layer's channels."""
        kept, channels = self.counts(pathed)
        return kept / channels[:, None]

    def counts(self, pathed: Pathed) -> tuple[Tensor, Tensor]:
        """Return how many channels of each layer are kept, (l, n) float64, and how many there are (l,)."""
        kept = torch.stack([kept.double().sum(2).mean(0) for kept in pathed.path.kept])
        return kept, torch.tensor([kept.shape[2] for kept in pathed.path.kept], device=kept.device)


def shares(pathed: Pathed) -> list[tuple[Tensor, Tensor]]:
    """Return the forward and the backward share (n, c) of every layer's channels; nan in a layer without any."""
    both = zip(pathed.path.forward, pathed.path.backward, strict=True)
    parts = ((f / f.sum(1, keepdim=True), b / b.abs().sum(1, keepdim=True)) for f, b in both)
    return pathed.once("shares", lambda: [*parts])


def over_channels(terms: Tensor, kept: Tensor) -> Tensor:
    """Return the mean (n,) of terms (n, c) over the channels that are kept (draws, n, c), and over draws."""
    return (torch.where(kept, terms, 0).sum(2) / kept.sum(2)).mean(0)


def over_classes(metric: object, pathed: Pathed, layer: int | None) -> Tensor:
    """Return the mean (n,) over draws and classes when one layer, or with None every layer, keeps its path only."""

    def compute() -> Tensor:
        masks = [kept if layer in (None, i) else None for i, kept in enumerate(pathed.path.kept)]
        draws = [[mask if mask is None else mask[d] for mask in masks] for d in range(len(pathed.path.kept[0]))]
        return torch.stack([pathed.only(draw, metric.fill).double() for draw in draws])

    left = pathed.once((metric.fill, layer), compute)
    return metric.terms(pathed.logits.double().expand_as(left), left).mean((0, 2))
