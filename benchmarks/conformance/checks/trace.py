"""Checks that a metric leaves nothing changed."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import is_dataclass
from itertools import chain

import numpy as np
import torch
from torch import Tensor

from benchmarks.conformance.cases import Batch
from benchmarks.conformance.subject import Subject, check, require

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def tensors(value: object) -> Iterator[Tensor]:
    """Yield the tensors of a field, which may be a tensor, a sequence, or an object with such fields."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        yield from chain.from_iterable(map(tensors, value))
    elif is_dataclass(value):
        yield from tensors(list(vars(value).values()))


def state(batch: Batch) -> dict[str, object]:
    """Return all that a metric could leave changed."""
    fields = {name: tuple(tensors(value)) for name, value in vars(batch).items()}
    parameters = list(batch.model.parameters())
    return {
        **{f"`{name}`": [tensor.tolist() for tensor in values] for name, values in fields.items()},
        "a weight or a buffer": [t.tolist() for t in (*parameters, *batch.model.buffers())],
        "a gradient": [t.grad is None for t in (*parameters, batch.x)],
        "what requires a gradient": [t.requires_grad for t in (*parameters, *chain(*fields.values()))],
        "train or eval mode": [m.training for m in batch.model.modules()],
        "a hook": [len(getattr(m, kind)) for m in batch.model.modules() for kind in HOOKS],
        "torch's global random state": torch.get_rng_state().tolist(),
        "numpy's global random state": str(np.random.get_state()),
        "Python's global random state": random.getstate(),
        "whether gradients are on": torch.is_grad_enabled(),
    }


@contextmanager
def known_world() -> Iterator[None]:
    """Set global states that no metric can leave by chance, and restore the old ones for the other checks."""
    kept = random.getstate(), np.random.get_state(), torch.is_grad_enabled()
    with torch.random.fork_rng():
        torch.manual_seed(20)
        np.random.seed(20)
        random.seed(20)
        try:
            yield
        finally:
            random.setstate(kept[0])
            np.random.set_state(kept[1])
            torch.set_grad_enabled(kept[2])


def unchanged(before: dict[str, object], after: dict[str, object], when: str) -> None:
    changed = [what for what in before if before[what] != after[what]]
    require(not changed, f"it changes {', '.join(changed)}{when}")


@check("batch")
def leaves_no_trace(subject: Subject) -> None:
    """Images, maps, network, modes, hooks, gradients and global random states are as before the call."""
    with known_world():
        batch = subject.case()
        before = state(batch)
        subject(batch)
        unchanged(before, state(batch), "")


@check("explained")
def leaves_no_trace_after_an_error(subject: Subject) -> None:
    """All of that is as before the call, also if the network raises at its first or third pass."""
    for calls in (0, 2):
        batch, left = subject.case(), [calls]

        def broken(*_: object, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise RuntimeError("broken")

        batch.model.register_forward_pre_hook(broken)
        with known_world():
            before = state(batch)
            try:
                subject(batch)
            except RuntimeError as error:
                if str(error) != "broken":
                    raise
            unchanged(before, state(batch), " where the network raises")
