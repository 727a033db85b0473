"""Critical paths: which channels of every layer carry a decision, selected while relevance is propagated backward.

Our reading of Bhati et al. 2024; the paper's own algorithm was not available. A layer is the output of a ReLU, a node a
channel of it (a unit in the head).
"""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Path:
    """The channels that a selector keeps in every layer, with what they sent forward and got back."""

    layers: tuple[str, ...]  # nodes of the canonical form, from the image to the logits
    kept: tuple[Tensor, ...]  # (draws, n, c) bool; one draw unless the selector is random
    forward: tuple[Tensor, ...]  # (n, c) float64, activation summed over positions
    backward: tuple[Tensor, ...]  # (n, c) float64, relevance summed over positions
