"""Score training images that stand for all: for each number of them, on the training images and the test images."""

from functools import partial

import numpy as np
import torch

from benchmarks import rows
from benchmarks.datasets.splits import digest
from benchmarks.examples.benchmark import Examples, asked
from benchmarks.examples.chosen import Chosen
from benchmarks.loop import Scored
from benchmarks.preparation import Prepared
from methods.examples.prototypes import Prototypes
from methods.examples.training import Training


def step(cell: Prepared, training: Training, settings: Examples) -> Scored:
    """Return the scores of all numbers of prototypes, and what figures draw of one number.

    A metric with `of_images` gives one score for each test image and number, another one a score for each number.
    """
    tested, numbers = settings.tested(cell), sorted({n for metric in cell.metrics.values() for n in metric.numbers})
    with asked(cell, training) as cost:
        found = {number: cell.entry(training, number) for number in numbers}
    chosen = Chosen(
        cell.model,
        training.x,
        training.features(training.x),
        training.labels,
        training.features(tested.x),
        tested.labels,
        {number: some.ids for number, some in found.items()},
        cell.store,
    )
    tables, data = [], digest(training.x, training.labels)
    for name, metric in cell.metrics.items():
        parts = [str(number) for number in metric.numbers]
        images = tested.names if getattr(metric, "of_images", False) else ("",)
        spent = rows.per_image(cost, len(numbers) * len(images), "explain_")
        table = rows.answered(name, metric, partial(metric, chosen), len(images) * len(parts), chosen)
        table = table.assign(image=np.repeat(images, len(parts)), part=parts * len(images), **spent)
        tables.append(table.assign(data=data) if images == ("",) else table.join(tested.facts, on="image"))
    return Scored(tables, [], partial(pictures, cell, training, chosen, found))


def pictures(
    cell: Prepared, training: Training, chosen: Chosen, found: dict[int, Prototypes], images: int
) -> dict[str, np.ndarray]:
    """Return what figures draw of the least number of prototypes that is not below `images`, and of their criticisms.

    `share` is that of the training images to which a prototype is the nearest, and nan for a criticism.
    """
    ids, criticisms = found[min((n for n in found if n >= images), default=max(found))]
    places = torch.cat([ids, criticisms])
    nearest = torch.cdist(chosen.features, chosen.features[ids]).argmin(1)
    share = torch.bincount(nearest, minlength=len(ids)).double() / len(nearest)
    std, mean = (part.to(training.x)[:, None, None] for part in (cell.common.std, cell.common.mean))
    labels = training.labels.cpu()[places].tolist()
    words = [f"prototype {k + 1}" for k in range(len(ids))] + [f"criticism {k + 1}" for k in range(len(criticisms))]
    return {
        "image": np.array(words),
        "pixels": rows.as_bytes(training.x[places.to(training.x.device)] * std + mean),
        "class": np.array([rows.named(cell.dataset.classes, label) for label in labels]),
        "place": places.numpy(),
        "criticism": np.arange(len(places)) >= len(ids),
        "share": np.append(share.numpy(), np.full(len(criticisms), np.nan)),
    }
