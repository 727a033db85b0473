"""What the checks of metrics need of networks: their metrics get neither maps nor a method."""

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from benchmarks.conformance import cases
from benchmarks.explained import Explained

TRAITS = {"explained"}
case, part = cases.case, cases.part


def score(metric: Callable[[Explained], Tensor], batch: Explained) -> Tensor:
    """Score a batch as a run does."""
    return metric(replace(batch, maps=batch.x.new_empty(0), method=None))
