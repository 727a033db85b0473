"""What the checks of metrics need of examples: their scores are of what metrics see, so that only facts are checked."""

from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.conformance.cases import case, part  # noqa: F401 (a batch of images, which no metric here reads)

DTYPE = torch.float64


def suits(metric: Callable) -> bool:
    """Return whether a metric scores images alone."""
    return False


def score(metric: Callable, batch: object) -> Tensor:
    """Return the scores of what the metric itself sees."""
    return metric(batch).double().ravel()
