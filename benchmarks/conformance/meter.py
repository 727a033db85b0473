"""Counts what a metric costs: calls, its own passes, passes that all methods share, and maps made anew."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from benchmarks.conformance.cases import InputXGradient, case
from benchmarks.explained import Explained


@dataclass
class Passes:
    """Images that went through the model, forwards and backwards, by who pays for them."""

    calls: int = 0
    own: int = 0
    shared: int = 0
    explanations: int = 0
    payer: str = "own"

    def __call__(self, _module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        """Count a forward pass, and the backward pass that may follow: a hook of the model."""
        self.calls += 1
        self.count(len(output))
        if output.requires_grad:
            output.register_hook(lambda gradient: self.count(len(gradient)))

    def count(self, images: int) -> None:
        if self.payer != "method":
            setattr(self, self.payer, getattr(self, self.payer) + images)

    def paid(self, payer: str, compute: Callable[[], object]) -> object:
        before, self.payer = self.payer, payer
        try:
            return compute()
        finally:
            self.payer = before

    def store(self, _inputs: tuple[Tensor, ...], _key: Hashable, compute: Callable[[], object]) -> object:
        """Stand in for what all methods of a sweep share."""
        return self.paid("shared", compute)


@dataclass(frozen=True)
class Counting(InputXGradient):
    """A method whose maps are counted and whose own passes are not."""

    passes: Passes = field(default_factory=Passes)

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        self.passes.explanations += len(x)
        return self.passes.paid("method", lambda: InputXGradient.__call__(self, model, x, target))


def metered(metric: Callable[[Explained], Tensor], n: int) -> Passes:
    """Return the price of `n` images whose maps and clean logits are there."""
    passes, e = Passes(), case(n=n)
    e = replace(e, method=Counting(passes=passes), store=passes.store, shared={})
    e.clean_logits()
    with torch.no_grad():
        handle = e.model.register_forward_hook(passes)
        try:
            metric(e)
        finally:
            handle.remove()
    return passes
