"""CLEVER: the margin over an estimate of how fast it can fall."""

import math

import numpy as np
import torch
from torch import Tensor

from benchmarks.explained import Explained, draws
from benchmarks.networks.metrics.adversarial import NORMS, in_ball
from benchmarks.networks.metrics.gradient import NO_ANSWER, robust
from benchmarks.networks.metrics.minimal import likeliest_others, margins_and_gradients
from entries import choice, number, whole

DUAL = {"linf": 1, "l2": 2}  # 1/p + 1/q = 1
EQUAL = 1e-6  # of the largest norm: closer ones have no distribution to fit
STEEPEST, FARTHEST = 10.0, 100.0  # the largest shape, and end above the largest norm, in spreads
GRID, ROUNDS, HALVINGS = 64, 5, 30  # of the search for the likeliest end, to 1e-7 of its logarithm


@robust(higher_is_better=True, cites="Weng et al. 2018", bounds=(0.0, math.inf), undefined=NO_ANSWER)
class Clever:
    """Estimated distance to the nearest other class: its margin over its slope [Weng et al. 2018].

    The score is the least, over the `candidates` classes that are likeliest beside the target, of (f_t - f_j)(x) / L_j,
    at most `radius`, in pixel units. L_j is the location of a reverse Weibull distribution, fitted by maximum
    likelihood to the largest norms of the margin's gradient in `batches` of `samples` points. The points are uniform in
    the ball of that radius, clipped to [0, 1], and the same for all images. The score is an estimate and no
    certificate. It is 0 where another class is predicted. Departs from the paper: shapes are at least 1, below which
    the likelihood has no bound, and at most 10, above which a few norms that are skewed to the right have no end. Where
    all norms are the same, L_j is their value. `rounding` is the share of the score that may be rounding.
    """

    norm: str
    radius: float
    batches: int
    samples: int
    candidates: int
    seed: int
    passes = property(lambda self: (0, self.batches * self.samples * (1 + self.candidates), 0))
    rounding = 1e-4

    def __post_init__(self) -> None:
        choice(self, "norm", NORMS)
        number(self, "radius", "> 0, in pixel units", lambda radius: radius > 0)
        whole(self, batches=2, samples=1, candidates=1, seed=0)

    def __call__(self, explained: Explained) -> Tensor:
        return explained.for_all(repr(self), lambda: self.bound(explained)).float()

    def bound(self, explained: Explained) -> Tensor:
        """Return the score (n,) float64."""
        clean, others = explained.clean_logits(), likeliest_others(explained, self.candidates)
        margins = (clean.gather(1, explained.target[:, None]) - clean.gather(1, others)).double().clamp_min(0)
        steepest = self.largest(explained, others)
        slopes = torch.from_numpy(locations(steepest.double().cpu().flatten(0, 1).numpy()))
        distance = margins / slopes.to(margins).view_as(margins)
        return torch.where(margins <= 0, 0, distance).amin(1).clamp_max(self.radius)

    def largest(self, explained: Explained, others: Tensor) -> Tensor:
        """Return the largest norm of the gradient of each margin in each batch of points (n, k, batches)."""
        image, rng = explained.pixels().clamp(0, 1), draws(self.seed, "clever")
        maxima = []
        for _ in range(self.batches):
            norms = []
            for point in in_ball(self.norm, (self.samples, *image.shape[1:]), rng).to(image):
                _, _, gradients = margins_and_gradients(explained, (image + self.radius * point).clamp(0, 1), others)
                norms.append(gradients.flatten(2).norm(p=DUAL[self.norm], dim=2))
            maxima.append(torch.stack(norms).amax(0))
        return torch.stack(maxima, 2)


def locations(maxima: np.ndarray) -> np.ndarray:
    """Return the end of the reverse Weibull distribution that is likeliest to give each row of maxima (f, b), (f,).

    scipy.stats.weibull_max.fit takes 20 times as long, and finds no end for a quarter of the samples of 8.
    """
    peak, spread = maxima.max(1), np.ptp(maxima, axis=1)
    varied = spread > EQUAL * peak
    spread = np.where(varied, spread, 1)
    gaps = (peak[:, None] - maxima) / spread[:, None]
    low, high = (np.full(len(maxima), math.log(end)) for end in (EQUAL, FARTHEST))
    rows = np.arange(len(maxima))
    for _ in range(ROUNDS):  # ever finer grids of how far the end is above the largest, in spreads
        reach = np.linspace(low, high, GRID, axis=1)
        best = misfit(np.log(gaps[:, None] + np.exp(reach)[..., None])).argmin(1)
        low, high = reach[rows, np.maximum(best - 1, 0)], reach[rows, np.minimum(best + 1, GRID - 1)]
    return np.where(varied, peak + spread * np.exp((low + high) / 2), peak)


def misfit(log: np.ndarray) -> np.ndarray:
    """Return the least negative log likelihood, per value, of Weibull values with these logarithms (..., b)."""
    log = log - (top := log.max(-1, keepdims=True))
    few, many = np.ones(log.shape[:-1]), np.full(log.shape[:-1], STEEPEST)
    for _ in range(HALVINGS):  # of an interval of shapes: the slope of the likelihood falls
        shape = np.sqrt(few * many)
        weight = np.exp(shape[..., None] * log)
        rises = (weight * log).sum(-1) / weight.sum(-1) - 1 / shape < log.mean(-1)
        few, many = np.where(rises, shape, few), np.where(rises, many, shape)
    scale = np.log(np.exp(shape[..., None] * log).mean(-1))
    return scale - np.log(shape) - (shape - 1) * log.mean(-1) + top[..., 0]
