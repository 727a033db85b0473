"""Score the words that a labelling gives to the units of a layer: on drawn scenes, where it is known what is where."""

from dataclasses import replace
from functools import partial

import numpy as np

from benchmarks import rows
from benchmarks.contracts import untouched
from benchmarks.cost import measured
from benchmarks.loop import Scored
from benchmarks.preparation import Prepared
from benchmarks.units.benchmark import Neurons, Reference
from benchmarks.units.labelled import Labelled, Scenes
from entries import Inapplicable
from methods.units.labelling import Marked, falls, scaled
from methods.units.reading import Units

SHOWN, REMOVED = 4, 100  # images of a unit in a figure, and images on which it is removed for it


def step(cell: Prepared, units: Units, reference: Reference, settings: Neurons) -> Scored:
    """Return the scores of all units and of the layer, and what figures draw of the first units."""
    found, held_out = (scenes(cell, reference, settings, split) for split in (0, 1))
    words = found.words
    marked = Marked(found.x, found.masks(words), words, found.labels, tuple(cell.dataset.classes))
    explained = replace(cell.common, x=found.x)
    with untouched(type(cell.entry).__name__, explained), measured(cell.model, cell.device) as cost:
        labels = cell.entry(units, marked)
    labelled = Labelled(cell.model, found.x, units, labels, found, held_out, cell.store)
    tables = []
    for name, metric in cell.metrics.items():
        parts = labelled.parts if metric.of_units else [""]
        table = rows.answered(name, metric, partial(metric, labelled), len(parts), labelled)
        spent = rows.per_image(cost, len(parts), "explain_")
        tables.append(table.assign(image="", part=parts, data=reference.data, **spent))
    return Scored(tables, [], partial(pictures, reference, labelled))


def scenes(cell: Prepared, reference: Reference, settings: Neurons, split: int) -> Scenes:
    """Return the reference scenes (split 0) or those that are held out (1); refuse a data set that draws none."""
    if not hasattr(cell.dataset, "factors"):
        need = f"{cell.cell.names['entry']} needs a data set that knows where words are, such as shapes or rules"
        raise Inapplicable(f"{need}; {type(cell.dataset).__name__} does not")
    x = reference.held_out if split else reference.x
    table = cell.dataset.factors(split, len(x))
    return Scenes(cell.dataset, table, x, min(settings.side, cell.size), reference.normalised)


def pictures(reference: Reference, labelled: Labelled, units: int) -> dict[str, np.ndarray]:
    """Return for the first units the images in which they are most active, with maps, masks, matches and effects."""
    maps, labels = labelled.maps(labelled.found)[:, :units], labelled.labels
    few = len(maps[0])
    top = maps.amax((2, 3)).topk(min(SHOWN, len(maps)), 0).indices.T
    label, words = labels.label[:few].tolist(), np.array([*labels.words, ""])
    masks = labelled.masks(labelled.found)
    pixels = np.stack([rows.as_bytes(reference.pixels[own]) for own in top])
    judged, classes = labelled.held_out, np.array(labelled.held_out.dataset.classes)
    x, of = judged.x[:REMOVED], judged.labels[:REMOVED]
    effect = falls(labelled.units, labels.directions[:few], x, of, len(classes))
    return {
        "image": np.array([f"{labelled.units.layer} {unit}" for unit in labelled.units.index[:few]]),
        "pixels": pixels,
        "map": np.stack([scaled(maps[own, [u]][:, None], masks.shape[-1])[:, 0] for u, own in enumerate(top)]),
        "mask": np.stack([masks[own, place] & (place >= 0) for own, place in zip(top, label, strict=True)]),
        "word": words[label],
        "match": (labels.match - labels.chance)[:few].float().numpy(),
        "words": np.tile(words[:-1], (few, 1)),
        "effect": effect.float().numpy(),
        "classes": np.tile(classes, (few, 1)),
    }
