"""A network whose batch norms are part of the convolutions before them: the same function of fewer operations."""

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


@torch.no_grad()
def merged(model: nn.Module, image: Tensor) -> nn.Module:
    """Merge batch norms into convolutions in place and return the network; all modules keep their names.

    A norm leaves its activation, or nothing, in its place, and activations no longer work in place. A network without
    such a pair, or with other logits afterwards, is refused.
    """
    pairs, logits = read_at_once(model, image), model(image)
    if not pairs:
        raise ValueError(f"model.merged needs convolutions with batch norms; {type(model).__name__} has none")
    for name, (convolution, norm) in pairs.items():
        model.set_submodule(convolution, fuse_conv_bn_eval(model.get_submodule(convolution), norm))
        model.set_submodule(name, getattr(norm, "act", nn.Identity()))  # timm's norms have activations
    for module in model.modules():
        if hasattr(module, "inplace"):
            module.inplace = False  # or what reads a convolution's output would find it changed
    if not (model(image) - logits).abs().max() <= 1e-3 * logits.abs().max():
        raise ValueError(f"model.merged needs batch norms that can be merged; {type(model).__name__} has others")
    return model.requires_grad_(False)


def read_at_once(model: nn.Module, image: Tensor) -> dict[str, tuple[str, nn.Module]]:
    """Return for each batch norm that reads a convolution's output as it is the name of this one, and the norm."""
    outputs, pairs, calls = {}, {}, []

    def leave(_module: nn.Module, _inputs: tuple, output: Tensor, name: str) -> None:
        calls.append(name)
        outputs[id(output)] = name, output  # kept, or its number would be another's later

    def enter(norm: nn.Module, inputs: tuple[Tensor, ...], name: str) -> None:
        calls.append(name)
        if id(inputs[0]) in outputs:
            pairs[name] = outputs[id(inputs[0])][0], norm

    handles = [
        module.register_forward_pre_hook(partial(enter, name=name))
        if isinstance(module, nn.BatchNorm2d)
        else module.register_forward_hook(partial(leave, name=name))
        for name, module in model.named_modules()
        if isinstance(module, nn.BatchNorm2d | nn.Conv2d)
    ]
    try:
        model(image)
    finally:
        for handle in handles:
            handle.remove()
    return {name: pair for name, pair in pairs.items() if calls.count(name) == calls.count(pair[0]) == 1}
