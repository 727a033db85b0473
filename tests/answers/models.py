"""Models whose answers are known; all read (pixels - MEAN) / STD."""

import torch
from torch import Tensor, nn

from benchmarks.conformance.models import MEAN, STD


class Constant(nn.Module):
    """The same logits for every image."""

    def __init__(self) -> None:
        super().__init__()
        self.logit = nn.Parameter(torch.tensor([0.3, -1.0, 2.0]))

    def forward(self, x: Tensor) -> Tensor:
        return 0 * x.sum((1, 2, 3))[:, None] + self.logit


class Linear(nn.Module):
    """Logits linear in the input, without a bias."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 3, side, side, generator=torch.Generator().manual_seed(1)))

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("nchw,kchw->nk", x, self.weight)


class AllOf(nn.Module):
    """AND: class 0 scores `gain` where all of the named pixels are above one half in every channel, else 0."""

    def __init__(self, pixels: tuple[tuple[int, int], ...], gain: float = 4.0, needed: int | None = None) -> None:
        super().__init__()
        self.pixels, self.needed = pixels, len(pixels) if needed is None else needed
        self.gain = nn.Parameter(torch.tensor(gain))

    def forward(self, x: Tensor) -> Tensor:
        pixels = x * STD.to(x)[:, None, None] + MEAN.to(x)[:, None, None]
        there = torch.stack([(pixels[:, :, r, c] > 0.5).all(1) for r, c in self.pixels], 1).sum(1)
        on = self.gain * (there >= self.needed)
        return torch.stack([on, torch.zeros_like(on)], 1)


class AnyOf(AllOf):
    """OR: class 0 scores `gain` where at least one of the named pixels is above one half, else 0."""

    def __init__(self, pixels: tuple[tuple[int, int], ...], gain: float = 4.0) -> None:
        super().__init__(pixels, gain, needed=1)


class Region(nn.Module):
    """Class 0 scores `gain` times the mean pixel value in one box, class 1 nothing: it reads nothing else."""

    def __init__(self, top: int, left: int, height: int, width: int, gain: float = 8.0) -> None:
        super().__init__()
        self.box = slice(top, top + height), slice(left, left + width)
        self.gain = nn.Parameter(torch.tensor(gain))

    def forward(self, x: Tensor) -> Tensor:
        pixels = x * STD.to(x)[:, None, None] + MEAN.to(x)[:, None, None]
        score = self.gain * pixels[(..., *self.box)].mean((1, 2, 3))
        return torch.stack([score, torch.zeros_like(score)], 1)


class HandSet(nn.Module):
    """A CNN set by hand: a 2 x 2 mean, ReLU at one half, the mean over the image; class k reads channel k of three."""

    def __init__(self, gain: float = 20.0) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 3, 2, bias=True)
        self.head = nn.Linear(3, 3, bias=False)
        with torch.no_grad():
            self.first.weight.zero_()
            for k in range(3):
                self.first.weight[k, k] = STD[k] / 4
            self.first.bias.copy_(MEAN - 0.5)
            self.head.weight.copy_(gain * torch.eye(3))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.first(x).relu().mean((2, 3)))
