"""How a method keeps its passes within its `batch`."""

from collections.abc import Callable
from functools import wraps

import torch
from torch import Tensor, nn

EQUAL = 4  # images in each pass of a method that magnifies rounding


def within_batch(explain: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Split the images of a method's `__call__` into parts of at most `batch`.

    `needs` (a background) are no images to explain, so every part gets them undivided.
    """

    @wraps(explain)
    def parts(self, model: nn.Module, x: Tensor, target: Tensor, **needs: Tensor) -> Tensor:
        split = zip(x.split(self.batch), target.split(self.batch), strict=True)
        return torch.cat([explain(self, model, *part, **needs) for part in split])

    return parts


def in_equal_passes(explain: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Split the images of a method's `__call__` into parts of 4, or of `batch` if that is less.

    A network rounds differently in a batch of another size. A method that takes many steps, each from where the last
    one led, magnifies this, and its maps would differ visibly with the number of images beside them. So all parts have
    the same size, and the last one is filled up with copies of the last image, whose maps are left out.
    """

    @wraps(explain)
    def parts(self, model: nn.Module, x: Tensor, target: Tensor, **needs: Tensor) -> Tensor:
        size = min(EQUAL, self.batch)
        places = torch.arange(-(-len(x) // size) * size, device=x.device).clamp(max=len(x) - 1)
        maps = [explain(self, model, x[part], target[part], **needs) for part in places.split(size)]
        return torch.cat(maps)[: len(x)]

    return parts
