"""What a metric of prototypes sees: the prototypes for each number of them, training images and test images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from torch import Tensor, nn

from methods.examples.prototypes import kernel, mean_kernel, typical_distance


@dataclass(frozen=True, eq=False)
class Chosen:
    """Prototypes with the features of all images, float64 on the CPU."""

    model: nn.Module
    x: Tensor  # (n, 3, h, w) training images, normalised for the model
    features: Tensor  # (n, d) of them
    labels: Tensor  # (n,)
    test_features: Tensor  # (m, d)
    test_labels: Tensor  # (m,)
    prototypes: dict[int, Tensor]  # places of so many training images
    store: Callable | None = field(default=None, repr=False)  # `benchmarks.store.Store`

    def discrepancies(self, numbers: Sequence[int], bandwidth: float) -> list[float]:
        """Return how far the first prototypes are from all training images, as a squared maximum mean discrepancy."""
        width = bandwidth * typical_distance(self.features)
        mean, found = mean_kernel(self.features, self.features, width), []
        for few in (self.prototypes[number] for number in numbers):
            own = kernel(self.features[few], self.features[few], width).mean()
            found.append(max(0.0, float(mean.mean() - 2 * mean[few].mean() + own)))  # rounding may fall below
        return found
