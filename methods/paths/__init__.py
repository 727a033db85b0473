"""Critical paths: the channels of every layer that carry a decision, selected by propagated relevance.

This is our reading of Bhati et al. 2024; the paper's own algorithm was not available. A layer is the output of a ReLU,
and a node of a path is one of its channels, or one of its units in the head.
"""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Path:
    """The channels that a selector keeps in every layer, with the activation and relevance of all channels."""

    layers: tuple[str, ...]  # nodes of the canonical form, from the image to the logits
    kept: tuple[Tensor, ...]  # (draws, n, c) bool; one draw unless the selector is random
    forward: tuple[Tensor, ...]  # (n, c) float64, activation summed over positions
    backward: tuple[Tensor, ...]  # (n, c) float64, relevance summed over positions
