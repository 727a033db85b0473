"""Score for each test image another one that the network takes for another class."""

from dataclasses import replace
from functools import cache, partial

import numpy as np
import pandas as pd
import torch
from torch import nn

from benchmarks import rows
from benchmarks.beside import placed
from benchmarks.contracts import painted
from benchmarks.examples import worlds
from benchmarks.examples.benchmark import Examples, Tested, asked
from benchmarks.examples.countered import Countered
from benchmarks.loop import Scored
from benchmarks.preparation import Prepared
from entries import Inapplicable
from methods.examples.counterfactuals import shown
from methods.examples.training import Training


def step(cell: Prepared, training: Training, settings: Examples) -> Scored:
    """Return the scores of all test images, and what figures draw of the first ones.

    Where the target is a class by name, images that the network takes for it already are left out.
    """
    tested = settings.tested(cell)
    classes = tuple(rows.named(cell.dataset.classes, k) for k in range(len(training.head()[1])))
    name, wanted = type(cell.entry).__name__, getattr(cell.entry, "target", "")
    some = np.array([classes[k] != wanted for k in tested.facts.predicted])
    if not some.any():
        raise Inapplicable(f"{name} needs images that are not predicted as {wanted} already; all of them are")
    keep = torch.from_numpy(some)
    tested = Tested(tested.x[keep.to(tested.x.device)], tested.pixels[keep], tested.mask[keep], tested.facts[some])
    with asked(cell, training) as cost:
        images, targets = cell.entry(training, tested.x, classes, cell.common.box)
    painted(replace(cell.common, x=images).pixels().cpu(), [*tested.names], name)
    countered = Countered(
        cell.model,
        tested.x,
        images,
        targets,
        tested.mask.to(images.device),
        cell.common.std,
        training.batch,
        cache(partial(of_other_seed, cell)),
        cell.store,
    )
    facts, n = tested.facts.assign(target=targets.cpu().numpy()), len(images)
    spent = rows.per_image(cost, n, "explain_")
    tables = [
        rows.answered(metric, entry, partial(entry, countered), n, countered)
        .assign(image=tested.names, **spent)
        .join(facts, on="image")
        for metric, entry in cell.metrics.items()
    ]
    return Scored(tables, [], partial(pictures, cell, countered, facts, np.array(classes)))


def of_other_seed(cell: Prepared) -> nn.Module:
    """Return the network that the same recipe fits with the next seed; refuse weights that are no fit."""
    seed = worlds.refittable(cell).fit.seed + 1
    dataset = getattr(cell.dataset, "fitted_on", cell.dataset)
    return placed(cell, worlds.fitted(cell, dataset, seed=seed, checkpoints=()).module)


@torch.no_grad()
def pictures(
    cell: Prepared, countered: Countered, facts: pd.DataFrame, classes: np.ndarray, images: int
) -> dict[str, np.ndarray]:
    """Return what figures draw of the first images: image, counterfactual and signed difference, with their classes.

    `difference` (n, h, w) is the mean over colours, of pixels in [0, 1]; `probability` is the target's afterwards.
    """
    few = slice(images)
    before, after = (shown(x[few], cell.common.box) for x in (countered.x, countered.images))
    told = cell.model(countered.images[few]).softmax(1)
    target = countered.targets[few]
    return {
        "image": facts.index[few].to_numpy(str),
        "pixels": rows.as_bytes(before),
        "counterfactual": rows.as_bytes(after),
        "difference": (after - before).mean(1).cpu().numpy(),
        "predicted": classes[facts.predicted[few]],
        "target": classes[target.cpu()],
        "after": classes[told.argmax(1).cpu()],
        "probability": told.gather(1, target[:, None])[:, 0].cpu().numpy(),
    }
