"""What a metric of surrogates sees: what the network and simple models of rising size say of test images."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor, nn


@dataclass(frozen=True, eq=False)
class Surrogated:
    """Test images with what is said of them; all but the images is on the CPU."""

    model: nn.Module
    x: Tensor  # (n, 3, h, w), normalised for the model
    sizes: tuple[int, ...]
    logits: Tensor  # (n, k) of the network
    predicted: Tensor  # (s, n) int64, the class that the simple model of each size says
    said: Tensor  # (s, n, k) float64, its logits, of mean 0 over classes
    trained: int  # images on which the simple models are fitted
    refitted: Callable[[np.ndarray], Tensor]  # the classes (s, n) of models that are fitted on some of these images
    store: Callable | None = field(default=None, repr=False)  # `benchmarks.store.Store`
    shared: dict[Hashable, object] = field(default_factory=dict, repr=False)

    @property
    def wanted(self) -> Tensor:
        """Return the class (n,) that the network says."""
        return self.logits.argmax(1)
