"""Class activation maps by pytorch-grad-cam and by loops over images and channels, in float64.

pytorch-grad-cam stretches its maps to [0, 1] and upsamples with OpenCV; here its raw maps are taken. Where it departs
from a paper the paper is followed: it centres the channels of Eigen-CAM, keeps small gradients out of Grad-CAM++
and small sums out of XGrad-CAM by an epsilon, and upsamples Score-CAM's masks between corners.
"""

import numpy
import torch
from pytorch_grad_cam import GradCAM, GradCAMPlusPlus, HiResCAM, LayerCAM, XGradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

from tests.methods.networks import not_in_place
from tests.methods.references import Reference, interpolation
from tests.methods.references.decomposition import away, plus, sharing, walked

LARGE = 1e9  # gradients times this, activations over it: nothing but an epsilon notices


def bilinear(cam, x):
    """Upsample maps (n, h, w) between pixel centres."""
    rows, columns = (interpolation(small, large) for small, large in zip(cam.shape[1:], x.shape[2:], strict=True))
    return torch.from_numpy(rows @ cam.numpy() @ columns.T)


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


def above(method, layer, a, r):
    """Positive weights only, no biases, and inputs counted from the smallest of the image."""
    excited, weight = a - a.flatten(1).amin(1)[:, None, None, None], layer.w.clamp(min=0)
    return sharing(layer, [(excited, weight)], r / away(layer.forward(excited, weight), method.stabilizer))


def peak_response(method, model, x, target):
    """The last maps start with what excites their peaks, found pixel by pixel."""
    reach, maps = method.across // 2, []
    for image, t in zip(x.split(1), target.split(1), strict=True):
        weight = model.get_classifier().weight[t.item()]

        def begin(a, weight=weight):
            response, start = torch.einsum("k,khw->hw", weight, a[0]), torch.zeros_like(a)
            values = sorted(response.flatten().tolist())
            for i in range(response.shape[0]):
                for j in range(response.shape[1]):
                    around = response[max(i - reach, 0) : i + reach + 1, max(j - reach, 0) : j + reach + 1]
                    if response[i, j] == around.max() and response[i, j] >= values[(len(values) - 1) // 2]:
                        causes = (a[0, :, i, j] - a.min()) * weight.clamp(min=0)
                        start[0, :, i, j] = causes / (causes.sum() + method.stabilizer)
            return start

        rules = {"conv": above, "linear": plus, "positive": True, "begin": begin}
        maps.append(walked(method, model, image, t, **rules)[0])
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
