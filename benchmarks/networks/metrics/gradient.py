"""The gradient of the loss, in pixel units."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from benchmarks.explained import Explained


@dataclass(frozen=True)
class LossGradient:
    """L2 norm of the gradient of the target's cross-entropy in pixel units [Simon-Gabriel et al. 2019].

    In float64 from the log odds against the target: the gradient is theirs times the probability of all other classes,
    which does not round to nothing where the network is sure. A small one is no proof of robustness: a network that is
    sure everywhere has none. Reads no map.
    """

    category: ClassVar[str] = "network robustness"
    higher_is_better: ClassVar[bool] = False
    bounds: ClassVar[tuple[float, float]] = (0.0, torch.inf)
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ()
    invariant: ClassVar[tuple[str, ...]] = ("scale", "order")
    undefined: ClassVar[str] = "the network's answer is no number"
    passes: ClassVar[tuple[int, int, int]] = (0, 2, 0)
    cites: ClassVar[str] = "Simon-Gabriel et al. 2019"

    def __call__(self, explained: Explained) -> Tensor:
        def norms() -> Tensor:
            _, odds, gradient = against(explained, explained.pixels())
            return odds.sigmoid() * gradient.double().flatten(1).norm(dim=1)

        return explained.for_all(("loss gradient", self.version), norms).float()


def against(explained: Explained, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return what the network says of pixels (n, c, h, w), all without a graph.

    Whether the target is predicted (n,) bool, the log odds against it (n,) float64, and their gradient with respect to
    the pixels. It points where that of the cross-entropy does, which is nothing where the network is sure.
    """
    target = explained.target[:, None]
    with torch.enable_grad():
        pixels = pixels.detach().clone().requires_grad_()
        logits = explained.model(explained.normalised(pixels)).double()
        odds = logits.scatter(1, target, -torch.inf).logsumexp(1) - logits.gather(1, target)[:, 0]
        gradient = torch.autograd.grad(odds.sum(), pixels)[0]
    return logits.detach().argmax(1) == explained.target, odds.detach(), gradient
