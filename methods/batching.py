"""How a method keeps its passes within its `batch`."""

from collections.abc import Callable
from functools import wraps

import torch
from torch import Tensor, nn


def within_batch(explain: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Split the images of a method's `__call__` into parts of at most `batch`.

    `needs` (a background) are no images to explain, so every part gets them undivided.
    """

    @wraps(explain)
    def parts(self, model: nn.Module, x: Tensor, target: Tensor, **needs: Tensor) -> Tensor:
        split = zip(x.split(self.batch), target.split(self.batch), strict=True)
        return torch.cat([explain(self, model, *part, **needs) for part in split])

    return parts
