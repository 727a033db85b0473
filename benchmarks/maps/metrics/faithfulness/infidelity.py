"""How far the map's sum over a random square misses what the model loses without that square."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from benchmarks.explained import Explained, draws
from benchmarks.metrics.faithfulness.subsets import falls_without, rounding
from benchmarks.metrics.fields import filled, number, whole


@dataclass(frozen=True)
class Infidelity:
    """Mean squared error of the map's sum over a square as the target logit's fall [Yeh et al. 2019].

    E[(I . map - (f(x) - f(x - I)))^2] in logit^2, where x - I has one square of `side` times the image's shorter side
    at `baseline`: `samples` independent squares, the same for all images and methods. Maps have no channels, so I . map
    is the map's sum over the square: the map is read as contributions, as those of methods that multiply by the input.
    The scale of any other map, such as a gradient, is not that of a fall; only its scaled score can be compared.
    """

    category: ClassVar[str] = "faithfulness"
    higher_is_better: ClassVar[bool] = False
    bounds: ClassVar[tuple[float, float]] = (0.0, float("inf"))
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ()
    invariant: ClassVar[tuple[str, ...]] = ()
    undefined: ClassVar[str] = "the target logit is not a number"
    cites: ClassVar[str] = "Yeh et al. 2019"

    samples: int
    side: float
    baseline: str
    seed: int

    def __post_init__(self) -> None:
        check(self)

    @property
    def passes(self) -> tuple[int, int, int]:
        return 0, self.samples, 0

    def __call__(self, explained: Explained) -> Tensor:
        error = self.falls(explained) - sums(explained, self)
        return error.square().mean(1).clamp(max=torch.finfo(torch.float32).max).float()

    def falls(self, explained: Explained) -> Tensor:
        """Return by how much the target logit falls without each square, (n, samples) float64."""
        return falls_without_squares(explained, self)


@dataclass(frozen=True)
class InfidelityScaled:
    """Infidelity of the map at its best scale, as a share of the mean squared fall [Yeh et al. 2019].

    min over b >= 0 of E[(b I . map - fall)^2] / E[fall^2], for the squares of `Infidelity`; the best b is
    E[(I . map) fall] / E[(I . map)^2], image by image. 0: the sums are proportional to the falls. 1: no better than the
    map that is zero, and so is one whose sums point the other way, which a negative b would make a good one.
    """

    category: ClassVar[str] = "faithfulness"
    higher_is_better: ClassVar[bool] = False
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ()
    invariant: ClassVar[tuple[str, ...]] = ("scale",)
    undefined: ClassVar[str] = "the target logit does not move"
    cites: ClassVar[str] = "Yeh et al. 2019"

    samples: int
    side: float
    baseline: str
    seed: int

    def __post_init__(self) -> None:
        check(self)

    @property
    def passes(self) -> tuple[int, int, int]:
        return 0, self.samples, 0

    def __call__(self, explained: Explained) -> Tensor:
        ours, falls = sums(explained, self), self.falls(explained)
        best = (ours * falls).mean(1).clamp(min=0) / ours.square().mean(1).clamp(min=torch.finfo(torch.float64).tiny)
        left = (best[:, None] * ours - falls).square().mean(1) / falls.square().mean(1)
        return torch.where(falls.abs().amax(1) > rounding(explained), left.clamp(max=1), torch.nan).float()

    def falls(self, explained: Explained) -> Tensor:
        """Return by how much the target logit falls without each square, (n, samples) float64."""
        return falls_without_squares(explained, self)


def sums(explained: Explained, metric: Infidelity | InfidelityScaled) -> Tensor:
    """Sum the map over each square, (n, samples) float64."""
    return explained.maps.flatten(1).double() @ squares(explained, metric).flatten(1).double().T


def falls_without_squares(explained: Explained, metric: Infidelity | InfidelityScaled) -> Tensor:
    """Return the falls (n, samples), passed once for both metrics and for all methods."""
    key = "falls without squares", metric.samples, metric.side, metric.baseline, metric.seed
    sets = squares(explained, metric)
    return explained.for_all(key, lambda: falls_without(explained, sets, metric.baseline, metric.seed))


def squares(explained: Explained, metric: Infidelity | InfidelityScaled) -> Tensor:
    """Draw the squares (samples, h, w) bool, every place inside the image alike."""
    h, w = explained.x.shape[2:]
    side = max(1, round(metric.side * min(h, w)))
    place = torch.rand(metric.samples, 2, generator=draws(metric.seed, "squares"))
    top, left = (place * torch.tensor([h - side + 1, w - side + 1])).long().T
    rows, columns = torch.arange(h) - top[:, None], torch.arange(w) - left[:, None]
    rows, columns = ((line >= 0) & (line < side) for line in (rows, columns))
    return (rows[:, :, None] & columns[:, None]).to(explained.x.device)


def check(metric: Infidelity | InfidelityScaled) -> None:
    whole(metric, samples=1)
    number(metric, "side", "between 0 and 1, as a share of the image's", lambda s: 0 < s < 1)
    filled(metric)
