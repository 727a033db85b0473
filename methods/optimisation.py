"""Methods that optimise a perturbation of the image against its class and read it as the map."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from entries import explains, number, positive, whole
from methods.batching import in_equal_passes
from methods.perturbation import log_odds


def gaussian(points: int, side: int, sigma: float, x: Tensor) -> Tensor:
    """Return the weight of each of `points` evenly spaced cells in each pixel of a side, (side, points).

    The weights of a pixel sum to 1, and `sigma` is a fraction of the side. Fewer points than pixels interpolate.
    Weights below the smallest normal number are 0: they are lost in a sum, but make a product take 25 times as long.
    """
    pixel, centre = ((torch.arange(many, dtype=torch.float64) + 0.5) / many for many in (side, points))
    weights = (-(((pixel[:, None] - centre) / sigma) ** 2) / 2).softmax(1)
    return torch.where(weights < torch.finfo(x.dtype).tiny, 0, weights).to(x)


def blurred(x: Tensor, sigma: float) -> Tensor:
    """Return the images under a Gaussian blur that is renormalised at the border."""
    rows, columns = (gaussian(side, side, sigma, x) for side in x.shape[2:])
    return rows @ x @ columns.T


@explains("adversarial", cites="Fong & Vedaldi 2017")
class MaskOptimisation:
    """Smallest smooth mask that hides the class behind a blur [Fong & Vedaldi 2017, eq. 4].

    Adam with learning rate `rate` minimises l1 sum|1 - m| + tv sum |grad m|^beta + p(target) over masks m of `cells` x
    `cells` values in [0, 1]. The map is the hidden part, 1 - m. Cells are interpolated by a Gaussian of standard
    deviation `smooth`, and the image is hidden by a Gaussian blur of standard deviation `blur`; both are fractions of
    the side. In each iteration the image, its border repeated, moves under the mask by at most `jitter` (fraction of
    the side) each way; all images share the moves.

    Departures from the authors' code: |grad m|^beta is summed over both axes, as in the paper's norm, where the code
    takes the Euclidean length. All cells begin at `start`, where the code searches for the smallest central disc that
    hides the class, which costs passes and favours the middle; from 1, a saturated softmax gives no gradient. Adam's
    `epsilon` is larger than the code's 1e-8, with which a gradient of mere rounding moves a cell by `rate`.
    """

    iterations: int
    cells: int
    start: float
    l1: float
    tv: float
    beta: float
    rate: float
    epsilon: float
    smooth: float
    blur: float
    jitter: float
    seed: int
    batch: int
    passes = property(lambda self: (self.iterations, self.iterations))

    def __post_init__(self) -> None:
        whole(self, iterations=1, cells=2, seed=0, batch=1)
        positive(self, "rate", "epsilon", "smooth", "blur")
        for name in ("l1", "tv"):
            number(self, name, ">= 0", lambda value: value >= 0)
        number(self, "beta", ">= 1", lambda value: value >= 1)
        number(self, "start", "in [0, 1]", lambda value: 0 <= value <= 1)
        number(self, "jitter", "in [0, 0.5)", lambda value: 0 <= value < 0.5)

    @in_equal_passes
    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        x = x.detach()
        rows, columns = (gaussian(self.cells, side, self.smooth, x) for side in x.shape[2:])
        mask = x.new_full((len(x), self.cells, self.cells), self.start)
        first, second = torch.zeros_like(mask), torch.zeros_like(mask)  # Adam's moments
        for step, (image, hidden) in enumerate(self.moved(x, blurred(x, self.blur)), 1):
            with torch.enable_grad():
                leaf = mask.requires_grad_()
                seen = hidden + (rows @ leaf @ columns.T)[:, None] * (image - hidden)
                loss = model(seen).softmax(1).gather(1, target[:, None]).sum() + self.penalty(leaf).sum()
                gradient = torch.autograd.grad(loss, leaf)[0]
            first, second = first.lerp(gradient, 0.1), second.lerp(gradient**2, 0.001)
            size = (second / (1 - 0.999**step)).sqrt() + self.epsilon
            mask = (mask.detach() - self.rate * first / (1 - 0.9**step) / size).clamp(0, 1)
        return rows @ (1 - mask) @ columns.T

    def penalty(self, mask: Tensor) -> Tensor:
        """Return the penalty of each mask, (n,)."""
        edges = (mask.diff(dim=axis).abs().pow(self.beta).sum((1, 2)) for axis in (1, 2))
        return self.l1 * (1 - mask).abs().sum((1, 2)) + self.tv * sum(edges)

    def moved(self, *images: Tensor) -> Iterator[list[Tensor]]:
        """Yield the images, moved as in each iteration."""
        h, w = images[0].shape[2:]
        up, left = round(self.jitter * h), round(self.jitter * w)
        wide = [pad(image, (left, left, up, up), "replicate") for image in images]
        draws = torch.rand(self.iterations, 2, generator=torch.Generator().manual_seed(self.seed))
        for i, j in (draws * torch.tensor([2 * up + 1, 2 * left + 1])).long().tolist():
            yield [image[:, :, i : i + h, j : j + w] for image in wide]


@explains("adversarial", cites="Madry et al. 2018")
class AdversarialDifference:
    """Change of each pixel in an adversarial image, summed over channels [Madry et al. 2018].

    Projected gradient descent minimises the target's log-odds (its logit less the log-sum-exp of the others). Their
    gradient has the direction of the cross-entropy's and does not vanish where the network is certain. The adversarial
    image stays in a ball around the image: their root mean square difference is at most `radius`, in model units,
    which has the same meaning for every image size. The ball is Euclidean, since in a box all pixels would move equally
    far. Each step along the normalised gradient is `step` / `iterations` radii long. There is no random start, no early
    stop and no clipping to valid colours. An image without a gradient gets 0.
    """

    iterations: int
    radius: float
    step: float
    batch: int
    passes = property(lambda self: (self.iterations, self.iterations))

    def __post_init__(self) -> None:
        whole(self, iterations=1, batch=1)
        positive(self, "radius", "step")

    @in_equal_passes
    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        x, difference, radius = x.detach(), torch.zeros_like(x), self.radius * x[0].numel() ** 0.5
        for _ in range(self.iterations):
            with torch.enable_grad():
                leaf = difference.requires_grad_()
                gradient = torch.autograd.grad(log_odds(model(x + leaf), target).sum(), leaf)[0]
            moved = difference.detach() - radius * self.step / self.iterations * gradient / length(gradient)
            difference = moved * (radius / length(moved)).clamp(max=1)
        return difference.abs().sum(1)


def length(x: Tensor) -> Tensor:
    """Return the Euclidean length of each image, (n, 1, 1, 1), at least the smallest positive float."""
    return x.flatten(1).norm(dim=1).clamp(min=torch.finfo(x.dtype).tiny)[:, None, None, None]
