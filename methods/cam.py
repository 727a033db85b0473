"""Methods built on the activations of one convolutional layer."""

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from entries import Inapplicable, explains, layered
from layers import layer_name


def activations(method: object, model: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the output (n, k, h, w) of `method.layer`, and the logits; refuse a layer that has no such output."""
    name, layer, network = type(method).__name__, layer_name(method, model, x), type(model).__name__
    try:
        module = model.get_submodule(layer)
    except AttributeError:
        raise Inapplicable(f"{name} needs a layer called {layer!r}; {network} has none") from None
    outputs: list[Tensor] = []

    def record(_module: nn.Module, _inputs: tuple, output: Tensor) -> Tensor:
        if not isinstance(output, Tensor):
            outputs.append(output)
            return output
        # Eigenvectors are not computed in bfloat16.
        outputs.append(output.float() if output.dtype == torch.bfloat16 else output)
        # The network goes on with a copy, since an in-place ReLU after the layer would overwrite the record.
        return outputs[-1].clone().to(output.dtype)

    with module.register_forward_hook(record):
        logits = model(x.clone())
    if len(outputs) != 1:
        raise Inapplicable(f"{name} needs a layer that runs once; {layer!r} of {network} ran {len(outputs)} times")
    shape = getattr(outputs[0], "shape", ())
    if len(shape) != 4 or shape[2] * shape[3] == 1:
        given = f"{layer!r} of {network} gives {tuple(shape) or type(outputs[0]).__name__}"
        raise Inapplicable(f"{name} needs an output (n, k, h, w) of more than 1 x 1 pixels; {given}")
    return outputs[0], logits


def weighed(method: object, model: nn.Module, x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return the output of `method.layer` and the gradient of the target logit by it, both (n, k, h, w)."""
    with torch.enable_grad():
        a, logits = activations(method, model, x.detach().requires_grad_())
        logit = logits.gather(1, target[:, None]).sum()
        (gradient,) = torch.autograd.grad(logit, a, allow_unused=True) if a.requires_grad else (None,)
    if gradient is None:
        need = f"{type(method).__name__} needs a layer between the image and the logits"
        raise Inapplicable(f"{need}; {layer_name(method, model, x)!r} of {type(model).__name__} is not")
    return a.detach(), gradient


def upsampled(cam: Tensor, x: Tensor) -> Tensor:
    """Return maps (n, h', w') in the size of the images, bilinear between pixel centres."""
    return interpolate(cam[:, None], x.shape[2:], mode="bilinear", align_corners=False)[:, 0]


def bicubic(cells: Tensor, x: Tensor) -> Tensor:
    """Return maps (n, h', w') in the size of the images, bicubic. The dips below 0 beside a peak are set to 0."""
    return interpolate(cells[:, None], x.shape[2:], mode="bicubic", align_corners=False)[:, 0].relu()


@explains("linearisation", cites="Selvaraju et al. 2017", passes=(1, 1))
class GradCam:
    """ReLU of the sum of the layer's channels, each weighed by its mean gradient [Selvaraju et al. 2017]."""

    layer: str
    __post_init__ = layered

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        a, gradient = weighed(self, model, x, target)
        return upsampled((gradient.mean((2, 3), keepdim=True) * a).sum(1).relu(), x)


@explains("linearisation", cites="Jiang et al. 2021", passes=(1, 1))
class LayerCam:
    """ReLU of the channels' sum, each pixel weighed by its own positive gradient [Jiang et al. 2021].

    A strided layer above reads some pixels of this layer more often than others, which leaves a grid in the map.
    """

    layer: str
    __post_init__ = layered

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        a, gradient = weighed(self, model, x, target)
        return upsampled((gradient.relu() * a).sum(1).relu(), x)


@explains("linearisation", cites="Chattopadhay et al. 2018", passes=(1, 1))
class GradCamPP:
    """ReLU of the channels' sum, weighed by their positive gradients [Chattopadhay et al. 2018, eq. 19].

    w_k = sum_ij a_ij ReLU(g_ij) with a = g^2 / (2 g^2 + sum(A^k) g^3); the map is ReLU(sum_k w_k A^k). In the paper
    every weight of an image also has the factor exp(logit). It is left out, since it overflows and changes no order.
    g^2 is cancelled from the fraction, so that small gradients are not rounded to 0. The layer should be the output of
    a ReLU: where sum(A^k) is negative, the denominator may come near zero.
    """

    layer: str
    __post_init__ = layered

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        a, gradient = weighed(self, model, x, target)
        positive = gradient.relu()
        below = 2 + a.sum((2, 3), keepdim=True) * positive
        weight = torch.where(below == 0, 0, positive / below).sum((2, 3), keepdim=True)
        return upsampled((weight * a).sum(1).relu(), x)


@explains("linearisation", cites="Fu et al. 2020", passes=(1, 1))
class XGradCam:
    """ReLU of the channels' sum, each weighed by its gradient's mean over its activation [Fu et al. 2020].

    w_k = sum_ij g_ij A_ij / sum_ij A_ij; a channel that sums to 0 gets weight 0. The layer should be the output of a
    ReLU, where w_k is an average with positive weights.
    """

    layer: str
    __post_init__ = layered

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        a, gradient = weighed(self, model, x, target)
        total = a.sum((2, 3), keepdim=True)
        weight = torch.where(total == 0, 0, (gradient * a).sum((2, 3), keepdim=True) / total)
        return upsampled((weight * a).sum(1).relu(), x)


@explains("linearisation", cites="Draelos & Carin 2020", signed=True, passes=(1, 1))
class HiResCam:
    """Gradient times activation, pixel by pixel, summed over the channels [Draelos & Carin 2020].

    No ReLU is taken. If one linear layer follows, the map at the layer's own size sums to the logit less its bias; the
    upsampled map does not. A strided layer above leaves its grid in the map.
    """

    layer: str
    __post_init__ = layered

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        a, gradient = weighed(self, model, x, target)
        return upsampled((gradient * a).sum(1), x)


@explains("structure", cites="Muhammad & Yeasin 2020", class_specific=False, passes=(1, 0))
class EigenCam:
    """Activations projected on their first right singular vector over channels [Muhammad & Yeasin 2020].

    As in the paper the channels are not centred, and the class plays no part. The sign of a singular vector is
    arbitrary: here the map's sum is positive. A ReLU of the map is returned; it changes nothing after a ReLU.
    """

    layer: str
    __post_init__ = layered

    @torch.no_grad()
    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        a, _ = activations(self, model, x.detach())
        left, size, _ = torch.linalg.svd(a.flatten(2).mT, full_matrices=False)
        cam = (left[..., 0] * size[:, :1]).view(len(a), *a.shape[2:])
        return upsampled((cam * cam.sum((1, 2), keepdim=True).sign()).relu(), x)
