"""What the code of a user has to keep to: checked while a cell is computed, and named where it is broken."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

log = logging.getLogger(__name__)
HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")
ROUNDING = 1e-4
said: set[tuple[str, str]] = set()


def frozen(model: nn.Module, name: str) -> nn.Module:
    """Return a network in eval mode with frozen parameters; refuse another."""
    if training := [place for place, module in model.named_modules() if module.training]:
        raise ValueError(f"{name} needs eval mode, call model.eval(); {training[0] or 'it'} is in train mode")
    if free := [place for place, parameter in model.named_parameters() if parameter.requires_grad]:
        raise ValueError(
            f"{name} needs frozen parameters, call model.requires_grad_(False); {free[0]} requires a gradient"
        )
    return model


def classified(logits: object, n: int, name: str) -> Tensor:
    """Return the logits (n, k) of a network; refuse any other output, and say where they look like probabilities."""
    if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != n:
        given = f"shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else f"a {type(logits).__name__}"
        raise ValueError(f"{name} needs to give logits (n, k); it gave {given}")
    if logits.shape[1] < 2:
        raise ValueError(f"{name} needs at least two outputs, since the softmax of one is always 1")
    if not logits.isfinite().all():
        raise ValueError(f"{name} needs to give finite logits; it gave some that are not")
    if (logits >= 0).all() and ((logits.sum(1) - 1).abs() < ROUNDING).all():
        say_once(
            name,
            "gives outputs >= 0 that sum to 1, as a softmax does; they are scored as logits, and the metrics take "
            "their softmax once more, so give a network without its last layer",
        )
    return logits


def say_once(name: str, sentence: str) -> None:
    """Say a sentence about an entry once in a process, not once a batch."""
    if (name, sentence[:40]) not in said:
        said.add((name, sentence[:40]))
        log.warning("%s %s", name, sentence)


def photographed(image: object, pixels: Tensor, label: Tensor, mask: Tensor, name: str) -> list[str]:
    """Return the names of a batch of a data set; refuse what is not pixels in [0, 1], names, labels and masks."""
    wanted = (len(pixels), *pixels.shape[2:])
    if isinstance(image, Tensor) or not all(isinstance(one, str) for one in image):
        raise ValueError(f"{name} needs images with names that are text; {image[0]!r} was given")
    painted(pixels, image, name)
    if mask.shape != wanted or mask.dtype != torch.bool:
        given = f"{image[0]} has {tuple(mask.shape[1:])} of {mask.dtype}"
        raise ValueError(f"{name} needs masks {wanted[1:]} of torch.bool; {given}")
    if label.shape != wanted[:1] or label.dtype.is_floating_point:
        given = f"{len(image)} images have {tuple(label.shape)} of {label.dtype}"
        raise ValueError(f"{name} needs one whole number, its class, for each image; {given}")
    return list(image)


def painted(pixels: Tensor, image: list[str], name: str) -> Tensor:
    """Return pixels (n, 3, h, w) of float32 in [0, 1]; refuse others."""
    if pixels.ndim != 4 or pixels.shape[1] != 3 or pixels.dtype != torch.float32:
        given = f"{image[0]} has {tuple(pixels.shape[1:])} of {pixels.dtype}"
        raise ValueError(f"{name} needs pixels (3, h, w) of torch.float32 in [0, 1]; {given}")
    low, high = pixels.flatten(1).aminmax(dim=1)
    if len(outside := (~((low >= -ROUNDING) & (high <= 1 + ROUNDING))).nonzero()):
        i = int(outside[0])
        raise ValueError(f"{name} needs pixels in [0, 1]; those of {image[i]} lie in [{low[i]:g}, {high[i]:g}]")
    return pixels


def within(scores: np.ndarray, bounds: tuple[float, float], name: str) -> None:
    """Say where a metric gives scores outside the bounds that it declares; rounding is allowed for."""
    low, high = (bound + sign * ROUNDING * max(1, abs(bound)) for sign, bound in zip((-1, 1), bounds, strict=True))
    if len(beyond := scores[(scores < low) | (scores > high)]):
        say_once(name, f"declares bounds {bounds[0]:g} and {bounds[1]:g} and gives {beyond[0]:g}")


@contextmanager
def untouched(name: str, batch: object) -> Iterator[None]:
    """Refuse what an entry leaves behind in a batch's network and tensors: modes, hooks, gradients, changed values.

    `batch` has the field `model`. In-place changes show by version; what passes by it (`.data`) shows where a sum over
    the tensor, of a weight over its first filter, has changed.
    """
    before = state(batch)
    yield
    after = state(batch)
    if changed := [what for what in {**before, **after} if before.get(what) != after.get(what)]:
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        raise ValueError(f"{name} needs to leave network and images as they were; it changed {changed[0]}{more}")


def state(batch: object) -> dict[str, object]:
    """Return what an entry must not change, by what it is called."""
    modules = dict(batch.model.named_modules())
    weights = {**dict(batch.model.named_parameters()), **dict(batch.model.named_buffers())}
    given = {f"the tensor `{name}`": value for name, value in vars(batch).items() if isinstance(value, Tensor)}
    held = {f"the weight {name}": value for name, value in weights.items()} | given
    parts = [(value[:1] if key not in given and value.ndim else value).detach() for key, value in held.items()]
    sums = torch.stack([part.sum().double() for part in parts]).tolist()
    facts = [(id(t), t._version, t.requires_grad, t.grad is None) for t in held.values()]
    return {
        **{f"the train or eval mode of {name or 'the network'}": module.training for name, module in modules.items()},
        **{
            f"the hooks of {name or 'the network'}": [len(getattr(module, kind)) for kind in HOOKS]
            for name, module in modules.items()
        },
        **{key: (*fact, repr(total)) for key, fact, total in zip(held, facts, sums, strict=True)},
    }
