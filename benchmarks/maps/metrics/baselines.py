"""What a removed pixel becomes: baselines named in pixel space, in each model's own units."""

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from benchmarks.explained import Explained, draws
from benchmarks.maps.metrics.imputation import linear
from entries import choice, whole

BLUR = 0.1  # the standard deviation of the blur, as a fraction of the side: 6.4 pixels of 64, 22.4 of 224
REACH = 3  # standard deviations at which the blur's kernel ends
NOISE = 0.01  # the standard deviation of noisy linear imputation's noise, in pixel units: that of its authors' code


def filled(metric: object, **least: int) -> None:
    """Refuse a baseline without a name, a wrong seed of its noise, and whole numbers below what they are at `least`."""
    choice(metric, "baseline", BASELINES)
    whole(metric, seed=0, **least)


def baseline(explained: Explained, name: str, seed: int) -> Tensor:
    """Return the images (n or 1, c, h, w) of which nothing is left.

    "black" is pixel value 0, and "mean" the mean colour of the network's normalisation. "blur" is the image under a
    Gaussian of .1 of its side, mirrored at the borders. "uniform" draws each value from [0, 1), the same noise for all
    images. "noisy_linear" is the mean colour under its noise, because there is no pixel to impute from.
    """
    return explained.once(("baseline", name, seed), lambda: BASELINES[name](explained, seed))


def imputed(explained: Explained, removed: Tensor, name: str, seed: int) -> Tensor:
    """Return the images (n, c, h, w) whose `removed` pixels (n or 1, h, w) bool are replaced.

    They become those of the baseline. Only "noisy_linear" depends on what is removed: a pixel becomes a weighted mean
    of its neighbours, under Gaussian noise of .01 that is the same for all images and not clipped [Rong et al. 2022].
    """
    if name == "noisy_linear":
        return noisy_linear(explained, removed.expand(len(explained.x), -1, -1), seed)
    return torch.where(removed[:, None], baseline(explained, name, seed), explained.x)


def baseline_logits(explained: Explained, name: str, seed: int) -> Tensor:
    """Return the logits (n, k) of the baseline alone; one that all images share takes one pass in all."""
    key = "baseline logits", name, seed
    logits = explained.for_all(key, lambda: explained.logits(baseline(explained, name, seed)))
    return logits.expand(len(explained.x), -1)


def black(explained: Explained, seed: int) -> Tensor:
    return explained.normalised(torch.zeros_like(explained.x[:1]))


def mean_colour(explained: Explained, seed: int) -> Tensor:
    return torch.zeros_like(explained.x[:1])


def uniform(explained: Explained, seed: int) -> Tensor:
    values = torch.rand(explained.x.shape[1:], generator=draws(seed, "baseline"))
    return explained.normalised(values.to(explained.x)[None])


def noise(explained: Explained, seed: int) -> Tensor:
    """Draw the noise (1, c, h, w) of `noisy_linear` in the model's units, whose 0 is the mean colour."""
    draw = torch.randn(explained.x.shape[1:], generator=draws(seed, "noisy linear")).to(explained.x)
    return (NOISE * draw / explained.std[:, None, None])[None]


def noisy_linear(explained: Explained, removed: Tensor, seed: int) -> Tensor:
    image = linear(explained.x, removed)  # weighted means commute with the normalisation, and 0 is its mean colour
    return torch.where(removed[:, None], image + baseline(explained, "noisy_linear", seed), image)


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


BASELINES = {"black": black, "mean": mean_colour, "blur": blurred, "uniform": uniform, "noisy_linear": noise}
