"""The heat map of a critical path, as a method of maps."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from entries import Inapplicable, explains, refuse
from methods.paths import Path
from methods.paths.propagation import propagation


@explains("structure", cites="Bhati et al. 2024", signed=True, needs=("box",))
@dataclass(frozen=True)
class PathMap:
    """Relevance of the target's logit that reaches the pixels through a path's channels only [after Bhati et al. 2024].

    `selector` (`methods.paths.selectors`) chooses the path, and its `lrp` names the rules. A channel outside the path
    gets its relevance but passes nothing on. Relevance is summed over the colours of a pixel; the map of a selector
    with several draws is the mean over them.
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
