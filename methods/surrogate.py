"""Methods that fit a linear model to the network's answers to images with hidden superpixels."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from methods.batching import within_batch
from methods.fields import number, whole
from methods.perturbation import logit, probability
from methods.superpixels import MOST, hide, spread, superpixels

FAINT = 0.01  # with about as many pairs of coalitions as superpixels, what lies below is noise of many times the map


def moments(
    parts: Iterable[Tensor], score: Callable[[Tensor], Tensor], weight: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    """Sum w a a' (n, 1 + k, 1 + k) and w a v (n, 1 + k) over coalitions a = (1, z) with scores v; and return v (n, m).

    `parts` are coalitions z (n, some, k); only their sums are kept.
    """
    gram = moment = torch.zeros(())
    scores = []
    for shown in parts:
        scores.append(score(shown).double().view(shown.shape[:2]))
        rows = torch.cat([torch.ones_like(shown[..., :1]), shown], 2).double()
        weighed = rows * weight(shown)[..., None]
        gram = gram.to(rows) + weighed.mT @ rows
        moment = moment.to(rows) + (weighed.mT @ scores[-1][..., None])[..., 0]
    return gram, moment, torch.cat(scores, 1)


@dataclass(frozen=True)
class Lime:
    """Weights of superpixels in a linear model of the target's probability nearby [Ribeiro et al. 2016].

    Superpixels (about `segments`) are shown with probability 1/2 each, else painted with `value` in model units (0 is
    the mean colour of the network's normalisation); the first of the `masks` is the image itself. The model is a ridge
    regression with an intercept and penalty `ridge`, and a sample weighs exp(-D^2 / width^2), D its cosine distance to
    the image. Departures: SLIC instead of quickshift; the authors' code takes the root of that weight, paints with each
    superpixel's own mean unless told a colour, and may drop superpixels; and a pixel gets its superpixel's weight
    divided by the superpixel's pixels, so that sums over pixels are sums over superpixels.
    """

    masks: int
    segments: int
    width: float
    ridge: float
    value: float
    seed: int
    batch: int

    group: ClassVar[str] = "black box"
    signed: ClassVar[bool] = True
    stochastic: ClassVar[bool] = True
    class_specific: ClassVar[bool] = True
    complete: ClassVar[str] = ""
    cites: ClassVar[str] = "Ribeiro et al. 2016"

    def __post_init__(self) -> None:
        whole(self, masks=1, segments=1, seed=0, batch=1)
        number(self, "width", "> 0", lambda width: width > 0)
        number(self, "ridge", "> 0", lambda ridge: ridge > 0)
        number(self, "value")

    @property
    def passes(self) -> tuple[int, int]:
        """Forward and backward passes of one image."""
        return self.masks, 0

    @within_batch
    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        x, labels = x.detach(), superpixels(x, self.segments)
        count = labels.amax((1, 2))[:, None] + 1
        valid = torch.arange(count.max(), device=x.device) < count
        rng = torch.Generator().manual_seed(self.seed)
        draws = torch.rand(self.masks, MOST * self.segments, generator=rng) < 0.5
        draws[0] = True
        draws = draws[:, : valid.shape[1]].to(x.device)

        def score(shown: Tensor) -> Tensor:
            images = hide(x, labels, shown, self.value)
            return probability(model, images, target.repeat_interleave(shown.shape[1]))

        def weight(shown: Tensor) -> Tensor:
            distance = 1 - (shown.sum(2) / count.double()).sqrt()
            return (-((distance / self.width) ** 2)).exp()

        parts = (part & valid[:, None] for part in draws.split(self.batch // len(x)))
        gram, moment, _ = moments(parts, score, weight)
        gram.diagonal(0, 1, 2)[:, 1:] += self.ridge
        return spread(torch.linalg.solve(gram, moment)[:, 1:].to(x), labels)


@dataclass(frozen=True)
class KernelShap:
    """Shapley values of superpixels, by a regression on sampled coalitions [Lundberg & Lee 2017].

    The worth of a coalition is the target's logit with the other superpixels painted with `baseline` (model units, 0 is
    the mean colour of the network's normalisation). Sizes s of `masks` coalitions follow the Shapley kernel's total
    over all coalitions of a size, 1 / (s (n - s)), stratified; members are drawn uniformly; every other coalition is
    the complement of the one before. So all count alike in the least squares, under the constraint that the values sum
    to logit(image) - logit(baseline). What the samples leave open is equal: directions of the values that they tell
    less than 1 / 100 as well as the best (in eigenvalues of the normal equations), which are none with clearly more
    pairs than superpixels. Unlike the authors' code it enumerates no size and selects no superpixels. A pixel gets its
    superpixel's value divided by the superpixel's pixels, so that the law holds for sums over pixels.
    """

    masks: int
    segments: int
    baseline: float
    seed: int
    batch: int

    group: ClassVar[str] = "black box"
    signed: ClassVar[bool] = True
    stochastic: ClassVar[bool] = True
    class_specific: ClassVar[bool] = True
    complete: ClassVar[str] = "difference"
    cites: ClassVar[str] = "Lundberg & Lee 2017"

    def __post_init__(self) -> None:
        whole(self, masks=1, segments=1, seed=0, batch=1)
        number(self, "baseline")

    @property
    def passes(self) -> tuple[int, int]:
        """Forward and backward passes of one image: the coalitions, and all and nothing."""
        return self.masks + 2, 0

    @within_batch
    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        x, labels = x.detach(), superpixels(x, self.segments)
        count = labels.amax((1, 2))[:, None] + 1
        valid = torch.arange(count.max(), device=x.device) < count
        size, order = self.draws(count)

        def coalitions(row: Tensor) -> Tensor:
            rank = order[row // 2, : valid.shape[1]].where(valid[:, None], 2).argsort(stable=True).argsort()
            chosen = rank < size[:, row // 2, None]
            return (chosen ^ (row % 2 == 1)[:, None]) & valid[:, None]

        def score(shown: Tensor) -> Tensor:
            images = hide(x, labels, shown, self.baseline)
            return logit(model, images, target.repeat_interleave(shown.shape[1]))

        rows = torch.arange(self.masks + 2, device=x.device).split(self.batch // len(x))
        gram, moment, scores = moments(map(coalitions, rows), score, lambda shown: torch.ones_like(shown[..., 0]))
        everything, nothing = scores[:, :2].T[..., None]
        equal = valid * (everything - nothing) / count
        residual = moment[:, 1:] - nothing * gram[:, 0, 1:] - (gram[:, 1:, 1:] @ equal[..., None])[..., 0]
        zero_sum = torch.diag_embed(valid.double()) - valid[:, None] * (valid.double() / count)[..., None]
        inverse = torch.linalg.pinv(zero_sum @ gram[:, 1:, 1:] @ zero_sum, rtol=FAINT, hermitian=True)
        return spread((equal + (inverse @ zero_sum @ residual[..., None])[..., 0]).to(x), labels)

    def draws(self, count: Tensor) -> tuple[Tensor, Tensor]:
        """Return how many superpixels of each image a coalition has (n, pairs), and their order (pairs, most).

        A coalition is the first so many in this order, its pair the others; the first pair is all and nothing.
        """
        rng, pairs = torch.Generator().manual_seed(self.seed), (self.masks + 1) // 2
        place = (torch.arange(pairs) + torch.rand(pairs, generator=rng).double()) / pairs
        order = torch.rand(pairs, MOST * self.segments, generator=rng).to(count.device)
        sizes = torch.arange(1, int(count.max()) + 1, device=count.device).double()
        kernel = (1 / (sizes * (count - sizes))).where(sizes < count, 0).cumsum(1)
        size = torch.searchsorted(kernel / kernel[:, -1:], place.to(count.device).repeat(len(count), 1), right=True)
        return torch.cat([count, (size + 1).clamp(max=count - 1)], 1), torch.cat([order[:1], order])
