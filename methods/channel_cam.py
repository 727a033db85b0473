"""Class activation maps that try one channel of a layer at a time, without gradients."""

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor, nn

from entries import explains, layered, whole
from layers import layer_name
from methods.batching import within_batch
from methods.cam import activations, upsampled
from methods.perturbation import logit

PASSES = "{} of the image, and one for each channel that is not {}"


def check(method: object) -> None:
    """Refuse a layer without a name and a batch that is no whole number."""
    layered(method)
    whole(method, batch=1)


@explains("structure", cites="Wang et al. 2020", passes=PASSES.format("one forward", "constant"))
class ScoreCam:
    """Channels weighed by the logit of the image seen through them [Wang et al. 2020, alg. 1].

    Each channel is upsampled, stretched to [0, 1] and multiplied with the image, so that what it hides becomes 0 in
    model units, the mean colour of the network's normalisation. The weights are the softmax over channels of the
    target's logit. The paper subtracts the logit of a baseline image, which cancels in the softmax. (The authors' code
    weighs by the target's probability instead, without a softmax over channels.) The map is ReLU(sum_k w_k A^k). As in
    that code a channel without contrast gets weight 0; here it takes no pass. The group is our choice.
    """

    layer: str
    batch: int
    __post_init__ = check

    @within_batch
    @torch.no_grad()
    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        x = x.detach()
        a, _ = activations(self, model, x)
        low, high = a.amin((2, 3)), a.amax((2, 3))
        # A contrast of a few rounding errors would be stretched to a mask that depends on the batch.
        contrast = high - low > 16 * torch.finfo(a.dtype).eps * torch.maximum(high, -low)
        weight = torch.full_like(low, float("-inf"))
        for image, channel in pairs(contrast, self.batch):
            mask = upsampled(a[image, channel], x)[:, None]
            mask = mask - mask.amin((2, 3), keepdim=True)
            mask = mask / mask.amax((2, 3), keepdim=True).clamp(min=torch.finfo(mask.dtype).tiny)
            weight[image, channel] = logit(model, x[image] * mask, target[image])
        weight = weight.softmax(1).nan_to_num(0)  # nan where all channels are constant
        return upsampled((weight[:, :, None, None] * a).sum(1).relu(), x)


@explains("structure", cites="Ramaswamy & Desai 2020", passes=PASSES.format("two forwards", "0"))
class AblationCam:
    """Channels weighed by the share of the logit that is lost without them [Ramaswamy & Desai 2020].

    w_k = (S - S_k) / S with the target's logit S, and S_k the logit with channel k set to 0; the map is ReLU(sum_k w_k
    A^k). As in the paper S keeps its sign, so the map of a negative logit shows what speaks against the class; where S
    = 0 the map is 0. A channel that is 0 everywhere has S_k = S and takes no pass. The group is our choice.
    """

    layer: str
    batch: int
    __post_init__ = check

    @within_batch
    @torch.no_grad()
    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        x = x.detach()
        a, _ = activations(self, model, x)
        layer = model.get_submodule(layer_name(self, model, x))
        # The intact image runs in a pass of the same size, or its rounding would enter every channel's loss.
        seen = torch.cat([torch.ones_like(a[:, :1, 0, 0], dtype=torch.bool), a.flatten(2).any(2)], 1)
        logits = torch.zeros_like(seen, dtype=a.dtype)
        for image, number in pairs(seen, self.batch):
            with layer.register_forward_hook(partial(silenced, number - 1)):
                logits[image, number] = logit(model, x[image], target[image])
        total = logits[:, :1]
        weight = torch.where(seen[:, 1:] & (total != 0), (total - logits[:, 1:]) / total, 0)
        return upsampled((weight[:, :, None, None] * a).sum(1).relu(), x)


def pairs(live: Tensor, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the rows and columns of the true entries of `live` (n, k), at most `batch` at once."""
    rows, columns = live.nonzero(as_tuple=True)
    for start in range(0, len(rows), batch):
        yield rows[start : start + batch], columns[start : start + batch]


def silenced(channel: Tensor, _module: nn.Module, _inputs: tuple, output: Tensor) -> Tensor:
    """Return a layer's output with one channel of each image set to 0; -1 leaves an image as it is."""
    images = (channel >= 0).nonzero()[:, 0]
    output = output.clone()
    output[images, channel[images]] = 0
    return output
