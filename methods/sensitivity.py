"""Methods that measure how much the target's probability depends on each cell of random masks."""

import torch
from torch import Tensor, nn
from torch.quasirandom import SobolEngine

from entries import explains, number, whole
from methods.batching import within_batch
from methods.cam import bicubic
from methods.perturbation import probability

AT_ONCE = 2**22  # values of the kernel of scores that are held at once, 32 MiB


@explains("black box", cites="Fel et al. 2021")
class Sobol:
    """Share of the score's variance under random masks that involves a cell [Fel et al. 2021].

    Masks have `grid` x `grid` cells with values in [0, 1] that blend the image with `value` (model units). The rows of
    two matrices A and B come from one scrambled Sobol sequence; C_i is A with column i of B. The total index of cell i
    is Jansen's estimate, the mean of (f(A) - f(C_i))^2 / 2 over the variance of f(A) and f(B) together, and 0 where the
    score does not vary. As in the authors' code it is resized bicubically; the dips below 0 beside peaks are set to 0.
    Departures: the paper takes the variance of f(A) alone, though B costs as many passes. The authors do not scramble,
    and their score is the network's output; here it is the target's probability.

    `masks` limits the passes of a map. A and B have N rows, the largest power of two with N (grid^2 + 2) <= masks,
    since a Sobol sequence is balanced only at powers of two. N is at least 2.
    """

    masks: int
    grid: int
    value: float
    seed: int
    batch: int

    def __post_init__(self) -> None:
        whole(self, masks=1, grid=1, seed=0, batch=1)
        number(self, "value")

    @property
    def designs(self) -> int:
        """Rows of A, of B and of each C_i."""
        return 2 ** max(1, (self.masks // (self.grid**2 + 2)).bit_length() - 1)

    passes = property(lambda self: (self.designs * (self.grid**2 + 2), 0))

    @within_batch
    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        masks = designed(self.designs, self.grid**2, self.seed).unflatten(1, (self.grid, self.grid))
        scores = scores_under(masks, self.value, self.batch, model, x, target)
        total, varies = total_indices(scores, self.designs), scores[: 2 * self.designs].var(0) > 0
        return bicubic(torch.where(varies, total, 0).T.unflatten(1, (self.grid, self.grid)).to(x), x)


def designed(rows: int, columns: int, seed: int) -> Tensor:
    """Return the points (rows (columns + 2), columns) at which a score is read for its total Sobol indices.

    They are two matrices A and B of one scrambled Sobol sequence, and for each column A with this column of B.
    """
    sequence = SobolEngine(2 * columns, scramble=True, seed=seed).draw(rows, dtype=torch.float64)
    a, b = sequence.split(columns, 1)
    swapped = torch.where(torch.eye(columns, dtype=torch.bool)[:, None], b, a)
    return torch.cat([a, b, swapped.flatten(0, 1)])


def total_indices(scores: Tensor, rows: int) -> Tensor:
    """Return Jansen's estimates (columns, ...) of total Sobol indices, by scores (points, ...) at `designed` points."""
    residual = (scores[:rows] - scores[2 * rows :].unflatten(0, (-1, rows))).square().mean(1) / 2
    return residual / scores[: 2 * rows].var(0)


@explains("black box", cites="Novello et al. 2022")
class Hsic:
    """Dependence of the score on whether a cell is seen, the kernel measure HSIC [Novello et al. 2022].

    Masks have `grid` x `grid` cells; the zeros among them replace cells by `value` (model units). They are a Latin
    hypercube rounded to binary, so that each cell is seen in half of the masks. HSIC = tr(K H L H) / (masks - 1)^2 with
    the delta kernel K = [m = m'] - 1/2 of one cell's states and the Gaussian kernel L of the target's probabilities. As
    in the authors' code the deviation of L is the image's median probability. The map is resized as in `Sobol`. K is a
    product s s' / 2 of signs, so L is computed in parts. A single mask gives zeros.
    """

    masks: int
    grid: int
    value: float
    seed: int
    batch: int
    passes = property(lambda self: (self.masks, 0))

    def __post_init__(self) -> None:
        whole(self, masks=1, grid=1, seed=0, batch=1)
        number(self, "value")

    @within_batch
    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        rng, shape = torch.Generator().manual_seed(self.seed), (self.masks, self.grid**2)
        order, place = (torch.rand(shape, generator=rng, dtype=torch.float64) for _ in range(2))
        seen = ((order.argsort(0) + place) / self.masks > 0.5).double()
        masks = seen.unflatten(1, (self.grid, self.grid))
        scores = scores_under(masks, self.value, self.batch, model, x, target).T
        dependence = self.dependence((seen - seen.mean(0)).to(x.device), scores)
        return bicubic(dependence.unflatten(1, (self.grid, self.grid)).to(x), x)

    def dependence(self, seen: Tensor, scores: Tensor) -> Tensor:
        """Return HSIC (n, cells) of centred binary states (masks, cells) and scores (n, masks)."""
        middle = scores.sort(1).values[:, [(self.masks - 1) // 2, self.masks // 2]].mean(1, keepdim=True)
        scores = scores / middle.clamp(min=torch.finfo(scores.dtype).tiny)  # at a median of 0, L is the delta kernel
        total = torch.zeros_like(scores[:, :1])
        for part in torch.arange(self.masks, device=seen.device).split(max(1, AT_ONCE // scores.numel())):
            kernel = torch.exp(-0.5 * (scores[:, part, None] - scores[:, None]) ** 2)
            total = total + (seen[part] * (kernel @ seen)).sum(1)
        return 2 * total / max(1, self.masks - 1) ** 2


def scores_under(masks: Tensor, value: float, batch: int, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
    """Return the target's probability (masks, n), float64, where masks (masks, grid, grid) blend images and `value`.

    A pixel takes the value of the cell in which its centre lies.
    """
    x, masks, scores = x.detach(), masks.to(x), []
    rows, columns = (
        (2 * torch.arange(side, device=x.device) + 1) * cells // (2 * side)
        for side, cells in zip(x.shape[2:], masks.shape[1:], strict=True)
    )
    for part in masks.split(batch // len(x)):
        seen = part[:, None, None, rows[:, None], columns]
        images = (x * seen + value * (1 - seen)).flatten(0, 1)
        scores.append(probability(model, images, target.repeat(len(part))).view(-1, len(x)))
    return torch.cat(scores).double()
