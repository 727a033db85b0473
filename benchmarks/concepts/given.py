"""Images of given concepts and random images, none in two sets: scenes that are drawn anew, or folders of a user."""

import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from benchmarks.cell import text
from benchmarks.concepts.benchmark import Concepts
from benchmarks.datasets import shapes
from benchmarks.datasets.class_folders import ClassFolders
from benchmarks.datasets.class_names import some
from benchmarks.datasets.folder import INTERPOLATIONS, OPEN, readable, say
from benchmarks.datasets.photographs import Photographs
from benchmarks.datasets.scenes import FACTORS, shows
from benchmarks.preparation import Prepared
from entries import Inapplicable
from methods.concepts.activations import Layer

RANDOM = "random"  # the user's folder of images without regard to any concept
EFFECT, OWN = 2, 3  # splits: of measured effects, and the first that belongs to a seed
RARE = 0.01  # a word that fewer than this share of scenes show is too rare to be a concept
MOST = 100_000  # scenes that are drawn at most while images of a word are looked for
CHUNK = 256  # scenes in memory


class Given(NamedTuple):
    """Pooled activations of given concepts, run by run."""

    words: tuple[str, ...]
    concepts: list[Tensor]  # (runs, images, c) of each word
    random: Tensor  # (2, runs, images, c)
    data: str  # digest of the images


def given(cell: Prepared, layer: Layer, settings: Concepts) -> Given:
    """Return the activations of each concept and of random images."""
    if settings.root is not None:
        return brought(cell, layer, settings)
    if not hasattr(cell.dataset, "factors"):
        need = "concepts need drawn scenes, as dataset=rules has them, or benchmark.root, a folder of folders of images"
        raise Inapplicable(f"{need}; {type(cell.dataset).__name__} is neither")
    return drawn(cell, layer, settings)


def drawn(cell: Prepared, layer: Layer, settings: Concepts) -> Given:
    """Return scenes that are drawn anew for the cell's seed: some that show a word, and some without regard to any.

    Every word has the first scenes that show it, of one random order, so that few scenes have to be drawn.
    """
    seed, need = cell.cfg.seed, settings.runs * settings.images
    split, rng = OWN + 2 * seed, np.random.default_rng(seed)
    words = occurring(cell.dataset, settings.concepts)
    table, shown = showing(cell.dataset, words, split, need)
    order = rng.permutation(len(table))
    rows = [order[shown[word][order]][:need] for word in words]
    used = np.unique(np.concatenate(rows))
    table, others = table.iloc[used], cell.dataset.factors(split + 1, 4 * need)
    others = others.iloc[rng.permutation(len(others))[: 2 * need]]
    pooled, random = (read(cell, layer, part)["pooled"].cpu() for part in (table, others))
    form = (settings.runs, settings.images, pooled.shape[1])
    concepts = [pooled[np.searchsorted(used, part)].reshape(form) for part in rows]
    return Given(words, concepts, random.reshape(2, *form), identity(cell, table, others))


def occurring(dataset: object, words: list[str] | None) -> tuple[str, ...]:
    """Return the words that some scenes show and others do not, in the order of FACTORS; refuse one that is not so."""
    table = dataset.factors(EFFECT, 500)
    share = {word: shows(table, word).mean() for word in words or [w for column in FACTORS.values() for w in column]}
    usual = tuple(word for word, part in share.items() if RARE <= part < 1)
    if words and len(usual) < len(share):
        word = next(word for word in share if word not in usual)
        need = f"a concept needs a word that {RARE:.0%} of the scenes or more show, and not all"
        raise ValueError(f"{need}; {share[word]:.1%} of those of {type(dataset).__name__} show {word!r}")
    return usual


def showing(dataset: object, words: tuple[str, ...], split: int, need: int) -> tuple[pd.DataFrame, dict]:
    """Return scenes of a split, and which of them show each word, at least `need`."""
    scenes = min(MOST, 4 * need)
    while True:
        table = dataset.factors(split, scenes)
        shown = {word: shows(table, word) for word in words}
        rarest = min(words, key=lambda word: shown[word].sum())
        if shown[rarest].sum() >= need:
            return table, shown
        if scenes >= MOST:
            wanted = f"{rarest!r} needs {need} scenes that show it, benchmark.runs x benchmark.images"
            raise ValueError(f"{wanted}; {shown[rarest].sum()} of {scenes} do")
        scenes = min(MOST, 2 * scenes)


def identity(cell: Prepared, *tables: pd.DataFrame) -> str:
    """Return a digest of scenes: of the data set's settings, and of what the scenes show."""
    settings = text([cell.cell.names["dataset"], cell.cell.settings["data"], cell.size]).encode()
    shown = b"".join(pd.util.hash_pandas_object(table).to_numpy().tobytes() for table in tables)
    return hashlib.sha256(settings + shown).hexdigest()[:12]


def read(cell: Prepared, layer: Layer, table: pd.DataFrame) -> dict[str, Tensor]:
    """Return the pooled activations and the logits of scenes, which are drawn where they are not kept."""

    def compute() -> dict[str, Tensor]:
        parts = [layer.compute(pixels(cell, part)) for part in chunks(table)]
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    return cell.store((), ("scenes", layer.name, identity(cell, table)), compute)


def chunks(table: pd.DataFrame) -> Iterator[pd.DataFrame]:
    yield from (table.iloc[start : start + CHUNK] for start in range(0, len(table), CHUNK))


def pixels(cell: Prepared, table: pd.DataFrame) -> Tensor:
    """Return scenes (n, 3, h, w), normalised for the network."""
    scenes = torch.from_numpy(shapes.redrawn(cell.dataset, table, cell.size).pixels)
    return cell.common.normalised(scenes.to(cell.device).float() / 255)


def brought(cell: Prepared, layer: Layer, settings: Concepts) -> Given:
    """Return the images of a user's folders; refuse too few of them, and one that stands in two sets."""
    root = Path(settings.root).expanduser()
    if not root.is_dir():
        raise ValueError(f"benchmark.root needs a folder of folders of images; {settings.root} is none")
    found, unusable = ClassFolders()(root, None)
    frame = {name: getattr(cell.network, name, usual) for name, usual in OPEN.items()}
    form = frame["crop_pct"], INTERPOLATIONS[frame["interpolation"]], frame["crop_mode"] == "squash"
    words = tuple(dict.fromkeys(settings.concepts or [word for word in found if word != RANDOM]))
    missing = [word for word in (RANDOM, *words) if word not in found] or ["of a concept"] * (not words)
    if missing:
        has = some([*found, *unusable]) or "nothing"
        raise ValueError(f"benchmark.root needs a folder {missing[0]} with images in it; {root} has {has}")
    rng, need = np.random.default_rng(cell.cfg.seed), settings.runs * settings.images
    pooled, digests = {}, {}
    for word in (RANDOM, *words):
        wanted = 2 * need if word == RANDOM else need
        photos, broken = readable(found[word], None)
        unusable += broken
        if len(photos) < wanted:
            sets = f"{wanted // need} x benchmark.runs={settings.runs} x benchmark.images={settings.images}"
            fewer = f"benchmark.images={most}" if (most := len(photos) * settings.images // wanted) else "more images"
            has = f"it has {len(photos)}{f' and {len(broken)} broken ones' * bool(broken)}"
            raise ValueError(f"{word!r} needs {wanted} images, {sets}; {has}, so give {fewer}")
        chosen = tuple(photos[k] for k in rng.permutation(len(photos))[:wanted])
        pooled[word], digests[word] = passed(cell, layer, Photographs(chosen, cell.size, *form))
    for word in words:
        if both := {**digests[RANDOM]}.keys() & digests[word].keys():
            one = next(iter(both))
            same = f"{digests[word][one]} and {digests[RANDOM][one]} are the same image"
            raise ValueError(f"{word!r} needs images that are not among the random ones; {same}")
    if unusable:
        say(logging.WARNING, f"benchmark.root passes over what is no image that can be read: {some(unusable)}")
    sets = (settings.runs, settings.images, pooled[RANDOM].shape[1])
    data = hashlib.sha256("".join(one for word in digests for one in digests[word]).encode()).hexdigest()[:12]
    return Given(words, [pooled[word].reshape(sets) for word in words], pooled[RANDOM].reshape(2, *sets), data)


def passed(cell: Prepared, layer: Layer, photos: object) -> tuple[Tensor, dict[str, str]]:
    """Return the pooled activations of photographs, and their names by digest; refuse two that are the same."""
    parts, digests = [], {}
    for start in range(0, len(photos), CHUNK):
        names, images, *_ = zip(*(photos[k] for k in range(start, min(start + CHUNK, len(photos)))), strict=True)
        parts.append(layer.pooled(cell.common.normalised(torch.stack(images).to(cell.device))))
        for name, image in zip(names, images, strict=True):
            digest = hashlib.sha256(image.numpy().tobytes()).hexdigest()
            if digest in digests:
                raise ValueError(f"A concept needs images that differ; {digests[digest]} and {name} are the same image")
            digests[digest] = name
    return torch.cat(parts), digests
