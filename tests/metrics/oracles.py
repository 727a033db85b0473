"""Small models, methods and batches whose answers are known, for the tests of the metrics."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor, nn

from benchmarks.explained import Explained
from tests.conftest import CONF, options

MEAN, STD = torch.tensor([0.5, 0.4, 0.3]), torch.tensor([0.2, 0.25, 0.3])


def entries(seed: int = 0) -> dict[str, Callable[[Explained], Tensor]]:
    """Every metric that a file of conf/metric defines, by name."""
    files = [OmegaConf.load(CONF / "metric" / f"{name}.yaml") for name in options("metric")]
    nodes = OmegaConf.create({"seed": seed, "batch_size": 8, "metric": OmegaConf.merge(*files)}).metric
    return {name: instantiate(node, _convert_="all") for name, node in nodes.items()}


METRICS = entries()


class Network(nn.Module):
    """A random net whose modules are registered in another order than that in which they run."""

    def __init__(self, classes: int = 4) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(3)
            self.head = nn.Linear(6, classes)
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


class Fraction(nn.Module):
    """P(class 0) is the share of pixels whose red, in pixel space, is above one half."""

    def forward(self, x: Tensor) -> Tensor:
        share = (x[:, 0] * STD[0] + MEAN[0] > 0.5).double().mean((1, 2)).clamp(1e-12, 1 - 1e-12)
        return torch.stack([share, 1 - share], 1).log().float()


class Planted(nn.Module):
    """Class k scores the evidence of channel k above one half of pixel space."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(40.0))

    def forward(self, x: Tensor) -> Tensor:
        return self.gain * (x * STD[:, None, None] + MEAN[:, None, None] - 0.5).relu().mean((2, 3))


class Failing(nn.Module):
    """Raises at its `after`-th call."""

    def __init__(self, model: nn.Module, after: int) -> None:
        super().__init__()
        self.model, self.left = model, [after]

    def forward(self, x: Tensor) -> Tensor:
        self.left[0] -= 1
        if self.left[0] < 0:
            raise RuntimeError("broken")
        return self.model(x)


@dataclass(frozen=True)
class InputXGradient:
    """The product of input and gradient, summed over channels and rescaled."""

    rescale: Callable[[Tensor], Tensor] = lambda maps: maps
    complete: str = "logit"
    baseline: float = 0.0

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        with torch.enable_grad():
            x = x.detach().clone().requires_grad_()
            gradient = torch.autograd.grad(model(x).gather(1, target[:, None]).sum(), x)[0]
        return self.rescale(100 * (x * gradient).sum(1).detach())


def frozen(model: nn.Module) -> nn.Module:
    return model.eval().requires_grad_(False)


def images(n: int, side: int, seed: int = 5) -> Tensor:
    """Random pixels (n, 3, side, side), normalised."""
    pixels = torch.rand(n, 3, side, side, generator=torch.Generator().manual_seed(seed))
    return (pixels - MEAN[:, None, None]) / STD[:, None, None]


def explained(model: nn.Module, x: Tensor, maps=None, method=None, target=None, mask=None) -> Explained:
    """A batch; by default explained by `InputXGradient`, the i-th image for class i, with one square object."""
    method = method or InputXGradient()
    target = torch.arange(len(x)) % model(x).shape[1] if target is None else target
    if mask is None:
        mask = torch.zeros(len(x), *x.shape[2:], dtype=torch.bool)
        mask[:, 3:10, 5:13] = True
    maps = method(model, x, target) if maps is None else maps
    return Explained(model, method, x, target, maps, mask, MEAN, STD, x[:0])


def case(method=None, n: int = 6, side: int = 16, model: nn.Module | None = None) -> Explained:
    return explained(frozen(model or Network()), images(n, side), method=method)


def part(e: Explained, index: list[int]) -> Explained:
    """Some images of a batch, in the order given, with nothing shared."""
    return Explained(
        e.model, e.method, e.x[index], e.target[index], e.maps[index], e.mask[index], e.mean, e.std, e.background
    )


def levels(n: int, side: int, count: int, seed: int = 0) -> Tensor:
    """Signed maps of `count` exact values, hence with many ties."""
    draws = torch.randint(count, (n, side, side), generator=torch.Generator().manual_seed(seed))
    return (draws - count // 3).float() / 7
