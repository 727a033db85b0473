"""Score what an entry claims of given concepts: on images of every class, against effects that are measured."""

import json
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from benchmarks import rows
from benchmarks.concepts.benchmark import Concepts
from benchmarks.concepts.claimed import Claimed, Truth
from benchmarks.concepts.given import EFFECT, Given, given, identity, read
from benchmarks.contracts import untouched
from benchmarks.cost import measured
from benchmarks.datasets import scenes, shapes
from benchmarks.effects import effect
from benchmarks.loop import Scored
from benchmarks.preparation import Prepared, suited
from entries import Inapplicable
from methods.concepts.activations import Layer
from methods.concepts.dictionary import positioned

LEAST = 10  # images of a class, so that a share of them means something
SHOWN = 4  # images of a concept that are kept for figures


class Asked(NamedTuple):
    """Images of the classes that are asked about."""

    index: tuple[int, ...]  # of the classes, in the network's order
    names: tuple[str, ...]
    pixels: list[Tensor]  # (m, 3, h, w) in [0, 1], of each class


def step(cell: Prepared, layer: Layer, settings: Concepts) -> Scored:
    """Return all scores of a cell, and what figures draw of the first concepts."""
    permutations = getattr(cell.entry, "permutations", None)
    if permutations and 1 / (1 + permutations) > settings.alpha:
        need = f"more permutations for a claim to be significant at benchmark.alpha={settings.alpha}"
        raise ValueError(f"concept={cell.cell.names['entry']} needs {need}; permutations={permutations} was given")
    asked = of_classes(cell, settings)
    images = [cell.common.normalised(pixels.to(cell.device)) for pixels in asked.pixels]
    with untouched(type(cell.entry).__name__, cell.common), measured(cell.model, cell.device) as cost:
        sets = given(cell, layer, settings)
        slopes = [sloped(cell, layer, x, k) for x, k in zip(images, asked.index, strict=True)]
        claims = cell.entry(sets.concepts, sets.random, slopes)
    drawn = settings.root is None
    factors = tuple(scenes.factor(word) if drawn else word for word in sets.words)
    measure = partial(truth, cell, layer, settings, sets.words, asked.index)
    limits, x = (settings.delta, settings.alpha), torch.cat(images)
    claimed = Claimed(cell.model, x, sets.words, factors, asked.names, claims, measure, *limits, cell.store)
    tables, asks = [], dict(zip(asked.names, asked.index, strict=True))
    target_of = {json.dumps([word, name]): k for word in sets.words for name, k in asks.items()}
    for name, metric in cell.metrics.items():
        parts = metric.parts(claimed)
        table = rows.answered(name, metric, partial(metric, claimed), len(parts), claimed)
        target, spent = [target_of.get(part, -1) for part in parts], rows.per_image(cost, len(parts), "explain_")
        tables.append(table.assign(image="", part=parts, target=target, data=sets.data, **spent))
    return Scored(tables, [], partial(pictures, layer, sets, asked, claimed))


def sloped(cell: Prepared, layer: Layer, x: Tensor, target: int) -> Tensor:
    """Return the slopes (m, c) of a class's images, once for all cells of a sweep."""
    return cell.store((x,), ("slopes", layer.name, target), lambda: layer.slopes(x, target)).cpu()


def of_classes(cell: Prepared, settings: Concepts) -> Asked:
    """Return images of each class by their labels, or by the network's prediction where there are no labels."""
    images = suited(cell.dataset, cell.network).test(cell.size)
    photos = getattr(images, "photos", None)
    labels = np.array([photo.label for photo in photos] if photos else [label for *_, label, _ in images])
    if (labels < 0).all():
        parts = [cell.common.normalised(images[k][1][None].to(cell.device)) for k in range(len(images))]
        labels = np.array([int(cell.model(part).argmax()) for part in parts])
    names = [rows.named(cell.dataset.classes, k) for k in range(max(labels) + 1)]
    found = {names[k]: (labels == k).nonzero()[0] for k in np.unique(labels[labels >= 0])}
    wanted = settings.classes or [name for name, places in found.items() if len(places) >= LEAST]
    few = [name for name in wanted if len(found.get(name, ())) < LEAST]
    if few or not wanted:
        name = few[0] if few else max(found, key=lambda name: len(found[name]))
        need = f"benchmark=concepts needs at least {LEAST} images of a class"
        error = ValueError if settings.classes else Inapplicable
        raise error(f"{need}; {type(cell.dataset).__name__} has {len(found.get(name, ()))} of {name!r}")
    chosen = [found[name][: settings.class_images] for name in wanted]
    pixels = [torch.stack([images[k][1] for k in places]) for places in chosen]
    return Asked(tuple(int(labels[places[0]]) for places in chosen), tuple(wanted), pixels)


def truth(cell: Prepared, layer: Layer, settings: Concepts, words: tuple[str, ...], classes: tuple[int, ...]) -> Truth:
    """Return the measured effects (w, k) of words on the logits of classes; the scenes are the same for every seed."""
    if settings.root is not None:
        raise Inapplicable("effects are measured on drawn scenes, and these concepts are folders of images")
    table = cell.dataset.factors(EFFECT, settings.pairs)
    spread = read(cell, layer, table)["logits"].double().std(0).cpu()

    def compute(word: str) -> Tensor:
        pair = scenes.paired(table, word, 0)
        images = (shapes.redrawn(cell.dataset, one, cell.size).pixels for one in pair)
        normalised: Callable = lambda pixels: cell.common.normalised(pixels.to(cell.device))  # noqa: E731
        return torch.tensor(np.stack(effect(cell.model, normalised, *images, layer.batch)))

    key = ("effect", identity(cell, table))
    effects = torch.stack([cell.store((), (*key, word), partial(compute, word)).cpu() for word in words], 1)
    return Truth(*(effects / spread)[..., [*classes]])


def pictures(layer: Layer, sets: Given, asked: Asked, claimed: Claimed, concepts: int) -> dict[str, np.ndarray]:
    """Return figures' data of the first concepts: claimed and measured effects, and the images most like each concept.

    The likeness of an image is the cosine of its pooled activations, less their mean over random images, with the
    concept's mean vector; the map is the same product at every position.
    """
    claims, words = claimed.claims, sets.words[:concepts]
    try:
        effects = claimed.truth
    except Inapplicable:
        effects = Truth(*torch.full((3, *claims.effects.shape), torch.nan))
    of = {
        "score": claims.scores.mean(2),
        "random_score": claims.random_scores.mean(1).expand_as(claims.effects),
        "claimed": claims.effects,
        "p_value": claims.adjusted,
        "effect": effects.mean,
        "effect_low": effects.low,
        "effect_high": effects.high,
    }
    shown = {name: value[:concepts].numpy() for name, value in of.items()}
    vectors = claims.cavs.mean(1)[:concepts].float()
    middle, pixels = sets.random.flatten(0, 2).mean(0), torch.cat(asked.pixels)
    pooled = layer.pooled(claimed.x) - middle
    best = (torch.nn.functional.normalize(pooled, dim=1) @ vectors.T).argsort(0, descending=True)[:SHOWN].T
    maps = [positioned(layer.maps(claimed.x[places])) - middle[:, None, None] for places in best]
    along = torch.stack([torch.einsum("nchw,c->nhw", m, v) for m, v in zip(maps, vectors, strict=True)])
    sized = torch.nn.functional.interpolate(along, pixels.shape[2:], mode="bilinear", align_corners=False)
    return shown | {
        "image": np.array(words),
        "classes": np.array([asked.names] * len(words)),
        "pixels": np.stack([rows.as_bytes(pixels[places]) for places in best]),
        "map": sized.numpy(),
    }
