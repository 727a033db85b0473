"""What a metric costs: calls of the model, passes of its own, passes that all methods share, and maps made anew."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from benchmarks.conformance.cases import InputXGradient, case
from benchmarks.cost import counted
from benchmarks.explained import Explained
from benchmarks.store import Store


class Price(NamedTuple):
    """What a score costs: how often the model is called, how many images pass forwards and backwards, how many are
    explained anew."""

    calls: int
    own: int
    shared: int
    explanations: int


def metered(metric: Callable[[Explained], Tensor], n: int) -> Price:
    """Return the price of `n` images whose maps and clean logits are there; passes of the method are not in it."""
    calls, anew = [], []

    def rescale(maps: Tensor) -> Tensor:
        anew.append(len(maps))
        return maps

    e = case(InputXGradient(rescale), n)
    store = Store(None, e.model, "conformance", e.x.device)
    e = replace(e, store=store, shared={})
    e.clean_logits()
    store.memory.clear()
    anew.clear()
    e.model.register_forward_hook(lambda *_: calls.append(1))
    with counted(e.model) as cost, torch.no_grad():
        metric(e)
    shared = sum(kept["passes"] for kept in store.memory.values())
    own = cost.forwards + cost.backwards - shared - 2 * sum(anew)  # a map takes a pass and its gradient
    return Price(len(calls), own, shared, sum(anew))
