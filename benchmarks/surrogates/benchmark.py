"""Benchmark of surrogates: simple models of several sizes are fitted to a network and imitate it on test images.

The network's own classes and logits are the truth, also where they are wrong. Every score is of a test image and a
size, the part: the leaves or weights that the simple model may have.
"""

from dataclasses import dataclass, replace
from functools import partial
from json import dumps
from math import inf

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from benchmarks import rows
from benchmarks.contracts import untouched
from benchmarks.cost import measured
from benchmarks.datasets import scenes
from benchmarks.datasets.splits import drawn_at_random, refuse_without_train
from benchmarks.loop import Evaluated, Scored, alone, batched
from benchmarks.preparation import Prepared, suited
from benchmarks.surrogates.surrogated import Surrogated
from entries import gallery, layered, needed, rising, whole
from methods.concepts.activations import Layer, chosen_layer
from methods.surrogates.columns import WORDS, Images
from methods.surrogates.surrogate import Surrogate

LEAST = 10  # train images that show a word, and as many that do not, so that it can be read out


@dataclass(frozen=True)
class Surrogates:
    """Score what simple models of `sizes` leaves or weights, fitted on `train_images`, say of the test images.

    `layer` is the name of a module, or "auto": where words are read.
    """

    entry: str
    layer: str
    sizes: list[int]
    train_images: int
    gallery: dict[str, int]

    def __post_init__(self) -> None:
        layered(self)
        whole(self, train_images=2)
        rising(self, "sizes", 1, sort=(int,))
        gallery(self, "sizes")
        self.refuse_few(self.train_images)

    def refuse_few(self, images: int) -> None:
        """Refuse fewer train images than the largest size has leaves or weights."""
        if (largest := self.sizes[-1]) > images:
            raise ValueError(f"benchmark.sizes needs sizes up to the {images} train images; {largest} was given")

    def __call__(self, cell: Prepared) -> Evaluated:
        """Compute one cell; simple models are fitted anew, and so are scores of images that are stored already."""
        return alone(cell, partial(self.scored, replace(cell, stored=frozenset())), self.gallery["sizes"])

    def suits(self, dataset: object, model: object, entry: object) -> None:
        """Refuse what cannot be computed, whatever the weights of the network are."""
        refuse_without_train("surrogates", dataset)
        self.refuse_few(getattr(dataset, "train_images", inf))
        if "words" in entry.needs:
            needed(entry, WORDS, scenes.FACTORS if hasattr(dataset, "factors") else None)

    def scored(self, cell: Prepared) -> Scored:
        """Return all scores of a cell."""
        batches = [*batched(cell, "predicted")]
        facts, x = pd.concat([batch.facts for batch in batches]), torch.cat([batch.explained.x for batch in batches])
        layer = Layer(cell.model, self.layer, cell.cfg.batch_size, cell.store)
        if "layer" in cell.entry.needs:
            layer = replace(layer, name=chosen_layer(cell.model, x[:1], self.layer))
        seen, *known = trained(cell, self.train_images)
        self.refuse_few(len(seen))
        before = cell.store.reused
        with untouched(type(cell.entry).__name__, cell.common), measured(cell.model, cell.device) as cost:
            train = Images(seen, logits(layer, seen), *known)
            own = cell.entry(layer, train, self.sizes)
            said = torch.cat([batch.logits for batch in batches]).cpu()
            test = Images(x, said, torch.tensor(facts.label.to_numpy()), train.words, shown(cell, train, facts))
            columns = own.columns.read(test)
            told = own.told(columns)
        cost.forwards += cell.store.reused - before  # made for another entry of the sweep
        again = partial(own.refitted, columns)
        sizes = tuple(self.sizes)
        surrogated = Surrogated(cell.model, x, sizes, said, *told, len(train.x), again, cell.store)
        tables, n = [], len(x) * len(sizes)
        for name, metric in cell.metrics.items():
            table = rows.answered(name, metric, partial(metric, surrogated), n, surrogated)
            part = np.tile([str(size) for size in sizes], len(x))
            table = table.assign(image=np.repeat(facts.index, len(sizes)), part=part)
            tables.append(table.join(facts, on="image").assign(**rows.per_image(cost, len(x), "explain_")))
        return Scored(tables, [], partial(pictures, cell, own, columns, surrogated))


def trained(cell: Prepared, images: int) -> tuple[Tensor, Tensor, tuple[str, ...], Tensor | None]:
    """Return train images (n, 3, h, w), at most so many, with labels, and drawn ones with words and which hold (n, w).

    Of words that say the same or the opposite of an earlier one, and of those that are too rare, none is kept.
    """
    dataset = suited(cell.dataset, cell.network)
    words, known = (), None
    if hasattr(dataset, "factors"):
        table = dataset.factors(0, min(images, dataset.train_images))
        pixels, labels, _ = dataset.drawn(0, len(table), cell.size)
        pixels, labels = torch.from_numpy(pixels), torch.from_numpy(labels)
        true = {word: scenes.shows(table, word) for column in scenes.FACTORS.values() for word in column}
        kept: dict[str, np.ndarray] = {}
        for word, own in true.items():
            enough = LEAST <= own.sum() <= len(own) - LEAST
            if enough and all(0 < (own == other).sum() < len(own) for other in kept.values()):
                kept[word] = own
        words, known = (*kept,), torch.from_numpy(np.array([*kept.values()], bool).reshape(-1, len(table)).T)
    else:
        pixels, labels = drawn_at_random(dataset, cell.size, images)
    x = cell.common.normalised(pixels.to(cell.device).float() / 255)
    return x, labels.long(), words, known


def logits(layer: Layer, x: Tensor) -> Tensor:
    """Return the network's logits (n, k), passed once for all entries of a sweep."""

    def compute() -> Tensor:
        return torch.cat([layer.model(part) for part in x.split(layer.batch)])

    return layer.keep((x,), "clean logits", compute).cpu()


def shown(cell: Prepared, train: Images, facts: pd.DataFrame) -> Tensor | None:
    """Return which of the train images' words (n, w) are true of test images."""
    if not train.words:
        return None
    table = cell.dataset.factors(1, len(facts)).loc[facts.index]
    return torch.from_numpy(np.stack([scenes.shows(table, word) for word in train.words], 1))


def pictures(
    cell: Prepared, own: Surrogate, columns: np.ndarray, surrogated: Surrogated, sizes: int
) -> dict[str, np.ndarray]:
    """Return for the first sizes the rules of the simple model as JSON, with where they hold on test images."""
    wanted = surrogated.wanted
    classes = [rows.named(cell.dataset.classes, k) for k in range(surrogated.logits.shape[1])]
    found = []
    for model, predicted in zip(own.models[:sizes], surrogated.predicted, strict=False):
        about = {"size": model.size, "fidelity": float((predicted == wanted).double().mean()), "images": len(wanted)}
        about["binary"] = bool(np.isin(own.columns.train, (0, 1)).all())
        found.append(dumps(about | {"rules": model.rules(own.columns.names, columns, wanted.numpy())}))
    return {
        "image": np.array([str(size) for size in surrogated.sizes[:sizes]]),
        "rules": np.array(found),
        "classes": np.array([classes] * len(found)),
    }
