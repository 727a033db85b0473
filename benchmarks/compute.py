"""Compute what a cell lacks, and add it to what is stored of the cell."""

import json
import logging
import traceback
from collections import defaultdict
from math import inf
from time import perf_counter

from omegaconf import DictConfig

from benchmarks.cell import CONFIG, DONE, Cell, read_cell, single, text, write
from benchmarks.command import sentence

log = logging.getLogger(__name__)
VARIANT = ["metric", "metric_settings"]


def missing(cell: Cell) -> list[str]:
    """Return the metrics that the stored cell lacks, or has for fewer images; refuse another cell in its place."""
    complete = before(cell).get("complete", [])

    def done(name: str) -> bool:
        same = [name, text(cell.metrics[name])]
        known = [images for *metric, images in complete if metric == same]
        return any(images is None or (cell.images is not None and cell.images <= images) for images in known)

    return [name for name in cell.metrics if not done(name)]


def before(cell: Cell) -> dict:
    """Return what cell.json tells of the stored cell, nothing where there is none; refuse another cell in its place."""
    stored = read_cell(cell.folder)
    if stored and stored["key"] != cell.key:
        raise ValueError(f"{cell.folder} holds cell {stored['key']} and this one is {cell.key}; remove the folder")
    return stored


def compute(cell: Cell, cfg: DictConfig, lacking: list[str], command: str = "") -> None:
    """Run the benchmark for these metrics and store what it yields, or why it failed.

    `command` is a digest of what was typed for the cell, by which it is found again.
    """
    start = perf_counter()
    failure = cell.folder / "failure.txt"
    try:
        images = fitting(cell, cfg, lacking, command)
    except Exception as error:
        failure.write_text(traceback.format_exc())
        if not single():
            log.error("%s: failed: %s", cell.title, sentence(error))
        raise
    failure.unlink(missing_ok=True)
    log.info("%s: %s%.1f s", cell.title, seen(images), perf_counter() - start)


def seen(images: object) -> str:
    """Return how many images were computed, how many have masks, and the accuracy on those of a known class."""
    images = images[~images.index.duplicated()]  # metrics may have been asked for different images before
    if not len(images):
        return ""
    known = images[images.label >= 0]
    right = f", accuracy {(known.label == known.predicted).mean():.3f}" if len(known) else ""
    of = f" on {len(known)} of known class" if 0 < len(known) < len(images) else ""
    return f"{len(images)} images, {images.masked.sum()} with a mask{right}{of}, "


def fitting(cell: Cell, cfg: DictConfig, lacking: list[str], command: str) -> object:
    """Compute a cell; where memory runs out, go on with half as many images in one pass."""
    import torch
    from omegaconf import OmegaConf

    from benchmarks.preparation import prepared

    while True:
        start = perf_counter()
        ready = prepared(cell, cfg)
        batch = ready.cfg.batch_size
        try:
            images = extend(ready, lacking, command, start)
            lacking = [name for name in lacking if lost_to_memory(cell, name)]
            if batch == 1 or not lacking:
                return images
        except RuntimeError as error:
            if batch == 1 or not out_of_memory(repr(error)):
                raise
        del ready
        torch.cuda.empty_cache()
        log.warning(
            "%s: %d images in one pass do not fit into memory; it goes on with %d", cell.title, batch, batch // 2
        )
        cfg = OmegaConf.merge(cfg, {"batch_size": batch // 2})


def lost_to_memory(cell: Cell, name: str) -> bool:
    """Return whether a metric of a stored cell failed since memory ran out."""
    return out_of_memory(before(cell)["lost"].get(f"{name} {cell.metric_settings()[name]}", ""))


def out_of_memory(said: str) -> bool:
    """Return whether an error says that memory ran out: that of a GPU, or of the machine."""
    return "OutOfMemoryError" in said or "DefaultCPUAllocator" in said


def extend(ready: object, lacking: list[str], command: str, start: float) -> object:
    """Add metrics, and images of metrics that have too few, to what is stored of a cell; return what images these were.

    Batches that a killed process has stored count as if the cell had them, without metrics that are not asked for now.
    """
    import pandas as pd
    from omegaconf import OmegaConf

    from benchmarks.loop import computed
    from benchmarks.parts import Parts, save
    from benchmarks.rows import stacked

    cell, names = ready.cell, ready.cell.metric_settings()
    asked = [(name, names[name]) for name in lacking]

    def labelled(result: object) -> tuple:
        settings = result.curves.metric.map(names)
        return result.scores.assign(**cell.columns()), result.curves.assign(metric_settings=settings), result.gallery

    parts = Parts.of(cell.folder, [ready.entry, *ready.metrics.values()])
    resumed = [(*(table[scored_by(table, asked)] for table in part[:2]), part[2]) for part in parts.read()]
    resumed = [part for part in resumed if len(part[0])]
    old, curves, gallery = stored(cell, resumed)
    if resumed:
        known = old.image[old.image != ""].nunique()  # "" is that of scores of no image
        log.info("%s: goes on after %d images of a run that was stopped", cell.title, known)
    groups = defaultdict(list)  # metrics by the images they have scores of, for one pass each
    for variant in asked:
        groups[frozenset(old.image[scored_by(old, [variant])])].append(variant[0])
    scores, images = [old] if len(old) else [], []
    for known, metrics in groups.items():
        some = {name: ready.metrics[name] for name in metrics}
        shown = set(gallery.get("image", ()))
        if not resumed and any(hasattr(metric, "pictures") for metric in some.values()):
            shown = set()
        pictured = len(shown) if shown <= known else inf  # images that are not computed again have their pictures
        result = computed(ready, some, stored=known, pictured=pictured, keep=lambda one: parts.keep(*labelled(one)))
        if len(old) and len(result.scores):
            same_data(cell, old, result.scores)
        images.append(result.images)
        if len(result.scores):
            now, points, pictures = labelled(result)
            scores.append(now)
            curves = pd.concat([curves, points], ignore_index=True)
            gallery = stacked([gallery, pictures]) if shown and pictures else gallery | pictures
    # Batches that are stored twice, or the same reason again for more images, are no other scores.
    table = pd.concat(scores, ignore_index=True)
    table = table.drop_duplicates(["image", "part", *VARIANT], keep="last", ignore_index=True)
    if (table.weights != "").any():  # what was refused without a network is computed now
        table = table[table.weights != ""].reset_index(drop=True)
    done = about(ready, table, asked, command)
    write(cell.folder / CONFIG, lambda path: OmegaConf.save(OmegaConf.create(cell.config), path))
    save(cell.folder, table, curves, gallery)
    done["seconds"] += perf_counter() - start
    write(cell.folder / DONE, lambda path: path.write_text(json.dumps(done, default=str)))
    parts.clear()
    return pd.concat(images)


def about(ready: object, table: object, asked: list[tuple[str, str]], command: str) -> dict:
    """Return what cell.json is to tell of a cell that has this table of scores.

    A metric that failed is not complete, and the command by which the cell is found again is not kept then.
    """
    cell, earlier = ready.cell, before(ready.cell)
    lost = table[table.status.isin(["inapplicable", "failed"])].drop_duplicates(VARIANT)
    failed = {*table.loc[table.status == "failed", VARIANT].itertuples(index=False, name=None)}
    complete = {tuple(known) for known in earlier.get("complete", [])}
    complete |= {(name, text(cell.metrics[name]), cell.images) for name, _ in {*asked} - failed}
    reasons = {
        f"{row.metric} {row.metric_settings}": f"{row.metric} failed: " * (row.status == "failed") + row.reason
        for row in lost.itertuples()
    }
    return {
        "key": cell.key,
        "complete": sorted(complete, key=str),
        "lost": reasons,
        "device": ready.device.type,
        "batch_size": ready.cfg.batch_size,
        "seconds": earlier.get("seconds", 0),
        "varied": dict(cell.varied),
        "typed": [*dict.fromkeys([*earlier.get("typed", []), *([command] if command and not failed else [])])],
    }


def stored(cell: Cell, resumed: list[tuple]) -> tuple:
    """Return the scores that count, curves and pictures of the stored cell and of batches that belong to it."""
    import pandas as pd

    from benchmarks.parts import load
    from benchmarks.rows import CURVE, stacked

    parts = ([load(cell.folder)] if before(cell) else []) + resumed
    if not parts:
        return pd.DataFrame(columns=["image", *VARIANT]), pd.DataFrame(columns=CURVE), {}
    scores, curves = (pd.concat([part[k] for part in parts if len(part[k])] or [parts[0][k]]) for k in (0, 1))
    failed = [*scores.loc[scores.status == "failed", VARIANT].itertuples(index=False, name=None)]
    scores, curves = (table[~scored_by(table, failed)] for table in (scores, curves))
    pictures = [part[2] for part in parts if part[2]]
    if resumed:  # a process that is killed while it writes a cell leaves batches that are in both
        curves = curves.drop_duplicates()
        images = [set(kept.get("image", ())) for kept in pictures[:2]]
        if len(images) == 2 and images[0] & images[1]:  # batches have more where a metric adds pictures of its own
            pictures = pictures[:1] if pictures[0].keys() >= pictures[1].keys() else pictures[1:]
    return scores, curves[CURVE], stacked(pictures)


def scored_by(table: object, variants: list[tuple[str, str]]) -> object:
    """Return which rows are scores by one of these metrics, given as names and settings."""
    import pandas as pd

    return pd.MultiIndex.from_frame(table[VARIANT]).isin(variants)


def same_data(cell: Cell, before: object, now: object) -> None:
    """Refuse to add scores of another network, or of other images of the same names, to a stored cell."""
    weights, new = before.weights.iloc[0], now.weights.iloc[0]
    if weights and new and weights != new:  # a refused cell has no network
        raise ValueError(
            f"{cell.folder} has scores of a network with weights {weights}; the network now has {new}; give another "
            "name=..."
        )
    old, new = (table.drop_duplicates("image").set_index("image").data for table in (before, now))
    both = old.index.intersection(new.index)
    if len(other := both[(old[both] != new[both]).to_numpy()]):
        raise ValueError(f"{cell.folder} has scores of another image called {other[0]}; give another name=...")
