"""Known answers: in one of these files, a function with a metric's name yields what it must return."""

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from typing import NamedTuple

from torch import Tensor

from benchmarks.explained import Explained


class Answer(NamedTuple):
    """What a metric must return on a model whose answer is known."""

    model: str  # as the README's table says it: "linear", "constant", "fraction of pixels", "AND", "hand-set CNN"
    question: str  # in a few words: "object first"
    explained: Explained
    score: Tensor  # (n,), nan where undefined
    within: float = 1e-6  # largest difference
    metric: Callable[[Explained], Tensor] | None = None  # where the answer is known for other settings


def answers(name: str, metric: Callable[[Explained], Tensor], *modules: str) -> Iterator[Answer]:
    """Yield the known answers of the metric called `name`: those of this folder, and of modules of the user's own."""
    for module in (*(f"{__name__}.{file.name}" for file in pkgutil.iter_modules(__path__)), *modules):
        known = getattr(importlib.import_module(module), name, None)
        if known is not None:
            yield from known(metric)
