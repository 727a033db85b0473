"""Class activation maps by pytorch-grad-cam and by loops, peak responses peak by peak, all in float64.

pytorch-grad-cam stretches its maps to [0, 1] and upsamples with OpenCV; here its raw maps are taken. Where it departs
from a paper the paper is followed: it centres the channels of Eigen-CAM, keeps small gradients out of Grad-CAM++
and small sums out of XGrad-CAM by an epsilon, and upsamples Score-CAM's masks between corners.
"""

import numpy
import torch
from pytorch_grad_cam import GradCAM, GradCAMPlusPlus, HiResCAM, LayerCAM, XGradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch.nn.functional import conv2d
from torch.nn.grad import conv2d_input
from torch.overrides import TorchFunctionMode

from tests.methods.networks import not_in_place
from tests.methods.references import Reference

LARGE = 1e9  # gradients times this, activations over it: nothing but an epsilon notices


def bilinear(cam, x):
    """Upsample maps (n, h, w) pixel by pixel, between pixel centres."""
    rows, columns = (steps(small, large) for small, large in zip(cam.shape[1:], x.shape[2:], strict=True))
    return torch.stack([rows @ one @ columns.T for one in cam])


def steps(small, large):
    weights = torch.zeros(large, small, dtype=torch.float64)
    for i in range(large):
        place = min(max((i + 0.5) * small / large - 0.5, 0), small - 1)
        low = min(int(place), small - 1)
        weights[i, low] += 1 - (place - low)
        if place > low:
            weights[i, low + 1] += place - low
    return weights


def recorded(method, model, x, target):
    """The layer's output, and its gradient."""
    model = not_in_place(model).requires_grad_()
    kept = []

    def keep(_module, _inputs, output):
        output.retain_grad()
        kept.append(output)

    model.get_submodule(method.layer).register_forward_hook(keep)
    with torch.enable_grad():
        sum(logits[t] for logits, t in zip(model(x), target, strict=True)).backward()
    return kept[0].detach(), kept[0].grad


def library(kind, scale=1.0, rectified=True):
    """Maps by pytorch-grad-cam's formula."""

    def maps(method, model, x, target):
        a, gradient = recorded(method, model, x, target)
        model = not_in_place(model).requires_grad_()
        with kind(model, [model.get_submodule(method.layer)]) as cam:
            targets = [ClassifierOutputTarget(int(t)) for t in target]
            layer, scaled = model.get_submodule(method.layer), (a.numpy() / scale, gradient.numpy() * scale)
            raw = torch.from_numpy(cam.get_cam_image(x, layer, targets, *scaled, False))
        return bilinear(raw.relu() if rectified else raw, x)

    return maps


def eigen_cam(method, model, x, target):
    """numpy's eigenvectors of the uncentred k x k moments; a non-negative matrix has a non-negative first one."""
    a, _ = recorded(method, model, x, target)
    maps = []
    for one in a.flatten(2).numpy():
        _, vectors = numpy.linalg.eigh(one @ one.T)
        maps.append((numpy.abs(vectors[:, -1]) @ one).reshape(a.shape[2:]))
    return bilinear(torch.from_numpy(numpy.stack(maps)), x)


def score_cam(method, model, x, target):
    """Channel by channel, with the baseline that cancels."""
    a, _ = recorded(method, model, x, target)
    maps = []
    for image, channels, t in zip(x, a, target, strict=True):
        scores, used = [], [channel for channel in channels if channel.max() > channel.min()]
        black = model(torch.zeros_like(image)[None])[0, t]
        masks = [(up - up.min()) / (up.max() - up.min()) for up in bilinear(torch.stack(used), x)]
        for some in torch.stack(masks).split(64):
            scores += [logit - black for logit in model(image * some[:, None])[:, t]]
        exponentials = [score.exp() for score in scores]
        total = sum(exponentials)
        maps.append(sum(e / total * channel for e, channel in zip(exponentials, used, strict=True)).clamp(min=0))
    return bilinear(torch.stack(maps), x)


def ablation_cam(method, model, x, target):
    """Channel by channel; pytorch-grad-cam does the same, but keeps the logits in float32."""
    a, _ = recorded(method, model, x, target)
    layer, maps = model.get_submodule(method.layer), []
    for image, channels, t in zip(x, a, target, strict=True):
        whole, weights = model(image[None])[0, t], []
        for keep in (1 - torch.eye(len(channels), dtype=x.dtype)).split(64):
            handle = layer.register_forward_hook(lambda _m, _i, out, keep=keep: out * keep[:, :, None, None])
            weights += [(whole - logit) / whole for logit in model(image.repeat(len(keep), 1, 1, 1))[:, t]]
            handle.remove()
        maps.append(sum(w * channel for w, channel in zip(weights, channels, strict=True)).clamp(min=0))
    return bilinear(torch.stack(maps), x)


def cam(method, model, x, target):
    """timm's own names for the last layer and the weights behind its pool."""
    a, weights = model.forward_features(x), model.get_classifier().weight[target]
    return bilinear(torch.einsum("nk,nkhw->nhw", weights, a), x)


class Proportional(torch.autograd.Function):
    """A linear operation with positive weights, through which relevance goes in proportion."""

    @staticmethod
    def forward(ctx, x, result, counted, weight, options, stabilizer):
        ctx.kept = counted.detach(), weight, options, stabilizer
        return result.detach().clone()

    @staticmethod
    def backward(ctx, relevance):
        a, weight, options, stabilizer = ctx.kept
        ratio = relevance / (conv2d(a, weight, None, *options) + stabilizer)
        return a * conv2d_input(a.shape, weight, ratio, *options), None, None, None, None, None


class Unchanged(torch.autograd.Function):
    """Any result, relevance passed on as it is."""

    @staticmethod
    def forward(ctx, x, result):
        return result.detach().clone()

    @staticmethod
    def backward(ctx, relevance):
        return relevance, None


class Split(torch.autograd.Function):
    """A sum of two, relevance split between their positive parts."""

    @staticmethod
    def forward(ctx, one, other, stabilizer):
        ctx.kept = one.clamp(min=0), other.clamp(min=0), stabilizer
        return one + other

    @staticmethod
    def backward(ctx, relevance):
        one, other, stabilizer = ctx.kept
        return *(relevance * term / (one + other + stabilizer) for term in (one, other)), None


class TopDown(TorchFunctionMode):
    """Runs a network of timm's with the functions above in place of its operations.

    Batch norms with positive weights scale a convolution's outputs, which proportions do not notice.
    """

    def __init__(self, stabilizer):
        super().__init__()
        self.stabilizer = stabilizer

    def __torch_function__(self, func, types, args=(), kwargs=None):
        name, kwargs = getattr(func, "__name__", ""), kwargs or {}
        if name in ("add_", "__iadd__", "iadd") and all(isinstance(a, torch.Tensor) and a.ndim == 4 for a in args):
            return Split.apply(*args, self.stabilizer)
        result = func(*args, **{key: value for key, value in kwargs.items() if key != "inplace"})
        if name == "conv2d":
            x, weight, _, *options = args
            above = x - x.amin((1, 2, 3), keepdim=True)
            return Proportional.apply(x, result, above, weight.clamp(min=0), options, self.stabilizer)
        if name == "avg_pool2d":
            x, (size, stride, padding) = args[0], (*args[1:], *kwargs.values())[:3]
            weight = torch.full((x.shape[1], 1, size, size), size**-2, dtype=x.dtype)
            options = stride, padding, 1, x.shape[1]
            return Proportional.apply(x, result, x.clamp(min=0), weight, options, self.stabilizer)
        if name == "batch_norm":
            assert kwargs.get("weight", args[3] if len(args) > 3 else None).min() > 0
        return Unchanged.apply(args[0], result) if name in ("batch_norm", "relu") else result


def peak_response(method, model, x, target):
    """Peak by peak, each in a backward pass of its own."""
    maps, reach = [], method.across // 2
    for image, t in zip(x, target, strict=True):
        with torch.enable_grad(), TopDown(method.stabilizer):
            leaf = image[None].clone().requires_grad_()
            a = model.forward_features(leaf)
        weight = model.get_classifier().weight[t]
        response = torch.einsum("k,khw->hw", weight, a[0].detach())
        values, total = sorted(response.flatten().tolist()), torch.zeros_like(image[0])
        for i in range(response.shape[0]):
            for j in range(response.shape[1]):
                around = response[max(i - reach, 0) : i + reach + 1, max(j - reach, 0) : j + reach + 1]
                if response[i, j] == around.max() and response[i, j] >= values[(len(values) - 1) // 2]:
                    causes = (a[0, :, i, j].detach() - a.detach().min()) * weight.clamp(min=0)
                    start = torch.zeros_like(a)
                    start[0, :, i, j] = causes / (causes.sum() + method.stabilizer)
                    total += torch.autograd.grad(a, leaf, start, retain_graph=True)[0][0].sum(0)
        maps.append(total)
    return torch.stack(maps)


HEAD = {"vgg16": "global average"}
LIBRARY, LOOPS = "pytorch-grad-cam", "float64 derivation"

REFERENCES = {
    "cam": Reference(LOOPS, cam, HEAD),
    "grad_cam": Reference(LIBRARY, library(GradCAM)),
    "grad_cam_pp": Reference(LIBRARY, library(GradCAMPlusPlus, LARGE)),
    "x_grad_cam": Reference(LIBRARY, library(XGradCAM, 1 / LARGE)),
    "hires_cam": Reference(LIBRARY, library(HiResCAM, rectified=False)),
    "layer_cam": Reference(LIBRARY, library(LayerCAM)),
    "eigen_cam": Reference("numpy", eigen_cam),
    "score_cam": Reference(LOOPS, score_cam),
    "ablation_cam": Reference(LOOPS, ablation_cam),
    "peak_response": Reference(LOOPS, peak_response, HEAD),
}
