"""Methods that hide parts of the image and measure the target's probability."""

from math import ceil

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from entries import explains, number, whole
from methods.batching import within_batch


@torch.no_grad()
def probability(model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
    """Return the softmax probability (n,) of the target."""
    return model(x).softmax(1).gather(1, target[:, None])[:, 0]


@torch.no_grad()
def logit(model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
    """Return the target's logit (n,)."""
    return model(x).gather(1, target[:, None])[:, 0]


def log_odds(logits: Tensor, target: Tensor) -> Tensor:
    """Return the target's logit less the log-sum-exp of the others (n,)."""
    others = logits.scatter(1, target[:, None], -torch.inf).logsumexp(1)
    return logits.gather(1, target[:, None])[:, 0] - others


@explains("black box", cites="Zeiler & Fergus 2014", signed=True, passes="one forward per square, and one")
class Occlusion:
    """Drop of the target's probability while a square is hidden, mean over squares [Zeiler & Fergus 2014].

    `window` and `stride` are fractions of each side, rounded to whole pixels (half to even), at least one. The last
    square is moved back so that it ends at the border. Squares are painted with `value` (model units). A pixel gets the
    mean drop over the squares that hide it.
    """

    window: float
    stride: float
    value: float
    batch: int

    def __post_init__(self) -> None:
        number(self, "window", "> 0 and <= 1", lambda window: 0 < window <= 1)
        number(self, "stride", f"> 0 and <= window={self.window}", lambda stride: 0 < stride <= self.window)
        number(self, "value")
        whole(self, batch=1)

    @within_batch
    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        x = x.detach()
        rows, columns = self.windows(x.shape[2], x), self.windows(x.shape[3], x)
        grid, scores = (len(rows), len(columns)), []
        for part in torch.arange(grid[0] * grid[1], device=x.device).split(self.batch // len(x)):
            hidden = (rows[part // grid[1], :, None] * columns[part % grid[1], None]).bool()
            images = torch.where(hidden[:, None, None], self.value, x).flatten(0, 1)
            scores.append(probability(model, images, target.repeat(len(part))).view(-1, len(x)))
        drop = (probability(model, x.clone(), target) - torch.cat(scores)).T.unflatten(1, grid)
        return rows.T @ drop @ columns / torch.outer(rows.sum(0), columns.sum(0))

    def windows(self, side: int, x: Tensor) -> Tensor:
        """Return which pixels of a side each window covers, (windows, side), 1 or 0."""
        size, step = (max(1, round(fraction * side)) for fraction in (self.window, self.stride))
        start = torch.arange(0, side - size + step, step, device=x.device).clamp(max=side - size)[:, None]
        pixel = torch.arange(side, device=x.device)
        return ((pixel >= start) & (pixel < start + size)).to(x)


@explains("black box", cites="Petsiuk et al. 2018")
class Rise:
    """Mean of random masks, weighed by the target's probability under them [Petsiuk et al. 2018].

    A mask is a `grid` x `grid` of ones (with probability `p`) and zeros, upsampled bilinearly to one cell more than the
    image and cropped at a random place. The map is the sum of probability times mask over (masks p). Cells have
    ceil(side / grid) pixels, as in the authors' code. Beyond the centres of the outermost cells values continue; the
    authors mirror them. Hidden pixels become 0 in model units, the mean colour. All images share the masks.
    """

    masks: int
    grid: int
    p: float
    seed: int
    batch: int
    passes = property(lambda self: (self.masks, 0))

    def __post_init__(self) -> None:
        whole(self, masks=1, grid=1, seed=0, batch=1)
        number(self, "p", "> 0 and < 1", lambda p: 0 < p < 1)

    @within_batch
    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        x, total = x.detach(), torch.zeros_like(x[:, 0])
        rng = torch.Generator().manual_seed(self.seed)
        cells = (torch.rand(self.masks, self.grid, self.grid, generator=rng) < self.p).to(x)
        indents = torch.rand(2, self.masks, generator=rng).to(x.device)
        for part in torch.arange(self.masks, device=x.device).split(self.batch // len(x)):
            rows, columns = (self.weights(side, u[part], x) for side, u in zip(x.shape[2:], indents, strict=True))
            masks = rows @ cells[part] @ columns.mT
            images = (masks[:, None, None] * x).flatten(0, 1)
            score = probability(model, images, target.repeat(len(part))).view(-1, len(x))
            total += (score.T @ masks.flatten(1)).view_as(total)
        return total / (self.masks * self.p)

    def weights(self, side: int, indent: Tensor, x: Tensor) -> Tensor:
        """Return the weight of each cell in each pixel of a side, (masks, side, grid); `indent` (masks,) in [0, 1)."""
        cell = ceil(side / self.grid)
        cells = torch.eye(self.grid, dtype=x.dtype)[None]
        ramp = interpolate(cells, (self.grid + 1) * cell, mode="linear")[0].T.to(x.device)
        start = (indent * cell).long()
        return ramp[start[:, None] + torch.arange(side, device=x.device)]
