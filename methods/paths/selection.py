"""What all selectors of paths share: checks of their fields, the path of what they keep, and its heat map."""

from collections.abc import Callable, Sequence
from typing import Protocol

from torch import Tensor, nn

from methods.fields import number
from methods.paths import Path
from methods.paths.nodes import layers
from methods.paths.propagation import Propagated, Propagation, propagation
from methods.paths.ranking import count, gap, places, totals
from methods.paths.rules import RULES

SIZES = ("share", "gap")


class Selector(Protocol):
    """What the functions here ask of an entry."""

    lrp: str
    canonical: Callable[[nn.Module, Tensor], nn.Module]

    def kept(self, full: Propagated, again: Propagation) -> list[Tensor]:
        """Return the choice in each layer (draws, n, c), given full relevance and a way to propagate again."""


def one_of(method: object, name: str, known: Sequence[str]) -> None:
    """Refuse a field that is none of the `known` words."""
    if (value := getattr(method, name)) not in known:
        need = f"{type(method).__name__} needs {name} to be one of {', '.join(known)}"
        raise ValueError(f"{need}; {name}={value!r} was given")


def check(method: object, *words: tuple[str, Sequence[str]]) -> None:
    """Refuse a share outside (0, 1] and words that are not known."""
    number(method, "share", "> 0 and <= 1", lambda share: 0 < share <= 1)
    for name, known in (("lrp", RULES), *words):
        one_of(method, name, known)


def path_of(method: Selector, model: nn.Module, x: Tensor, target: Tensor, box: Tensor | None = None) -> Path:
    """Return what a selector keeps, with each channel's activation and full relevance."""
    with propagation(method, model, x, target, box) as propagate:
        full = propagate()
        names = tuple(node.name for node in layers(full.graph))
        forward, backward = (tuple(map(totals, values)) for values in (full.activations, full.relevances))
        return Path(names, tuple(method.kept(full, propagate)), forward, backward)


def heat_map_of(method: Selector, model: nn.Module, x: Tensor, target: Tensor, box: Tensor | None = None) -> Tensor:
    """Return the heat maps (n, h, w) of a selector's paths."""
    with propagation(method, model, x, target, box) as propagate:
        return propagate.through(method.kept(propagate(), propagate))


def best(scores: Sequence[Tensor], share: float) -> list[Tensor]:
    """Keep a share of the channels with the highest scores (n, c)."""
    return [(places(score) < count(share, score.shape[1]))[None] for score in scores]


def relevant(full: Propagated) -> list[Tensor]:
    return [totals(relevance).abs() for relevance in full.relevances]


def sizes(method: object, full: Propagated) -> list[Tensor | int]:
    """Return how many channels of each layer a control keeps: its share, or as many as `PathGap` of this image."""
    if method.sizes == "gap":
        return [gap(score, method.share) for score in relevant(full)]
    return [count(method.share, activation.shape[1]) for activation in full.activations]
