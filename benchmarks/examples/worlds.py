"""Data sets whose training images were changed on purpose, and the networks that are fitted on them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import torch
from hydra.utils import instantiate
from torch import Tensor, nn

from benchmarks.beside import placed
from benchmarks.preparation import Prepared, computing, suited
from benchmarks.store import Store
from entries import Inapplicable
from methods.examples.training import Training

TEST_IMAGES = 100  # of a world, on which the accuracy of its network is measured; nothing depends on it
SIDE = 6  # the patch is a sixth of the image's side


@lru_cache(maxsize=2)
def train(dataset: object, size: int) -> tuple[Tensor, Tensor]:
    """Return the train images of a data set as bytes, and their labels."""
    pixels, labels = dataset.train(size)
    return pixels, labels.long()


@dataclass(frozen=True)
class World:
    """A data set whose training images are changed on purpose, in one of four ways; `truth` tells which images.

    `flipped` gives a share of them another label. `doubled` puts the first test images, `amount` of them, in the place
    of the last training images. `patched` gives a share a patch and the first class, whatever they show. `half` keeps a
    share and drops the others. `models.fit` knows all fields, so that a network is fitted once and kept in the cache.
    """

    dataset: object
    change: str
    amount: float
    seed: int = 0

    @property
    def classes(self) -> tuple[str, ...]:
        return self.dataset.classes

    @property
    def version(self) -> str:
        """Return what the fields do not tell: which data set it is."""
        inner = type(self.dataset)
        return f"1 of {inner.__module__}.{inner.__qualname__} {getattr(self.dataset, 'version', 1)}"

    def test(self, size: int) -> Sequence:
        return self.dataset.test(size)

    def truth(self, n: int) -> Tensor:
        """Return which of n training images (n,) are changed, or of `half` which are kept."""
        if self.change == "doubled":
            return torch.arange(n) >= n - self.amount
        inside, rng = torch.zeros(n, dtype=torch.bool), torch.Generator().manual_seed(self.seed)
        inside[torch.randperm(n, generator=rng)[: round(self.amount * n)]] = True
        return inside

    def train(self, size: int) -> tuple[Tensor, Tensor]:
        pixels, labels = train(self.dataset, size)
        some = self.truth(len(labels))
        if self.change == "flipped":
            rng = torch.Generator().manual_seed(self.seed + 1)
            other = (labels + torch.randint(1, len(self.classes), labels.shape, generator=rng)) % len(self.classes)
            return pixels, torch.where(some, other, labels)
        if self.change == "patched":
            return torch.where(some[:, None, None, None], patched(pixels, 255), pixels), labels.where(~some, 0)
        if self.change == "half":
            return pixels[some], labels[some]
        images = self.test(size)
        _, copies, own, _ = zip(*(images[k] for k in range(self.amount)), strict=True)
        if some.all() or min(own) < 0:
            need = f"duplicates need more than {self.amount} training images, and {self.amount} test images with labels"
            raise Inapplicable(f"{need}; {type(self.dataset).__name__} has {len(pixels)} training images")
        copied = (255 * torch.stack(copies)).round().byte()
        return torch.cat([pixels[~some], copied]), torch.cat([labels[~some], torch.tensor(own)])


def patched(pixels: Tensor, white: float) -> Tensor:
    """Return images (n, 3, h, w) with a magenta square that has a green one inside, in the lower right corner."""
    pixels, side = pixels.clone(), max(3, pixels.shape[-1] // SIDE)
    edge = side // 3
    for inner, colour in ((0, (1, 0, 1)), (edge, (0, 1, 0))):
        rows = slice(pixels.shape[-2] - side + inner, pixels.shape[-2] - inner)
        columns = slice(pixels.shape[-1] - side + inner, pixels.shape[-1] - inner)
        pixels[..., rows, columns] = (white * torch.tensor(colour)).to(pixels)[:, None, None]
    return pixels


def plain(dataset: object, least: int = 0) -> object:
    """Return a data set with a fixed number of test images: the cell's own number must not change a world's network."""
    return replace(dataset, images=max(least, TEST_IMAGES)) if hasattr(dataset, "images") else dataset


def fittable(model: object) -> object:
    """Return a model that can be fitted to other data sets; refuse another one."""
    if getattr(model, "weights", None) != "fit":
        need = "other training images and checkpoints need a network that is fitted here, with weights=fit"
        given = f"weights={model.weights}" if hasattr(model, "weights") else f"a {type(model).__name__}"
        raise Inapplicable(f"{need}; {given} was given")
    return model


def refittable(cell: Prepared) -> object:
    """Return the cell's model, which can be fitted to other data sets."""
    return fittable(instantiate(cell.cfg.model, _convert_="all"))


def fitted(cell: Prepared, dataset: object, **recipe: object) -> object:
    """Return the cell's network, fitted to another data set, or with other settings of the fit."""
    model = refittable(cell)
    return replace(model, fit=replace(model.fit, **recipe))(dataset)


def trained(cell: Prepared, dataset: object, network: object) -> Training:
    """Return a network with all images that it was trained on, and its checkpoints if the entry needs them."""
    pixels, labels = suited(dataset, network).train(cell.size)
    x = cell.common.normalised(pixels.to(cell.device).float() / 255)
    own = network is cell.network
    model = cell.model if own else placed(cell, network.module)
    store = cell.store if own else Store(cell.store.folder, model, computing(network, cell.cell.precision), cell.device)
    stages = checkpoints(cell, dataset) if "checkpoints" in cell.entry.needs else ()
    return Training(model, x, labels.long(), cell.cfg.batch_size, store, stages)


def epochs(model: object) -> list[float]:
    """Return the epochs before the last of which a fit keeps the network; refuse a model of which there are none."""
    fit = fittable(model).fit
    points = [epoch for epoch in fit.checkpoints if epoch < fit.last]
    if not points:
        need = f"model.fit.checkpoints needs epochs at which the network is kept, before the last, {fit.last}"
        raise Inapplicable(f"{need}; {[*fit.checkpoints]} was given")
    return points


def checkpoints(cell: Prepared, dataset: object) -> list[tuple[nn.Module, float]]:
    """Return the networks that the fit has kept on the way, each with the learning rate of its next step."""
    model, found = refittable(cell), []
    for epoch in epochs(model):
        path = model.fit(model.name, dataset, Path(model.cache), epoch)
        with torch.random.fork_rng():  # architectures draw their initial weights
            module, facts = model.loaded(path)
        found.append((placed(cell, module), float(facts["lr"])))
    return found
