"""The map under pixel noise: all metrics with the same settings share the noisy images and their maps."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from benchmarks.explained import Explained, draws
from benchmarks.metrics.fields import choice, number, whole
from benchmarks.metrics.ranking import constant, pixel_order
from benchmarks.metrics.similarity import spearman, ssim

MEASURES = ("spearman", "ssim", "top_10")


@dataclass(frozen=True)
class MaxSensitivity:
    """Largest relative change of the map over `samples` images within `radius` [Yeh et al. 2019].

    max ||map(x + d) - map(x)|| / ||map(x)||, Euclidean, for d uniform in the L-infinity ball of `radius` pixel units,
    not clipped to [0, 1]; the same d for all images and methods, and a fixed target. It is a lower bound of the maximum
    over the ball and grows with `samples`, which is part of the protocol. The paper does not divide by ||map(x)||.
    """

    category: ClassVar[str] = "robustness"
    higher_is_better: ClassVar[bool] = False
    bounds: ClassVar[tuple[float, float]] = (0.0, float("inf"))
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ("explain",)
    invariant: ClassVar[tuple[str, ...]] = ("scale",)
    undefined: ClassVar[str] = "the map is zero"
    cites: ClassVar[str] = "Yeh et al. 2019"

    radius: float
    samples: int
    seed: int

    def __post_init__(self) -> None:
        check(self)

    @property
    def passes(self) -> tuple[int, int, int]:
        return 0, 0, self.samples

    def __call__(self, explained: Explained) -> Tensor:
        return changes(explained, self.radius, self.samples, self.seed).amax(1).float()


@dataclass(frozen=True)
class AvgSensitivity:
    """Mean relative change of the map over `samples` images within `radius` [Bhatt et al. 2020].

    The mean of what `MaxSensitivity` takes the maximum of: its expectation does not depend on `samples`. The paper
    leaves the distance open.
    """

    category: ClassVar[str] = "robustness"
    higher_is_better: ClassVar[bool] = False
    bounds: ClassVar[tuple[float, float]] = (0.0, float("inf"))
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ("explain",)
    invariant: ClassVar[tuple[str, ...]] = ("scale",)
    undefined: ClassVar[str] = "the map is zero"
    cites: ClassVar[str] = "Bhatt et al. 2020"

    radius: float
    samples: int
    seed: int

    def __post_init__(self) -> None:
        check(self)

    @property
    def passes(self) -> tuple[int, int, int]:
        return 0, 0, self.samples

    def __call__(self, explained: Explained) -> Tensor:
        return changes(explained, self.radius, self.samples, self.seed).mean(1).float()


@dataclass(frozen=True)
class LocalLipschitz:
    """Largest change of the map by the image's, over `samples` neighbours [Alvarez-Melis & Jaakkola 2018].

    max ||map(x + d) - map(x)|| / (||d|| ||map(x)||) over the noise of `MaxSensitivity`, d in pixel units. Departs from
    the paper: divided by ||map(x)||, without which methods rank by the units of their maps. Uniform noise hardly
    differs in ||d||, so that it ranks nearly as `MaxSensitivity` does; ||d|| grows with the root of the pixels.
    """

    category: ClassVar[str] = "robustness"
    higher_is_better: ClassVar[bool] = False
    bounds: ClassVar[tuple[float, float]] = (0.0, float("inf"))
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ("explain",)
    invariant: ClassVar[tuple[str, ...]] = ("scale",)
    undefined: ClassVar[str] = "the map is zero"
    cites: ClassVar[str] = "Alvarez-Melis & Jaakkola 2018"

    radius: float
    samples: int
    seed: int

    def __post_init__(self) -> None:
        check(self)

    @property
    def passes(self) -> tuple[int, int, int]:
        return 0, 0, self.samples

    def __call__(self, explained: Explained) -> Tensor:
        noise = pixel_noise(explained, self.radius, self.samples, self.seed)
        size = torch.stack([d.double().norm() for d in noise])
        return (changes(explained, self.radius, self.samples, self.seed) / size).amax(1).float()


@dataclass(frozen=True)
class NoiseStability:
    """Mean similarity of the map with those of `samples` noisy images [Ghorbani et al. 2019].

    spearman: rank correlation. ssim: structural similarity. top_10: share of the 10 % largest pixels, round(N / 10),
    that both maps have in common, ties broken by the permutation that all maps share. The noise, uniform within
    `radius` pixel units, is that of `MaxSensitivity`, and so are the images and maps where the settings agree.
    """

    category: ClassVar[str] = "robustness"
    higher_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    version: ClassVar[int] = 2
    needs: ClassVar[tuple[str, ...]] = ("explain",)
    undefined: ClassVar[str] = "the map, or that of a noisy image, is constant"
    cites: ClassVar[str] = "Ghorbani et al. 2019"

    measure: str
    radius: float
    samples: int
    seed: int

    def __post_init__(self) -> None:
        choice(self, "measure", MEASURES)
        check(self)

    @property
    def invariant(self) -> tuple[str, ...]:
        return ("scale",) if self.measure == "ssim" else ("scale", "order")

    @property
    def passes(self) -> tuple[int, int, int]:
        return 0, 0, self.samples

    def __call__(self, explained: Explained) -> Tensor:
        others = noisy_maps(explained, self.radius, self.samples, self.seed)
        return torch.stack([similarity(explained, other, self.measure, self.seed) for other in others]).mean(0).float()


def similarity(explained: Explained, other: Tensor, measure: str, seed: int) -> Tensor:
    """Compare the maps with others by one of `MEASURES`, (n,) float64; nan where one of the two is constant."""
    ours = explained.maps
    if measure == "top_10":
        count = max(1, round(ours[0].numel() / 10))
        a, b = (pixel_order(explained, maps, seed) < count for maps in (ours, other))
        score = (a & b).flatten(1).sum(1).double() / count
    else:
        score = {"spearman": spearman, "ssim": ssim}[measure](ours, other)
    return torch.where(constant(ours) | constant(other), torch.nan, score)


def changes(explained: Explained, radius: float, samples: int, seed: int) -> Tensor:
    """Return ||map(x + d) - map(x)|| / ||map(x)|| for each noisy image, (n, samples) float64; nan for a zero map."""
    ours = explained.maps.flatten(1).double()
    others = noisy_maps(explained, radius, samples, seed)
    change = torch.stack([(other.flatten(1).double() - ours).norm(dim=1) for other in others], 1)
    size = ours.norm(dim=1, keepdim=True)
    return torch.where(size > 0, change / size, torch.nan)


def pixel_noise(explained: Explained, radius: float, samples: int, seed: int) -> Iterator[Tensor]:
    """Yield uniform noise (c, h, w) in pixel units `samples` times, the same for all images."""
    rng, shape = draws(seed, "noise"), explained.x.shape[1:]
    for _ in range(samples):
        yield radius * (2 * torch.rand(shape, generator=rng) - 1).to(explained.x)


def noisy_images(explained: Explained, radius: float, samples: int, seed: int) -> Iterator[Tensor]:
    """Yield the images (n, c, h, w) with each noise."""
    for noise in pixel_noise(explained, radius, samples, seed):
        yield explained.x + noise / explained.std[:, None, None]


def noisy_maps(explained: Explained, radius: float, samples: int, seed: int) -> list[Tensor]:
    """Return the maps (n, h, w) of each noisy image; made once per batch and settings."""

    def compute() -> list[Tensor]:
        return [explained.explain(image) for image in noisy_images(explained, radius, samples, seed)]

    return explained.once(("noisy maps", radius, samples, seed), compute)


def check(metric: object) -> None:
    number(metric, "radius", "in (0, 1], in pixel units", lambda r: 0 < r <= 1)
    whole(metric, samples=1, seed=0)
