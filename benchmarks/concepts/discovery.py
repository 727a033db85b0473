"""Score what an entry discovers: concepts that are found in train images, on test images."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from benchmarks import rows
from benchmarks.concepts.benchmark import Concepts
from benchmarks.concepts.discovered import Discovered, Planted, Read
from benchmarks.concepts.given import occurring
from benchmarks.contracts import untouched
from benchmarks.cost import measured
from benchmarks.datasets import scenes, shapes
from benchmarks.datasets.splits import digest
from benchmarks.loop import Scored
from benchmarks.preparation import Prepared, suited
from methods.concepts.activations import Layer
from methods.concepts.dictionary import Dictionary, positioned, total_sobol

CROPS = 5  # of a concept in figures
SIDE, POSITIONS = 0.25, 2  # the least side of a crop, of the image's and in positions of the map
DESIGNS = 32  # Sobol points of the importance in figures, as in the paper
CLASSES, OF_CLASS = 8, 3  # the most frequent classes of which figures show the importance, and images of each


def step(cell: Prepared, layer: Layer, settings: Concepts) -> Scored:
    """Return all scores of a cell, and what figures draw of the first concepts."""
    if settings.root is not None:
        raise ValueError(
            f"benchmark.root needs an entry of given concepts; {cell.cell.names['entry']} discovers its own"
        )
    pixels, planted = judged(cell, settings)
    x = reference(cell, pixels, settings.train_images)
    test = cell.common.normalised(pixels.to(cell.device))
    with untouched(type(cell.entry).__name__, cell.common), measured(cell.model, cell.device) as cost:
        dictionary = cell.entry(layer, x)
    maps = positioned(dictionary.encode(layer.maps(test)))
    train = partial(read, layer, dictionary, x) if hasattr(cell.dataset, "train") else lambda: None
    halves = partial(of_halves, cell.entry, layer, x)
    discovered = Discovered(cell.model, test, maps, layer.logits(test), planted, train, halves, cell.store)
    tables, data = [], digest(x, test)
    for name, metric in cell.metrics.items():
        parts = metric.parts(discovered)
        table = rows.answered(name, metric, partial(metric, discovered), len(parts), discovered)
        spent = rows.per_image(cost, len(parts), "explain_")
        tables.append(table.assign(image="", part=parts, data=data, **spent))
    return Scored(tables, [], partial(pictures, cell, layer, dictionary, discovered, pixels))


def reference(cell: Prepared, tested: Tensor, images: int) -> Tensor:
    """Return the images in which concepts are found, normalised for the network.

    They are of the train split; without one, the test images and those of the background, since no score asks there
    what is in the test images. They come in random order: a split may be sorted by class, and halves are compared.
    """
    dataset = suited(cell.dataset, cell.network)
    if hasattr(dataset, "train"):
        pixels = dataset.train(cell.size)[0]
    else:
        others = [dataset.background(cell.size, images)] if hasattr(dataset, "background") else []
        pixels = torch.cat([tested, *others])
    some = pixels[torch.randperm(len(pixels), generator=torch.Generator().manual_seed(0))[:images]]
    some = some if some.is_floating_point() else some.float() / 255
    return cell.common.normalised(some.to(cell.device))


def judged(cell: Prepared, settings: Concepts) -> tuple[Tensor, Planted | None]:
    """Return the first test images (n, 3, h, w) in [0, 1], and what they show where they are drawn."""
    if not hasattr(cell.dataset, "factors"):
        images = suited(cell.dataset, cell.network).test(cell.size)
        return torch.stack([images[k][1] for k in range(min(settings.test_images, len(images)))]), None
    table = cell.dataset.factors(1, settings.test_images)
    drawn = shapes.redrawn(cell.dataset, table, cell.size)
    shown = {word: scenes.shows(table, word) for word in occurring(cell.dataset, settings.concepts)}
    words = tuple(word for word, of in shown.items() if 0 < of.mean() < 1)
    found = np.array([shown[word] for word in words], bool).reshape(len(words), len(table)).T
    masked = tuple(word for word in settings.concepts or scenes.MASKED if word in scenes.MASKED)
    mask: Callable[[str], Tensor] = lambda word: torch.from_numpy(scenes.masks(drawn, table, (word,))[:, 0])  # noqa: E731
    return torch.from_numpy(drawn.pixels).float() / 255, Planted(words, torch.from_numpy(found), masked, mask)


def read(layer: Layer, dictionary: Dictionary, x: Tensor) -> Read:
    """Return what a read-out learns of train images."""
    return Read(x.cpu(), positioned(dictionary.encode(layer.maps(x))).mean((2, 3)), layer.logits(x))


def of_halves(entry: Callable, layer: Layer, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the directions that an entry finds in either half of the images, with another seed in the second."""
    other = replace(entry, seed=entry.seed + 1) if hasattr(entry, "seed") else entry
    first, second = x.tensor_split(2)
    return entry(layer, first).directions, other(layer, second).directions


def pictures(
    cell: Prepared, layer: Layer, dictionary: Dictionary, found: Discovered, pixels: Tensor, concepts: int
) -> dict[str, np.ndarray]:
    """Return for the first concepts the best crops of test images, the best image with its map, and the importance.

    A crop lies around the largest value of an image's map. The importance of a concept for a class is the mean of its
    total Sobol indices over test images that the network takes for that class.
    """
    maps = found.maps[:, :concepts].float()
    best = maps.amax((2, 3)).argsort(dim=0, descending=True, stable=True)[:CROPS].T
    chosen = torch.stack([maps[places, j] for j, places in enumerate(best)])
    sized = interpolate(chosen[:, :1], pixels.shape[2:], mode="bilinear", align_corners=False)[:, 0]
    crops = [
        [cropped(pixels[i], m) for i, m in zip(places, of, strict=True)]
        for places, of in zip(best, chosen, strict=True)
    ]
    classes, importance = important(layer, dictionary, found)
    named = [rows.named(cell.dataset.classes, k) for k in classes]
    k = len(best)
    return {
        "image": np.array(found.names[:k]),
        "crops": np.stack([rows.as_bytes(torch.stack(of)) for of in crops]),
        "pixels": rows.as_bytes(pixels[best[:, 0]]),
        "map": sized.numpy(),
        "classes": np.array([named] * k),
        "importance": importance[:, :k].T.numpy(),
    }


def cropped(image: Tensor, heat: Tensor) -> Tensor:
    """Return the square of an image (3, h, w) around the largest value of its map."""
    height, width = image.shape[1:]
    side = round(min(height, width) * max(SIDE, POSITIONS / max(POSITIONS, *heat.shape)))
    i, j = divmod(int(heat.argmax()), heat.shape[1])
    middle = ((i + 0.5) * height / heat.shape[0], (j + 0.5) * width / heat.shape[1])
    top, left = (
        min(max(round(at - side / 2), 0), full - side) for at, full in zip(middle, (height, width), strict=True)
    )
    return image[:, top : top + side, left : left + side]


def important(layer: Layer, dictionary: Dictionary, found: Discovered) -> tuple[list[int], Tensor]:
    """Return the most frequent classes (m) of the network on test images, and the concepts' importance (m, k)."""
    predicted = found.logits.argmax(1)
    classes = torch.bincount(predicted).argsort(descending=True, stable=True)
    classes = [k for k in classes.tolist() if (predicted == k).any()][:CLASSES]
    indices = []
    for k in classes:
        places = (predicted == k).nonzero().flatten()[:OF_CLASS]
        target = torch.full((len(places),), k)
        indices.append(total_sobol(layer, dictionary, found.x[places], target, DESIGNS, 0).nanmean(0))
    return classes, torch.stack(indices)
