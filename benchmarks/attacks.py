"""The loss that attacks climb: it serves metrics of maps and metrics of networks."""

from collections.abc import Callable

import torch
from torch import Tensor


def log_odds_against(network: Callable[[Tensor], Tensor], x: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return what a network says of images (n, c, h, w) against their target classes (n,), without a graph.

    The three answers are whether the target is predicted (n,) bool, the log odds against it (n,) float64, and the
    gradient of these log odds with respect to `x` (n, c, h, w). That gradient points where the gradient of the
    cross-entropy points, but it does not vanish where the network is sure.
    """
    target = target[:, None]
    with torch.enable_grad():
        x = x.detach().clone().requires_grad_()
        logits = network(x).double()
        odds = logits.scatter(1, target, -torch.inf).logsumexp(1) - logits.gather(1, target)[:, 0]
        gradient = torch.autograd.grad(odds.sum(), x)[0]
    return logits.detach().argmax(1) == target[:, 0], odds.detach(), gradient
