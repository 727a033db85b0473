"""Methods that fit a linear model to the network's outputs for images with hidden superpixels."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from entries import explains, number, positive, whole
from methods.batching import within_batch
from methods.perturbation import logit, probability
from superpixels import superpixels

MOST = 4  # an image has at most this many times `segments` superpixels
# Smallest relative eigenvalue that is inverted. With about as many pairs of coalitions as superpixels, the directions
# below it would add noise many times larger than the map.
FAINT = 0.01


def hide(x: Tensor, labels: Tensor, shown: Tensor, value: float) -> Tensor:
    """Paint the superpixels of x (n, c, h, w) that are not `shown` (n, m, k): images (n m, c, h, w)."""
    pixels = labels.flatten(1)[:, None].expand(-1, shown.shape[1], -1)
    keep = shown.gather(2, pixels).unflatten(2, labels.shape[1:])
    return torch.where(keep[:, :, None], x[:, None], value).flatten(0, 1)


def spread(values: Tensor, labels: Tensor) -> Tensor:
    """Share each superpixel's value (n, k) out evenly among its pixels, (n, h, w)."""
    pixels = labels.flatten(1)
    size = torch.zeros_like(values).scatter_add_(1, pixels, torch.ones_like(pixels).to(values))
    return (values / size.clamp(min=1)).gather(1, pixels).view_as(labels)


def moments(
    parts: Iterable[Tensor], score: Callable[[Tensor], Tensor], weight: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the sums of w a a' (n, 1 + k, 1 + k) and of w a v (n, 1 + k), and v (n, m), of weighted coalitions.

    a = (1, z) is a coalition with an intercept, w its weight and v its score. `parts` has the z (n, some, k).
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


@explains("black box", cites="Ribeiro et al. 2016", signed=True)
class Lime:
    """Weights of superpixels in a local linear model of the target's probability [Ribeiro et al. 2016].

    Each of about `segments` superpixels is shown with probability 1/2, else painted with `value` (model units); the
    first of the `masks` is the image itself. The model is a ridge regression with an intercept and penalty `ridge`. A
    sample has the weight exp(-D^2 / width^2), where D is its cosine distance to the image. A pixel gets its
    superpixel's weight over the number of its pixels, so that sums are those over superpixels.

    Departures: superpixels are SLIC's, not quickshift's. The authors' code takes the root of the weight, paints each
    superpixel with its own mean unless a colour is given, and may drop superpixels.
    """

    masks: int
    segments: int
    width: float
    ridge: float
    value: float
    seed: int
    batch: int
    passes = property(lambda self: (self.masks, 0))

    def __post_init__(self) -> None:
        whole(self, masks=1, segments=1, seed=0, batch=1)
        positive(self, "width", "ridge")
        number(self, "value")

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


@explains("black box", cites="Lundberg & Lee 2017", signed=True, complete="difference")
class KernelShap:
    """Shapley values of superpixels, by a regression on sampled coalitions [Lundberg & Lee 2017].

    The worth of a coalition is the target's logit with the other superpixels painted with `baseline` (model units). The
    sizes s of `masks` coalitions are stratified draws with the Shapley kernel's total over all coalitions of a size,
    1 / (s (n - s)). Members are drawn uniformly, and every other coalition is the complement of the one before. So all
    coalitions have the same weight in the least squares, under the constraint that the values sum to logit(image) -
    logit(baseline). Where there are few more pairs than superpixels, the samples hardly determine some directions of
    the values (eigenvalues of the normal equations below 1 / 100 of the largest); along these the values stay equal. A
    pixel gets its superpixel's value as in `Lime`. The authors enumerate sizes and select superpixels.
    """

    masks: int
    segments: int
    baseline: float
    seed: int
    batch: int
    passes = property(lambda self: (self.masks + 2, 0))

    def __post_init__(self) -> None:
        whole(self, masks=1, segments=1, seed=0, batch=1)
        number(self, "baseline")

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
        """Return the number of superpixels of each image in each coalition (n, pairs), and their order (pairs, most).

        Coalitions come in pairs: the first of a pair shows the first superpixels of its order, the second shows the
        others. In the first pair one coalition shows every superpixel and the other shows none.
        """
        rng, pairs = torch.Generator().manual_seed(self.seed), (self.masks + 1) // 2
        place = (torch.arange(pairs) + torch.rand(pairs, generator=rng).double()) / pairs
        order = torch.rand(pairs, MOST * self.segments, generator=rng).to(count.device)
        sizes = torch.arange(1, int(count.max()) + 1, device=count.device).double()
        kernel = (1 / (sizes * (count - sizes))).where(sizes < count, 0).cumsum(1)
        size = torch.searchsorted(kernel / kernel[:, -1:], place.to(count.device).repeat(len(count), 1), right=True)
        return torch.cat([count, (size + 1).clamp(max=count - 1)], 1), torch.cat([order[:1], order])
