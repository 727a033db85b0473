"""What a metric of probes sees: one batch of images with what the probes of each layer predict."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from torch import Tensor, nn


@dataclass(frozen=True, eq=False)
class Probed:
    """One batch with the predictions of every layer; `train` are the images on which the probes are fitted."""

    model: nn.Module
    x: Tensor  # (n, 3, h, w) float32, normalised for the model
    labels: Tensor  # (n,) int64 on the CPU, -1 where unknown
    logits: Tensor  # (n, k) of the whole network, on the CPU
    names: tuple[str, ...]  # of the layers, from the image to the logits
    probabilities: Tensor  # (l, n, k) float32 on the CPU; nan where a layer gives no prediction
    probe: Callable  # an entry of methods.layers.probes
    network: object  # `methods.layers.layered.Layered`
    train: Callable[[], tuple[Tensor, Tensor]]  # images (m, 3, h, w), normalised, and labels (m,)
    mean: Tensor  # (3,) float32: x = (pixels - mean) / std, pixels in [0, 1]
    std: Tensor  # (3,) float32
    store: Callable | None = field(default=None, repr=False)  # `benchmarks.store.Store`
    shared: dict[Hashable, object] = field(default_factory=dict, repr=False)
