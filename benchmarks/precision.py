"""How exactly a network computes: in float32, or faster with rounded convolutions and matrix products."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from entries import Inapplicable


def at_precision(model: nn.Module, precision: str, device: torch.device) -> nn.Module:
    """Return the network as it computes at this precision; it and its copies give logits in float32.

    bfloat16: torch's autocast, in which convolutions and matrix products read and give bfloat16. This is no hook, since
    some entries call `forward` itself. tf32 is a setting of the GPU.
    """
    if precision == "tf32" and device.type != "cuda":
        raise ValueError(f"precision=tf32 needs device=cuda, a GPU of NVIDIA; this cell is computed on {device.type}")
    if precision != "bfloat16":
        return model

    class Rounded(type(model)):
        rounded_to = torch.bfloat16  # is looked for in the class, where no attribute of a network stands

        def forward(self, *args: object, **kwargs: object) -> Tensor:
            with torch.autocast(device.type, torch.bfloat16):
                logits = super().forward(*args, **kwargs)
            return logits.float() if isinstance(logits, Tensor) else logits

    Rounded.__name__ = type(model).__name__
    model.__class__ = Rounded
    return model


@contextmanager
def bearing(precision: str, name: str) -> Iterator[None]:
    """Turn an error of an entry that cannot compute in bfloat16 into a refusal that says so."""
    try:
        yield
    except (TypeError, RuntimeError) as error:
        if precision == "bfloat16" and "bfloat16" in str(error).lower():
            raise Inapplicable(f"{name} needs precision=float32; it cannot read activations in bfloat16") from error
        raise
