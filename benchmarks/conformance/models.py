"""Models whose answers are known; all read (pixels - MEAN) / STD."""

import torch
from torch import Tensor, nn

MEAN, STD = torch.tensor([0.5, 0.4, 0.3]), torch.tensor([0.2, 0.25, 0.3])


class Network(nn.Module):
    """A random network of four classes; its modules are not registered in the order in which they run."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(3)
            self.head = nn.Linear(6, 4)
            self.norm = nn.BatchNorm2d(5)
            self.second = nn.Conv2d(5, 6, 3, padding=1)
            self.first = nn.Conv2d(3, 5, 3, padding=1)
            self.idle = nn.Linear(2, 2)
            self.norm.running_mean.normal_(0, 0.3)
            self.norm.running_var.uniform_(0.5, 2)
            nn.init.normal_(self.norm.weight, 1, 0.2)
            nn.init.normal_(self.head.weight, 0, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.first(x)).relu()
        return self.head(self.second(x).relu().mean((2, 3)))


class Fraction(nn.Module):
    """P(class 0) is the share of pixels whose red, in pixel space, is above one half."""

    def forward(self, x: Tensor) -> Tensor:
        share = (x[:, 0] * STD[0].to(x) + MEAN[0].to(x) > 0.5).double().mean((1, 2)).clamp(1e-12, 1 - 1e-12)
        return torch.stack([share, 1 - share], 1).log().float()


class Evidence(nn.Module):
    """Class k scores the evidence of channel k above one half of pixel space."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(40.0))

    def forward(self, x: Tensor) -> Tensor:
        return self.gain * (x * STD.to(x)[:, None, None] + MEAN.to(x)[:, None, None] - 0.5).relu().mean((2, 3))
