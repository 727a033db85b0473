"""How a method keeps its passes within its `batch`."""

from collections.abc import Callable
from functools import wraps

import torch
from torch import Tensor, nn


def within_batch(explain: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Let a method's `__call__` see at most `batch` images at once.

    What is not one for each image (a background) is handed on whole.
    """

    @wraps(explain)
    def parts(self, model: nn.Module, x: Tensor, target: Tensor, **needs: Tensor) -> Tensor:
        if len(x) <= self.batch:
            return explain(self, model, x, target, **needs)
        split = zip(x.split(self.batch), target.split(self.batch), strict=True)
        return torch.cat([explain(self, model, *part, **needs) for part in split])

    return parts
