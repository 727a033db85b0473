"""Relevance in every layer of a network, in whole or through chosen channels only, and the map of a path."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from torch import Tensor, nn
from torch.fx import GraphModule
from zennit.rules import ZBox

from entries import Inapplicable, explains, needed, refuse
from methods.graph import canonical_form
from methods.paths import Path
from methods.paths.nodes import layers
from methods.paths.rules import rules, unshared
from methods.relevance import Backward, Select, backward, refuse_unknown


@dataclass(frozen=True, eq=False)
class Propagated:
    """Activations and relevances of one forward and one backward pass."""

    graph: GraphModule
    logits: Tensor  # (n, k)
    activations: list[Tensor]  # of each layer, (n, c) or (n, c, h, w)
    relevances: list[Tensor]  # of the same shapes: what arrived, before a selection passed some of it on
    pixels: Tensor  # (n, h, w) relevance at the input, summed over channels


class Propagation:
    """The backward passes of a batch, `propagation(select)`. Channels that are not selected pass nothing on."""

    def __init__(self, graph: GraphModule, run: Backward):
        self.graph, self.run = graph, run

    def __call__(self, select: Select | None = None) -> Propagated:
        relevances, pixels = self.run(select)
        logits = self.run.logits.detach()
        return Propagated(self.graph, logits, self.run.outputs, relevances, pixels.sum(1).contiguous())

    def through(self, kept: Sequence[Tensor]) -> Tensor:
        """Return the heat maps (n, h, w) of relevance through `kept` (draws, n, c) of each layer, mean over draws."""
        maps = [self(lambda i, _, draw=draw: kept[i][draw]).pixels for draw in range(len(kept[0]))]
        return sum(maps) / len(maps)


@contextmanager
def propagation(selector: object, model: nn.Module, x: Tensor, target: Tensor, box: Tensor | None) -> Iterator:
    """Run the network once with the rules of `selector.lrp`, and give its backward passes from the target's logit."""
    graph, name = canonical_form(selector, model, x), type(selector).__name__
    if not layers(graph):
        raise Inapplicable(f"{name} needs a plain ReLU; {type(model).__name__} has none")
    refuse_unknown(selector, model, graph)
    if selector.lrp == "tutorial":
        box = needed(selector, "a range of pixel values", box).to(x)
        if pool := unshared(graph):
            raise Inapplicable(f"{name} needs plain max pools in two dimensions; {type(model).__name__} has {pool}")
    hooks = rules(selector.lrp, graph, box)
    if selector.lrp == "tutorial" and not any(isinstance(hook, ZBox) for hook in hooks.values()):
        need = f"{name} needs a convolution or linear layer that reads the pixels"
        raise Inapplicable(f"{need}; {type(model).__name__} has none")
    with backward(graph, hooks, x, target, watched=layers(graph)) as run:
        yield Propagation(graph, run)


def propagated(
    selector: object, model: nn.Module, x: Tensor, target: Tensor, box: Tensor | None, select: Select | None = None
) -> Propagated:
    """Return one forward and one backward pass; `select(i, relevance) -> (n, c)` chooses which channels pass it on."""
    with propagation(selector, model, x, target, box) as propagate:
        return propagate(select)


def heat_map(
    selector: object, model: nn.Module, x: Tensor, target: Tensor, box: Tensor | None, kept: Sequence[Tensor]
) -> Tensor:
    """Return the heat maps (n, h, w) of a path that was selected before, `kept` = `path.kept`; mean over draws."""
    with propagation(selector, model, x, target, box) as propagate:
        return propagate.through(kept)


@explains("structure", cites="Bhati et al. 2024", signed=True, needs=("box",))
@dataclass(frozen=True)
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
            with propagation(self.selector, model, x, target, box) as propagate:
                return propagate.through(self.selector.kept(propagate(), propagate))
        except Inapplicable as reason:
            raise Inapplicable(f"PathMap needs a path: {reason}") from reason
