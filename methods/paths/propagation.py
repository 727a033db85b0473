"""Paths by relevance in every layer of a network, and the map of what comes down through a path only."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

from torch import Tensor, nn

from entries import Inapplicable, explains, refuse
from methods.graph import canonical_form
from methods.paths import Path
from methods.paths.nodes import layers
from methods.paths.rules import rules
from methods.relevance import Backward, Select, backward, refuse_unknown


class Propagated(NamedTuple):
    """Activations and relevances of one forward and one backward pass."""

    activations: list[Tensor]  # of each layer, (n, c) or (n, c, h, w)
    relevances: list[Tensor]  # of the same shapes: what arrived, before a selection passed some of it on
    pixels: Tensor  # (n, h, w) relevance at the input, summed over channels


def propagation(
    selector: object, model: nn.Module, x: Tensor, target: Tensor, box: Tensor | None
) -> AbstractContextManager[Backward]:
    """Run the network once with the rules of `selector.lrp`, and give its backward passes from the target's logit."""
    graph = canonical_form(selector, model, x)
    if not layers(graph):
        raise Inapplicable(f"{type(selector).__name__} needs a plain ReLU; {type(model).__name__} has none")
    refuse_unknown(selector, model, graph)
    return backward(graph, rules(selector, model, graph, x, box), x, target, watched=layers(graph))


def propagated(
    selector: object, model: nn.Module, x: Tensor, target: Tensor, box: Tensor | None, select: Select | None = None
) -> Propagated:
    """Return one forward and one backward pass; `select(i, relevance) -> (n, c)` chooses which channels pass it on."""
    with propagation(selector, model, x, target, box) as run:
        relevances, pixels = run(select)
        return Propagated(run.outputs, relevances, pixels.sum(1).contiguous())


def totals(values: Tensor) -> Tensor:
    """Return the sums over positions (n, c), in float64."""
    return values.double().flatten(2).sum(2) if values.ndim > 2 else values.double()


def choice_of(selector: Callable[..., Path], run: Backward) -> tuple[tuple[Tensor, ...], ...]:
    """Return the channels that a selector keeps in each layer, and each channel's activation f and relevance b.

    `selector.kept(forward, backward, again)` gives the choice in each layer (draws, n, c) by f and b (n, c), sums over
    positions in the whole network; `again` propagates once more, through chosen channels only.
    """
    forward, backward = (tuple(map(totals, values)) for values in (run.outputs, run()[0]))
    return tuple(selector.kept(forward, backward, run)), forward, backward


def path_of(selector: object, model: nn.Module, x: Tensor, target: Tensor, box: Tensor | None = None) -> Path:
    """Return the channels that a selector keeps, with each channel's activation and relevance in the whole network."""
    with propagation(selector, model, x, target, box) as run:
        names = tuple(node.name for node in layers(canonical_form(selector, model, x)))
        return Path(names, *choice_of(selector, run))


def through(run: Backward, kept: Sequence[Tensor]) -> Tensor:
    """Return the heat maps (n, h, w) of relevance through `kept` (draws, n, c) of each layer, mean over draws."""
    maps = [run(lambda i, _, draw=draw: kept[i][draw])[1].sum(1).contiguous() for draw in range(len(kept[0]))]
    return sum(maps) / len(maps)


def heat_map(
    selector: object, model: nn.Module, x: Tensor, target: Tensor, box: Tensor | None, kept: Sequence[Tensor]
) -> Tensor:
    """Return the heat maps (n, h, w) of a path that was selected before, `kept` = `path.kept`; mean over draws."""
    with propagation(selector, model, x, target, box) as run:
        return through(run, kept)


@explains("structure", cites="Bhati et al. 2024", signed=True, needs=("box",))
class PathMap:
    """Relevance of the target's logit that reaches the pixels through a path's channels only [after Bhati et al. 2024].

    `selector` (`methods.paths.selectors`) chooses the path, and its `lrp` names the rules. A channel outside the path
    gets its relevance but passes nothing on. Relevance is summed over colours; the map of a random selector is the mean
    over its draws.
    """

    selector: Callable[..., Path]

    def __post_init__(self) -> None:
        if not hasattr(self.selector, "kept"):
            refuse(self, "selector", "a selector of paths")

    @property
    def passes(self) -> tuple[int, int]:
        """The selector's passes and one backward pass for each of its draws."""
        forwards, backwards = self.selector.passes
        return forwards, backwards + getattr(self.selector, "draws", 1)

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor, box: Tensor | None = None) -> Tensor:
        try:
            with propagation(self.selector, model, x, target, box) as run:
                return through(run, choice_of(self.selector, run)[0])
        except Inapplicable as reason:
            raise Inapplicable(f"PathMap needs a path: {reason}") from reason
