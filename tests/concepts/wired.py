"""A hand-wired and a random network, and cells that ask them about concepts."""

from dataclasses import dataclass

import torch
from torch import nn

from models.zoo import Network as Zoo
from tests.conftest import evaluated


def small(seed: int = 0) -> nn.Module:
    """A random network; its layer 2 has maps, and what follows works in place."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        head = nn.Sequential(nn.Linear(6, 6), nn.ReLU(inplace=True), nn.Linear(6, 4))
        model = nn.Sequential(nn.Conv2d(3, 5, 5, 2), nn.ReLU(), nn.Conv2d(5, 6, 3), nn.ReLU(inplace=True), pool, head)
    return model.eval().requires_grad_(False)


class Colours(nn.Module):
    """A hand-wired network: its layer tells how red and how blue each position is, and class 0 is red."""

    def __init__(self) -> None:
        super().__init__()
        self.mixed = nn.Conv2d(3, 2, 1)
        self.layer = nn.ReLU()
        self.mixed.weight.data = torch.tensor([[1.0, -0.5, -0.5], [-0.5, -0.5, 1.0]])[..., None, None]
        self.mixed.bias.data = torch.full((2,), -0.1)

    def forward(self, x):
        red, blue = self.layer(self.mixed(x)).mean((2, 3)).T
        return torch.stack([red, 0.02 + 0 * blue], 1)


@dataclass(frozen=True)
class Model:
    """A network without weights of its own for a data set."""

    wired: bool

    def __call__(self, dataset):
        module = Colours().eval().requires_grad_(False) if self.wired else small(7)
        mean, std = ((0.0,) * 3, (1.0,) * 3) if self.wired else ((0.4,) * 3, (0.2,) * 3)
        return Zoo(module, mean, std, 32, f"wired {self.wired}")


MODEL = f"{__name__}.Model"
CELL = ["device=cpu", "benchmark=concepts", "dataset=rules", "model=planted", "dataset.images=60"]
FEW = ["benchmark.images=2", "benchmark.class_images=10", "concept.permutations=2000"]


def scored(wired: bool, *settings: str):
    """Compute a cell of the hand-wired or of the random network."""
    model = {"_target_": MODEL, "wired": wired}
    return evaluated(*CELL, *FEW, "benchmark.layer=" + ("layer" if wired else "'2'"), *settings, model=model)
