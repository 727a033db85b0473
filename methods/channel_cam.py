"""Class activation maps that try one channel of a layer at a time, without gradients."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from methods.batching import within_batch
from methods.cam import activations, upsampled
from methods.fields import layered, whole
from methods.perturbation import logit

PASSES = "{} of the image, and one for each channel that is not {}"


@dataclass(frozen=True)
class ScoreCam:
    """Channels weighed by the logit of the image seen through them [Wang et al. 2020, alg. 1].

    A channel, upsampled and stretched to [0, 1], multiplies the image; 0 in model units, the mean colour of the
    network's normalisation, is what it hides. The weights are the softmax over channels of the target's logit; the
    logit of a baseline image, which the paper takes off, cancels there. (The authors' code weighs by the target's
    probability instead, with no softmax over channels.) The map is ReLU(sum_k w_k A^k). As in that code a channel
    without contrast gets weight 0; it takes no pass here. Group "structure" is the suite's assignment of CAMs that
    perturb.
    """

    layer: str
    batch: int

    group: ClassVar[str] = "structure"
    signed: ClassVar[bool] = False
    stochastic: ClassVar[bool] = False
    class_specific: ClassVar[bool] = True
    complete: ClassVar[str] = ""
    passes: ClassVar[str] = PASSES.format("one forward", "constant")
    cites: ClassVar[str] = "Wang et al. 2020"

    def __post_init__(self) -> None:
        layered(self)
        whole(self, batch=1)

    @within_batch
    @torch.no_grad()
    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        x = x.detach()
        a, _ = activations(model, self.layer, x, "ScoreCam")
        low, high = a.amin((2, 3)), a.amax((2, 3))
        # a contrast of a few roundings would be stretched to a mask that depends on the batch
        contrast = high - low > 16 * torch.finfo(a.dtype).eps * torch.maximum(high, -low)
        weight = torch.full_like(low, float("-inf"))
        for image, channel in pairs(contrast, self.batch):
            mask = upsampled(a[image, channel], x)[:, None]
            mask = mask - mask.amin((2, 3), keepdim=True)
            mask = mask / mask.amax((2, 3), keepdim=True).clamp(min=torch.finfo(mask.dtype).tiny)
            weight[image, channel] = logit(model, x[image] * mask, target[image])
        weight = weight.softmax(1).nan_to_num(0)  # nan where all channels are constant
        return upsampled((weight[:, :, None, None] * a).sum(1).relu(), x)


@dataclass(frozen=True)
class AblationCam:
    """Channels weighed by the share of the logit that is lost without them [Ramaswamy & Desai 2020].

    w_k = (S - S_k) / S with the target's logit S, and S_k with channel k set to 0; the map is ReLU(sum_k w_k A^k). As
    in the paper S keeps its sign, so the map of a negative logit shows what speaks against the class; where S = 0 it
    is 0. A channel that is 0 everywhere has S_k = S and takes no pass. The whole network runs for each channel, since
    not every network can go on from a layer. Group "structure" is the suite's assignment of CAMs that perturb.
    """

    layer: str
    batch: int

    group: ClassVar[str] = "structure"
    signed: ClassVar[bool] = False
    stochastic: ClassVar[bool] = False
    class_specific: ClassVar[bool] = True
    complete: ClassVar[str] = ""
    passes: ClassVar[str] = PASSES.format("two forwards", "0")
    cites: ClassVar[str] = "Ramaswamy & Desai 2020"

    def __post_init__(self) -> None:
        layered(self)
        whole(self, batch=1)

    @within_batch
    @torch.no_grad()
    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        x = x.detach()
        a, _ = activations(model, self.layer, x, "AblationCam")
        # the whole image, too, is seen in a pass of this size: its rounding would else be in every channel's loss
        seen = torch.cat([torch.ones_like(a[:, :1, 0, 0], dtype=torch.bool), a.flatten(2).any(2)], 1)
        logits = torch.zeros_like(seen, dtype=a.dtype)
        for image, number in pairs(seen, self.batch):
            with silenced(model.get_submodule(self.layer), number - 1):
                logits[image, number] = logit(model, x[image], target[image])
        total = logits[:, :1]
        weight = torch.where(seen[:, 1:] & (total != 0), (total - logits[:, 1:]) / total, 0)
        return upsampled((weight[:, :, None, None] * a).sum(1).relu(), x)


def pairs(live: Tensor, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Split what is live (n, k) into passes: row and column of each, at most `batch`."""
    rows, columns = live.nonzero(as_tuple=True)
    for start in range(0, len(rows), batch):
        yield rows[start : start + batch], columns[start : start + batch]


@contextmanager
def silenced(layer: nn.Module, channel: Tensor) -> Iterator[None]:
    """Let `layer` give 0 in one channel of each image; -1 leaves an image as it is."""
    images = (channel >= 0).nonzero()[:, 0]

    def silence(_module: nn.Module, _inputs: tuple, output: Tensor) -> Tensor:
        output = output.clone()
        output[images, channel[images]] = 0
        return output

    handle = layer.register_forward_hook(silence)
    try:
        yield
    finally:
        handle.remove()
