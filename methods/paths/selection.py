"""What selectors of paths share: checks of fields, the path of the kept channels, and how many channels are kept."""

from collections.abc import Sequence

from torch import Tensor, nn

from entries import choice, number
from methods.paths import Path
from methods.paths.nodes import layers
from methods.paths.propagation import Propagated, propagation
from methods.paths.ranking import count, gap, places, totals
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
