"""What a removed pixel becomes: baselines named in pixel space, in each model's own units."""

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from benchmarks.explained import Explained, draws

BASELINES = ("black", "mean", "blur", "uniform")
BLUR = 0.1  # the standard deviation of the blur, as a fraction of the side: 6.4 pixels of 64, 22.4 of 224
REACH = 3  # standard deviations at which the blur's kernel ends


def baseline(explained: Explained, name: str, seed: int) -> Tensor:
    """Return the images (n or 1, c, h, w) whose pixels replace removed ones.

    black: pixel value 0. mean: the mean colour of the network's normalisation. blur: the image under a Gaussian of .1
    of its side, mirrored at the borders. uniform: each value of its own from [0, 1), the same noise for all images.
    """
    make = {"black": black, "mean": mean_colour, "blur": blurred, "uniform": uniform}[name]
    return explained.once(("baseline", name, seed), lambda: make(explained, seed))


def imputed(explained: Explained, removed: Tensor, name: str, seed: int) -> Tensor:
    """Return the images (n, c, h, w) whose `removed` pixels (n, h, w) bool are replaced."""
    return torch.where(removed[:, None], baseline(explained, name, seed), explained.x)


def baseline_logits(explained: Explained, name: str, seed: int) -> Tensor:
    """Return the logits (n, k) of the baseline alone; one that all images share takes one pass in all."""

    def compute() -> Tensor:
        return explained.logits(baseline(explained, name, seed))

    return explained.for_all(("baseline logits", name, seed), compute).expand(len(explained.x), -1)


def black(explained: Explained, seed: int) -> Tensor:
    return explained.normalised(torch.zeros_like(explained.x[:1]))


def mean_colour(explained: Explained, seed: int) -> Tensor:
    return torch.zeros_like(explained.x[:1])


def uniform(explained: Explained, seed: int) -> Tensor:
    noise = torch.rand(explained.x.shape[1:], generator=draws(seed, "baseline"))
    return explained.normalised(noise.to(explained.x)[None])


def blurred(explained: Explained, seed: int) -> Tensor:
    n, c, h, w = explained.x.shape
    image = explained.x.reshape(n * c, 1, h, w)  # blurring commutes with the normalisation
    image = conv2d(pad(image, (0, 0, reach(h), reach(h)), "reflect"), gaussian(h).to(image).view(1, 1, -1, 1))
    image = conv2d(pad(image, (reach(w), reach(w), 0, 0), "reflect"), gaussian(w).to(image).view(1, 1, 1, -1))
    return image.view(n, c, h, w)


def reach(side: int) -> int:
    return min(round(REACH * BLUR * side), side - 1)


def gaussian(side: int) -> Tensor:
    offset = torch.arange(-reach(side), reach(side) + 1, dtype=torch.float64)
    weight = (-0.5 * (offset / (BLUR * side)).square()).exp()
    return weight / weight.sum()
