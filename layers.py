"""The layer that a method or a metric reads: one that is named, or the last convolutional maps of the network."""

import weakref
from collections import Counter

import torch
from torch import Tensor, nn

from entries import Inapplicable

SIDE = 4  # positions along a side that maps need to show where something is
KNOWN: weakref.WeakKeyDictionary[nn.Module, dict[torch.Size, str]] = weakref.WeakKeyDictionary()


def layer_name(entry: object, model: nn.Module, x: Tensor) -> str:
    """Return `entry.layer`, or where it is "auto" the name of the model's last convolutional maps for images like x.

    Raises Inapplicable for a network that has no such maps.
    """
    if entry.layer != "auto":
        return entry.layer
    names = KNOWN.setdefault(model, {})
    if x.shape[1:] not in names:
        names[x.shape[1:]] = last_maps(model, x[:1])
    if name := names[x.shape[1:]]:
        return name
    need = f"{type(entry).__name__} needs a network that ends in convolutional maps of at least {SIDE} x {SIDE} pixels"
    raise Inapplicable(f"{need}; {type(model).__name__} has none for images of {x.shape[2]} x {x.shape[3]} pixels")


@torch.no_grad()
def last_maps(model: nn.Module, x: Tensor) -> str:
    """Return the name of the module that gives the last convolutional maps of an image (1, c, h, w), "" if none does.

    These are the maps of the last convolution with at least 4 x 4 positions and of what keeps its size behind it: norm,
    activation, sum of a block. The outermost module that gives them, and that runs once, is named. Where that
    convolution stands in a block whose own maps are smaller, the maps before the block are taken. A network whose
    layers mostly come after them, such as a vision transformer after its patches, has none.
    """
    calls: list[tuple[str, nn.Module, torch.Size]] = []

    def record(name: str, module: nn.Module, output: object) -> None:
        calls.append((name, module, getattr(output, "shape", torch.Size())))

    hooks = [
        module.register_forward_hook(lambda m, _, output, name=name: record(name, m, output))
        for name, module in model.named_modules()
        if name
    ]
    try:
        model.forward(x.detach().clone())  # past the hooks of the model itself, which count its passes
    finally:
        for hook in hooks:
            hook.remove()
    convolutions = [k for k, (*_, shape) in enumerate(calls) if convolved(calls[k][1], shape)]
    if not convolutions:
        return ""
    last = convolutions[-1]
    weighed = [k for k, (_, module, _) in enumerate(calls) if module._parameters]
    if sum(k > last for k in weighed) > len(weighed) / 2:
        return ""
    inside, _, shape = calls[last]
    smaller = any(inside.startswith(f"{name}.") and len(s) == 4 and min(s[2:]) < SIDE for name, _, s in calls)
    times = Counter(module for _, module, _ in calls)
    same = [
        name
        for name, module, s in calls[0 if smaller else last :]
        if len(s) == 4 and s[2:] == shape[2:] and times[module] == 1
    ]
    return min(reversed(same), key=lambda name: name.count("."), default="")


def convolved(module: nn.Module, shape: torch.Size) -> bool:
    return isinstance(module, nn.Conv2d) and len(shape) == 4 and min(shape[2:]) >= SIDE
