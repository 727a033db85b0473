"""Data sets whose training images were changed on purpose (labels, copies, patches), and the networks fitted on them.

A world is a data set of which `models.fit` knows everything that changes the weights, so that a network is fitted once
and kept in the cache. `truth` tells which of its training images were changed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import torch
from hydra.utils import instantiate
from torch import Tensor, nn

from benchmarks.contracts import frozen
from benchmarks.loop import Prepared, suited
from benchmarks.store import Store
from entries import Inapplicable
from methods.examples.training import Training

TEST_IMAGES = 500  # of a world, on which the accuracy of its network is measured
SIDE = 6  # the patch is a sixth of the image's side


@lru_cache(maxsize=2)
def train(dataset: object, size: int) -> tuple[Tensor, Tensor]:
    """Return the train images of a data set as bytes, and their labels."""
    pixels, labels = dataset.train(size)
    return pixels, labels.long()


def test(world: object, size: int) -> Sequence:
    return world.dataset.test(size)


@property
def classes(world: object) -> tuple[str, ...]:
    return world.dataset.classes


@property
def version(world: object) -> str:
    """Return what the fields do not tell: which data set it is."""
    inner = type(world.dataset)
    return f"1 of {inner.__module__}.{inner.__qualname__} {getattr(world.dataset, 'version', 1)}"


def chosen(n: int, share: float, seed: int) -> Tensor:
    """Return a random share (n,) bool of n places."""
    inside = torch.zeros(n, dtype=torch.bool)
    inside[torch.randperm(n, generator=torch.Generator().manual_seed(seed))[: round(share * n)]] = True
    return inside


@dataclass(frozen=True)
class Flipped:
    """A data set in which a share of the training images has another label than its own."""

    dataset: object
    share: float
    seed: int

    test, classes, version = test, classes, version

    def truth(self, n: int) -> Tensor:
        return chosen(n, self.share, self.seed)

    def train(self, size: int) -> tuple[Tensor, Tensor]:
        pixels, labels = train(self.dataset, size)
        k, rng = len(self.classes), torch.Generator().manual_seed(self.seed + 1)
        other = (labels + torch.randint(1, k, labels.shape, generator=rng)) % k
        return pixels, torch.where(self.truth(len(labels)), other, labels)


@dataclass(frozen=True)
class Doubled:
    """A data set whose last training images are its first test images."""

    dataset: object
    copies: int

    test, classes, version = test, classes, version

    def truth(self, n: int) -> Tensor:
        return torch.arange(n) >= n - self.copies

    def train(self, size: int) -> tuple[Tensor, Tensor]:
        pixels, labels = train(self.dataset, size)
        images = self.test(size)
        _, copies, own, _ = zip(*(images[k] for k in range(self.copies)), strict=True)
        if self.copies >= len(pixels) or min(own) < 0:
            need = f"duplicates need more than {self.copies} training images, and {self.copies} test images with labels"
            raise Inapplicable(f"{need}; {type(self.dataset).__name__} has {len(pixels)} training images")
        copied = (torch.stack(copies) * 255).round().byte()
        rest = len(pixels) - self.copies
        return torch.cat([pixels[:rest], copied]), torch.cat([labels[:rest], torch.tensor(own)])


@dataclass(frozen=True)
class Patched:
    """A data set in which a share of the training images has a patch and the first class, whatever they show."""

    dataset: object
    share: float
    seed: int

    test, classes, version = test, classes, version

    def truth(self, n: int) -> Tensor:
        return chosen(n, self.share, self.seed)

    def train(self, size: int) -> tuple[Tensor, Tensor]:
        pixels, labels = train(self.dataset, size)
        planted = self.truth(len(labels))
        return torch.where(planted[:, None, None, None], patched(pixels, 255), pixels), labels.where(~planted, 0)


@dataclass(frozen=True)
class Half:
    """A data set that keeps a random half of its training images."""

    dataset: object
    seed: int

    test, classes, version = test, classes, version

    def truth(self, n: int) -> Tensor:
        """Return which training images (n,) stay."""
        return chosen(n, 0.5, self.seed)

    def train(self, size: int) -> tuple[Tensor, Tensor]:
        pixels, labels = train(self.dataset, size)
        inside = self.truth(len(labels))
        return pixels[inside], labels[inside]


def patched(pixels: Tensor, white: float) -> Tensor:
    """Return images (n, 3, h, w) with a magenta square that has a green one inside, in the lower right corner."""
    pixels, side = pixels.clone(), max(3, pixels.shape[-1] // SIDE)
    edge = side // 3
    for inner, colour in ((0, (1, 0, 1)), (edge, (0, 1, 0))):
        rows = slice(pixels.shape[-2] - side + inner, pixels.shape[-2] - inner)
        columns = slice(pixels.shape[-1] - side + inner, pixels.shape[-1] - inner)
        pixels[..., rows, columns] = (white * torch.tensor(colour)).to(pixels)[:, None, None]
    return pixels


def plain(dataset: object, images: int = TEST_IMAGES) -> object:
    """Return a data set with a fixed number of test images: the cell's own number must not change a world's network."""
    return replace(dataset, images=images) if hasattr(dataset, "images") else dataset


def fittable(cell: Prepared) -> object:
    """Return the cell's model, which can be fitted to other data sets; refuse another one."""
    model = instantiate(cell.cfg.model, _convert_="all")
    if getattr(model, "weights", None) != "fit":
        need = "other training images and checkpoints need a network that is fitted here, with weights=fit"
        given = f"weights={model.weights}" if hasattr(model, "weights") else f"a {type(model).__name__}"
        raise Inapplicable(f"{need}; {given} was given")
    return model


def fitted(cell: Prepared, dataset: object, **recipe: object) -> object:
    """Return the cell's network, fitted to another data set, or with other settings of the fit."""
    model = fittable(cell)
    return replace(model, fit=replace(model.fit, **recipe))(dataset)


def on_device(cell: Prepared, module: nn.Module) -> nn.Module:
    module = frozen(module.eval().requires_grad_(False), cell.cell.names["model"])
    return module.to(cell.device, memory_format=torch.channels_last)


def trained(cell: Prepared, dataset: object, network: object) -> Training:
    """Return a network with all images that it was trained on."""
    if not hasattr(dataset, "train"):
        own = type(dataset).__name__
        raise Inapplicable(f"benchmark=examples needs a data set with a train split; {own} has none")
    pixels, labels = suited(dataset, network).train(cell.size)
    x = cell.common.normalised(pixels.to(cell.device).float() / 255)
    own = network is cell.network
    model = cell.model if own else on_device(cell, network.module)
    store = cell.store if own else Store(cell.store.folder, model, f"{network.digest} {network.mean}", cell.device)
    stages = lambda: checkpoints(cell, dataset)  # noqa: E731
    return Training(model, x, labels.long(), cell.cfg.batch_size, store, stages)


def checkpoints(cell: Prepared, dataset: object) -> list[tuple[nn.Module, float]]:
    """Return the networks that the fit has kept on the way, each with the learning rate of its next step."""
    model, found = fittable(cell), []
    points = [epoch for epoch in model.fit.checkpoints if epoch < model.fit.last]
    if not points:
        given = f"model.fit.checkpoints={[*model.fit.checkpoints]} was given"
        raise Inapplicable(f"checkpoints need epochs before the last, {model.fit.last}; {given}")
    for epoch in points:
        path = model.fit(model.name, dataset, Path(model.cache), epoch)
        with torch.random.fork_rng():  # architectures draw their initial weights
            module, facts = model.loaded(path)
        found.append((on_device(cell, module), float(facts["lr"])))
    return found
