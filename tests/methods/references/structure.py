"""FEM and multi-layered FEM in numpy: a loop over images and channels, float64, and a bicubic resize written out.

pytorch-grad-cam's FEM is another formula, sum_c mean(B_c) A^c instead of sum_c mu_c B_c, and xplique's takes >= for >.
"""

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


def outputs(model: nn.Module, names: tuple[str, ...], x: Tensor) -> list[np.ndarray]:
    """What the layers give, each (n, c, h, w)."""
    found = {}
    handles = [
        model.get_submodule(name).register_forward_hook(
            lambda _m, _i, out, name=name: found.update({name: out.clone()})
        )
        for name in names
    ]
    with torch.no_grad():
        model(x.clone())
    for handle in handles:
        handle.remove()
    return [found[name].numpy() for name in names]


def fem(image: np.ndarray, k: float) -> np.ndarray:
    """FEM of one image's activations (c, h, w), as the authors' notebook goes about it, without its division."""
    total = np.zeros(image.shape[1:])
    for channel in image:
        mean = channel.sum() / channel.size
        deviation = (((channel - mean) ** 2).sum() / channel.size) ** 0.5
        total[channel > mean + k * deviation] += mean
    return total


def cubic(t: float, a: float = -0.75) -> float:
    """Keys's kernel."""
    t = abs(t)
    if t <= 1:
        return (a + 2) * t**3 - (a + 3) * t**2 + 1
    return a * (t**3 - 5 * t**2 + 8 * t - 4) if t < 2 else 0.0


def bicubic(size: int, side: int) -> np.ndarray:
    """The matrix (side, size) that resizes one side; pixels are areas, and the border repeats."""
    weights = np.zeros((side, size))
    for row in range(side):
        centre = (row + 0.5) * size / side - 0.5
        for pixel in range(int(np.floor(centre)) - 1, int(np.floor(centre)) + 3):
            weights[row, min(max(pixel, 0), size - 1)] += cubic(centre - pixel)
    return weights


def resized(image: np.ndarray, height: int, width: int) -> np.ndarray:
    return (bicubic(image.shape[0], height) @ image @ bicubic(image.shape[1], width).T).clip(0)


def one_layer(method, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
    (a,) = outputs(model, (method.layer,), x)
    return torch.from_numpy(np.stack([resized(fem(image, method.k), *x.shape[2:]) for image in a]))


def many_layers(method, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
    maps = np.zeros((len(x), *x.shape[2:]))
    names = LAYERS[type(model).__name__][: method.layers]
    for a in outputs(model, names, x):
        for i, image in enumerate(a):
            total = fem(image, method.k)
            maps[i] += resized(total / total.max() if total.max() > 0 else total, *x.shape[2:]) / len(names)
    return torch.from_numpy(maps)


REFERENCES = {"fem": Reference("numpy", one_layer), "mlfem": Reference("numpy", many_layers)}
