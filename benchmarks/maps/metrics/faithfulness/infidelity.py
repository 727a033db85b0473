"""How far the map's sum over a random square misses what the model loses without that square."""

from functools import partial
from math import inf

import torch
from torch import Tensor

from benchmarks.explained import Explained, draws
from benchmarks.maps.metrics.baselines import filled
from benchmarks.maps.metrics.faithfulness.subsets import falls_without, rounding
from entries import number, scores

squares_passed = property(lambda metric: (0, metric.samples, 0))
misses = partial(scores, "faithfulness", higher_is_better=False, cites="Yeh et al. 2019", passes=squares_passed)


def check(metric: object) -> None:
    number(metric, "side", "between 0 and 1, as a share of the image's", lambda s: 0 < s < 1)
    filled(metric, samples=1)


def falls(metric: object, explained: Explained) -> Tensor:
    """Return by how much the target logit falls without each square, (n, samples), passed once for all methods."""
    key = "falls without squares", metric.samples, metric.side, metric.baseline, metric.seed
    sets = squares(explained, metric)
    return explained.for_all(key, lambda: falls_without(explained, sets, metric.baseline, metric.seed))


@misses(bounds=(0.0, inf), undefined="the target logit is not a number")
class Infidelity:
    """Mean squared error of the map's sum over a square as the target logit's fall [Yeh et al. 2019].

    The score is E[(I . map - (f(x) - f(x - I)))^2] in logit^2, where x - I has one square of `side` times the image's
    shorter side at `baseline`. There are `samples` independent squares, the same for all images and methods. Maps have
    no channels, so I . map is the map's sum over the square: the map is read as contributions, as those of methods that
    multiply by the input are. For maps of another scale, such as gradients, only `InfidelityScaled` can be compared.
    """

    samples: int
    side: float
    baseline: str
    seed: int
    __post_init__ = check

    def __call__(self, explained: Explained) -> Tensor:
        error = falls(self, explained) - sums(explained, self)
        return error.square().mean(1).clamp(max=torch.finfo(torch.float32).max).float()


@misses(bounds=(0.0, 1.0), invariant=("scale",), undefined="the target logit does not move")
class InfidelityScaled:
    """Infidelity of the map at its best scale, as a share of the mean squared fall [Yeh et al. 2019].

    The score is the least over b >= 0 of E[(b I . map - fall)^2] / E[fall^2], for the squares of `Infidelity`; the best
    b is E[(I . map) fall] / E[(I . map)^2], image by image. It is 0 where the sums are proportional to the falls, and 1
    where the map is no better than one that is zero. A map whose sums point the other way scores 1, too.
    """

    samples: int
    side: float
    baseline: str
    seed: int
    __post_init__ = check

    def __call__(self, explained: Explained) -> Tensor:
        total, fall = sums(explained, self), falls(self, explained)
        best = (total * fall).mean(1).clamp(min=0) / total.square().mean(1).clamp(min=torch.finfo(torch.float64).tiny)
        left = (best[:, None] * total - fall).square().mean(1) / fall.square().mean(1)
        return torch.where(fall.abs().amax(1) > rounding(explained), left.clamp(max=1), torch.nan).float()


def sums(explained: Explained, metric: object) -> Tensor:
    """Sum the map over each square, (n, samples) float64."""
    return explained.maps.flatten(1).double() @ squares(explained, metric).flatten(1).double().T


def squares(explained: Explained, metric: object) -> Tensor:
    """Draw the squares (samples, h, w) bool; every place inside the image is equally likely."""
    h, w = explained.x.shape[2:]
    side = max(1, round(metric.side * min(h, w)))
    place = torch.rand(metric.samples, 2, generator=draws(metric.seed, "squares"))
    top, left = (place * torch.tensor([h - side + 1, w - side + 1])).long().T
    rows, columns = torch.arange(h) - top[:, None], torch.arange(w) - left[:, None]
    rows, columns = ((line >= 0) & (line < side) for line in (rows, columns))
    return (rows[:, :, None] & columns[:, None]).to(explained.x.device)
