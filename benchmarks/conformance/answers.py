"""Known answers: a function with a metric's name yields the scores that the metric must return."""

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import NamedTuple

import torch
from torch import Tensor

from benchmarks.conformance.cases import Batch


class Answer(NamedTuple):
    """The score that a metric must give a batch, because it follows from how the model is made."""

    model: str  # in a few words, as tables have it: "linear", "constant", "fraction of pixels", "AND", "hand-set CNN"
    question: str  # in a few words: "object first"
    explained: Batch
    score: Tensor | float | list[float]  # of every image, nan where undefined; or one number for all images
    within: float = 1e-6  # largest difference
    metric: Callable[[Batch], Tensor] | None = None  # where the answer is known for other settings


def answers(name: str, metric: Callable[[Batch], Tensor], *modules: str) -> Iterator[Answer]:
    """Yield what these modules know of the metric called `name`; of a package, all of its modules are asked."""
    for module in map(importlib.import_module, modules):
        for part in (module, *parts(module)):
            known = getattr(part, name, None)  # a module of a package may have a metric's name, too
            for answer in known(metric) if callable(known) else ():
                yield answer._replace(score=torch.as_tensor(answer.score))


def parts(package: ModuleType) -> Iterator[ModuleType]:
    """Yield the modules of a package in the order of their names; a module has none."""
    for file in pkgutil.iter_modules(getattr(package, "__path__", ())):
        yield importlib.import_module(f"{package.__name__}.{file.name}")
