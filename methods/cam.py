"""Methods built on the activations of one convolutional layer."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from methods import Inapplicable
from methods.fields import layered


@contextmanager
def recording(layer: nn.Module) -> Iterator[list[Tensor]]:
    """Collect the outputs of `layer`; the hook is gone on exit, also after an error."""
    outputs: list[Tensor] = []

    def record(_module: nn.Module, _inputs: tuple, output: Tensor) -> Tensor:
        outputs.append(output)
        # the network goes on with a copy: an in-place ReLU behind the layer would overwrite what is recorded
        return output.clone() if isinstance(output, Tensor) else output

    handle = layer.register_forward_hook(record)
    try:
        yield outputs
    finally:
        handle.remove()


def activations(model: nn.Module, layer: str, x: Tensor, method: str) -> tuple[Tensor, Tensor]:
    """Return what `layer` gives, (n, k, h, w), and the logits; `method` is named where it does not apply."""
    network = type(model).__name__
    try:
        module = model.get_submodule(layer)
    except AttributeError:
        raise Inapplicable(f"{method} needs a layer called {layer!r}; {network} has none") from None
    with recording(module) as outputs:
        logits = model(x.clone())
    if len(outputs) != 1:
        raise Inapplicable(f"{method} needs a layer that runs once; {layer!r} of {network} ran {len(outputs)} times")
    shape = getattr(outputs[0], "shape", ())
    if len(shape) != 4 or shape[2] * shape[3] == 1:
        given = f"{layer!r} of {network} gives {tuple(shape) or type(outputs[0]).__name__}"
        raise Inapplicable(f"{method} needs an output (n, k, h, w) of more than 1 x 1 pixels; {given}")
    return outputs[0], logits


def weighed(model: nn.Module, layer: str, x: Tensor, target: Tensor, method: str) -> tuple[Tensor, Tensor]:
    """Return what `layer` gives and the gradient of the target logit with respect to it, both (n, k, h, w)."""
    with torch.enable_grad():
        a, logits = activations(model, layer, x.detach().requires_grad_(), method)
        logit = logits.gather(1, target[:, None]).sum()
        (gradient,) = torch.autograd.grad(logit, a, allow_unused=True) if a.requires_grad else (None,)
    if gradient is None:
        place = f"{layer!r} of {type(model).__name__}"
        raise Inapplicable(f"{method} needs a layer between the image and the logits; {place} is not")
    return a.detach(), gradient


def upsampled(cam: Tensor, x: Tensor) -> Tensor:
    """Return maps (n, h', w') in the size of the images, bilinear between pixel centres."""
    return interpolate(cam[:, None], x.shape[2:], mode="bilinear", align_corners=False)[:, 0]


def bicubic(cells: Tensor, x: Tensor) -> Tensor:
    """Return maps (n, h', w') in the size of the images, bicubic; the dips below 0 beside a peak are cut off."""
    return interpolate(cells[:, None], x.shape[2:], mode="bicubic", align_corners=False)[:, 0].relu()


@dataclass(frozen=True)
class GradCam:
    """ReLU of the channels' sum, each weighed by its mean gradient [Selvaraju et al. 2017]."""

    layer: str

    group: ClassVar[str] = "linearisation"
    signed: ClassVar[bool] = False
    stochastic: ClassVar[bool] = False
    class_specific: ClassVar[bool] = True
    complete: ClassVar[str] = ""
    passes: ClassVar[tuple[int, int]] = (1, 1)
    cites: ClassVar[str] = "Selvaraju et al. 2017"

    def __post_init__(self) -> None:
        layered(self)

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        a, gradient = weighed(model, self.layer, x, target, "GradCam")
        return upsampled((gradient.mean((2, 3), keepdim=True) * a).sum(1).relu(), x)


@dataclass(frozen=True)
class LayerCam:
    """ReLU of the channels' sum, each pixel weighed by its own positive gradient [Jiang et al. 2021].

    A stride behind the layer reaches some of its pixels more often than others, and the map shows that grid.
    """

    layer: str

    group: ClassVar[str] = "linearisation"
    signed: ClassVar[bool] = False
    stochastic: ClassVar[bool] = False
    class_specific: ClassVar[bool] = True
    complete: ClassVar[str] = ""
    passes: ClassVar[tuple[int, int]] = (1, 1)
    cites: ClassVar[str] = "Jiang et al. 2021"

    def __post_init__(self) -> None:
        layered(self)

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        a, gradient = weighed(model, self.layer, x, target, "LayerCam")
        return upsampled((gradient.relu() * a).sum(1).relu(), x)


@dataclass(frozen=True)
class GradCamPP:
    """ReLU of the channels' sum, weighed by their positive gradients [Chattopadhay et al. 2018, eq. 19].

    w_k = sum_ij a_ij ReLU(g_ij) with a = g^2 / (2 g^2 + sum(A^k) g^3); the map is ReLU(sum_k w_k A^k). The
    paper derives this for exp(logit), by which all weights of an image are multiplied; that factor is left out, since
    it overflows and changes no order. With g^2 cancelled no small gradient is lost. It expects a layer behind its
    ReLU: a negative sum(A^k) may bring the denominator near zero.
    """

    layer: str

    group: ClassVar[str] = "linearisation"
    signed: ClassVar[bool] = False
    stochastic: ClassVar[bool] = False
    class_specific: ClassVar[bool] = True
    complete: ClassVar[str] = ""
    passes: ClassVar[tuple[int, int]] = (1, 1)
    cites: ClassVar[str] = "Chattopadhay et al. 2018"

    def __post_init__(self) -> None:
        layered(self)

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        a, gradient = weighed(model, self.layer, x, target, "GradCamPP")
        positive = gradient.relu()
        below = 2 + a.sum((2, 3), keepdim=True) * positive
        weight = torch.where(below == 0, 0, positive / below).sum((2, 3), keepdim=True)
        return upsampled((weight * a).sum(1).relu(), x)


@dataclass(frozen=True)
class XGradCam:
    """ReLU of the channels' sum, each weighed by its gradient's mean over its activation [Fu et al. 2020].

    w_k = sum_ij g_ij A_ij / sum_ij A_ij; a channel that sums to 0 gets weight 0. It expects a layer behind its ReLU,
    where that is an average with positive weights.
    """

    layer: str

    group: ClassVar[str] = "linearisation"
    signed: ClassVar[bool] = False
    stochastic: ClassVar[bool] = False
    class_specific: ClassVar[bool] = True
    complete: ClassVar[str] = ""
    passes: ClassVar[tuple[int, int]] = (1, 1)
    cites: ClassVar[str] = "Fu et al. 2020"

    def __post_init__(self) -> None:
        layered(self)

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        a, gradient = weighed(model, self.layer, x, target, "XGradCam")
        total = a.sum((2, 3), keepdim=True)
        weight = torch.where(total == 0, 0, (gradient * a).sum((2, 3), keepdim=True) / total)
        return upsampled((weight * a).sum(1).relu(), x)


@dataclass(frozen=True)
class HiResCam:
    """Gradient times activation, pixel by pixel, summed over the channels [Draelos & Carin 2020].

    Signed, without a ReLU: before one linear layer the map of the layer's own size sums to the logit less its bias. A
    stride behind the layer reaches some of its pixels more often than others, and the map shows that grid.
    """

    layer: str

    group: ClassVar[str] = "linearisation"
    signed: ClassVar[bool] = True
    stochastic: ClassVar[bool] = False
    class_specific: ClassVar[bool] = True
    complete: ClassVar[str] = ""  # the upsampled map's sum depends on its size
    passes: ClassVar[tuple[int, int]] = (1, 1)
    cites: ClassVar[str] = "Draelos & Carin 2020"

    def __post_init__(self) -> None:
        layered(self)

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        a, gradient = weighed(model, self.layer, x, target, "HiResCam")
        return upsampled((gradient * a).sum(1), x)


@dataclass(frozen=True)
class EigenCam:
    """Activations projected on their first right singular vector over channels [Muhammad & Yeasin 2020].

    As in the paper the channels are not centred, and the class plays no part. A singular vector has no sign: here the
    map's sum is positive, and its ReLU is returned, which cuts nothing off behind a ReLU, where all of it is positive.
    """

    layer: str

    group: ClassVar[str] = "structure"
    signed: ClassVar[bool] = False
    stochastic: ClassVar[bool] = False
    class_specific: ClassVar[bool] = False
    complete: ClassVar[str] = ""
    passes: ClassVar[tuple[int, int]] = (1, 0)
    cites: ClassVar[str] = "Muhammad & Yeasin 2020"

    def __post_init__(self) -> None:
        layered(self)

    @torch.no_grad()
    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        a, _ = activations(model, self.layer, x.detach(), "EigenCam")
        left, size, _ = torch.linalg.svd(a.flatten(2).mT, full_matrices=False)
        cam = (left[..., 0] * size[:, :1]).view(len(a), *a.shape[2:])
        return upsampled((cam * cam.sum((1, 2), keepdim=True).sign()).relu(), x)
