"""What the checks need of a kind none of whose scores is of an image: its metrics have only their facts checked."""

from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.conformance.cases import case, part  # noqa: F401 (a batch of images, which no metric here reads)

DTYPE = torch.float64


def suits(metric: Callable) -> bool:
    """Return whether a metric scores images."""
    return False


def score(metric: Callable, batch: object) -> Tensor:
    """Return the scores of what the metric itself sees."""
    return metric(batch).double().ravel()
