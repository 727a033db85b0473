"""FEM and multi-layered FEM in numpy: a loop over images and channels in float64, resized by OpenCV.

pytorch-grad-cam's FEM is another formula, sum_c mean(B_c) A^c instead of sum_c mu_c B_c, and xplique's takes >= for >.
"""

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from tests.methods.references import Reference

# the last layer of every map size with more than 5 pixels at the size of tests.methods.networks, from the deepest
LAYERS = {
    "VGG": ("features.22", "features.15", "features.8", "features.3"),
    "ResNet": ("layer3", "layer2", "layer1", "act1"),
    "InceptionV3": ("Mixed_6e", "Mixed_5d", "Conv2d_4a_3x3", "Conv2d_3b_1x1"),
}


@torch.no_grad()
def output(model: nn.Module, name: str, x: Tensor) -> np.ndarray:
    """What a layer gives, (n, c, h, w)."""
    kept = []
    with model.get_submodule(name).register_forward_hook(lambda _m, _i, out: kept.append(out.clone())):
        model(x.clone())
    return kept[0].numpy()


def fem(image: np.ndarray, k: float) -> np.ndarray:
    """FEM of one image's activations (c, h, w), as the authors' notebook goes about it, without its division."""
    total = np.zeros(image.shape[1:])
    for channel in image:
        mean = channel.sum() / channel.size
        deviation = (((channel - mean) ** 2).sum() / channel.size) ** 0.5
        total[channel > mean + k * deviation] += mean
    return total


def bicubic(image: np.ndarray, height: int, width: int) -> np.ndarray:
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC).clip(0)


def one_layer(method, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
    a = output(model, method.layer, x)
    return torch.from_numpy(np.stack([bicubic(fem(image, method.k), *x.shape[2:]) for image in a]))


def many_layers(method, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
    maps = np.zeros((len(x), *x.shape[2:]))
    names = LAYERS[type(model).__name__][: method.layers]
    for name in names:
        for i, image in enumerate(output(model, name, x)):
            total = fem(image, method.k)
            maps[i] += bicubic(total / total.max() if total.max() > 0 else total, *x.shape[2:]) / len(names)
    return torch.from_numpy(maps)


REFERENCES = {"fem": Reference("numpy, OpenCV", one_layer), "mlfem": Reference("numpy, OpenCV", many_layers)}
