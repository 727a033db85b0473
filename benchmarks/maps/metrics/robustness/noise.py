"""The map under pixel noise: all metrics with the same settings share the noisy images and their maps."""

from collections.abc import Iterator
from functools import partial
from math import inf

import torch
from torch import Tensor

from benchmarks.explained import Explained, draws
from benchmarks.maps.metrics.ranking import constant, pixel_order
from benchmarks.maps.metrics.similarity import spearman, ssim
from entries import choice, number, scores, whole

MEASURES = ("spearman", "ssim", "top_10")
measured = property(lambda metric: ("scale",) if metric.measure == "ssim" else ("scale", "order"))
stable = partial(scores, "robustness", needs=("explain",), passes=property(lambda metric: (0, 0, metric.samples)))
restless = partial(stable, higher_is_better=False, bounds=(0.0, inf), invariant=("scale",), undefined="the map is zero")
alike = partial(stable, higher_is_better=True, bounds=(-1.0, 1.0), invariant=measured)


def check(metric: object) -> None:
    number(metric, "radius", "in (0, 1], in pixel units", lambda r: 0 < r <= 1)
    whole(metric, samples=1, seed=0)


@restless(cites="Yeh et al. 2019")
class MaxSensitivity:
    """Largest relative change of the map over `samples` images within `radius` [Yeh et al. 2019].

    The score is max ||map(x + d) - map(x)|| / ||map(x)||, Euclidean, for d uniform in the L-infinity ball of `radius`
    pixel units, not clipped to [0, 1]. The d are the same for all images and methods, and the target is fixed. The
    score is a lower bound of the maximum over the ball and grows with `samples`. The paper does not divide.
    """

    radius: float
    samples: int
    seed: int
    __post_init__ = check

    def __call__(self, explained: Explained) -> Tensor:
        return changes(self, explained).amax(1).float()


@restless(cites="Bhatt et al. 2020")
class AvgSensitivity:
    """Mean relative change of the map over `samples` images within `radius` [Bhatt et al. 2020].

    This is the mean of what `MaxSensitivity` takes the maximum of. The paper leaves the distance open.
    """

    radius: float
    samples: int
    seed: int
    __post_init__ = check

    def __call__(self, explained: Explained) -> Tensor:
        return changes(self, explained).mean(1).float()


@restless(cites="Alvarez-Melis & Jaakkola 2018")
class LocalLipschitz:
    """Largest change of the map by the image's, over `samples` neighbours [Alvarez-Melis & Jaakkola 2018].

    The score is max ||map(x + d) - map(x)|| / (||d|| ||map(x)||) over the noise of `MaxSensitivity`, d in pixel units.
    Departs from the paper: divided by ||map(x)||, without which methods rank by the units of their maps. Uniform noise
    hardly differs in ||d||, so the score ranks nearly as `MaxSensitivity` does.
    """

    radius: float
    samples: int
    seed: int
    __post_init__ = check

    def __call__(self, explained: Explained) -> Tensor:
        size = torch.stack([d.double().norm() for d in pixel_noise(explained, self)])
        return (changes(self, explained) / size).amax(1).float()


@alike(cites="Ghorbani et al. 2019", version=2, undefined="the map, or that of a noisy image, is constant")
class NoiseStability:
    """Mean similarity of the map with those of `samples` noisy images [Ghorbani et al. 2019].

    The `measure` "spearman" is the rank correlation, and "ssim" the structural similarity. "top_10" is the share of the
    10 % largest pixels, round(N / 10), that both maps have in common; all maps share one permutation for ties. The
    noise is that of `MaxSensitivity`.
    """

    measure: str
    radius: float
    samples: int
    seed: int

    def __post_init__(self) -> None:
        choice(self, "measure", MEASURES)
        check(self)

    def __call__(self, explained: Explained) -> Tensor:
        others = noisy_maps(explained, self)
        return torch.stack([similarity(explained, other, self.measure, self.seed) for other in others]).mean(0).float()


def similarity(explained: Explained, other: Tensor, measure: str, seed: int) -> Tensor:
    """Compare the maps with others by one of `MEASURES`, (n,) float64; nan where one of the two is constant."""
    own = explained.maps
    if measure == "top_10":
        count = max(1, round(own[0].numel() / 10))
        a, b = (pixel_order(explained, maps, seed) < count for maps in (own, other))
        score = (a & b).flatten(1).sum(1).double() / count
    else:
        score = {"spearman": spearman, "ssim": ssim}[measure](own, other)
    return torch.where(constant(own) | constant(other), torch.nan, score)


def changes(metric: object, explained: Explained) -> Tensor:
    """Return ||map(x + d) - map(x)|| / ||map(x)|| for each noisy image, (n, samples) float64; nan for a zero map."""
    own = explained.maps.flatten(1).double()
    others = noisy_maps(explained, metric)
    change = torch.stack([(other.flatten(1).double() - own).norm(dim=1) for other in others], 1)
    size = own.norm(dim=1, keepdim=True)
    return torch.where(size > 0, change / size, torch.nan)


def pixel_noise(explained: Explained, metric: object) -> Iterator[Tensor]:
    """Yield the metric's `samples` of uniform noise (c, h, w) in pixel units, the same for all images."""
    rng, shape = draws(metric.seed, "noise"), explained.x.shape[1:]
    for _ in range(metric.samples):
        yield metric.radius * (2 * torch.rand(shape, generator=rng) - 1).to(explained.x)


def noisy_images(explained: Explained, metric: object) -> Iterator[Tensor]:
    """Yield the images (n, c, h, w) with each noise."""
    for noise in pixel_noise(explained, metric):
        yield explained.x + noise / explained.std[:, None, None]


def noisy_maps(explained: Explained, metric: object) -> list[Tensor]:
    """Return the maps (n, h, w) of each noisy image; made once per batch and settings."""
    key, images = ("noisy maps", metric.radius, metric.samples, metric.seed), noisy_images(explained, metric)
    return explained.once(key, lambda: [explained.explain(image) for image in images])
