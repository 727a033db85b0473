"""What selectors of paths keep and what that is worth: means, paired differences to the controls, and their order.

Intervals are those of `results.statistics`: the draws of images are the same for all selectors, layers and shares;
Wilson's where scores bounded by 0 and 1 are all 0 or 1. Gains are paired, and larger for the better.

A selector whose name ends in `_gap` keeps as many channels as path_gap does, and is compared with the controls whose
names end so, too; its share is not the user's, so that it has no curve.
"""

from collections.abc import Iterable, Iterator
from itertools import product

import numpy as np
import pandas as pd

from results import collect, statistics
from results.blocks import common_images
from results.statistics import FEWEST, RESAMPLES, SEED

CONTROLS = {"activation": "path_activation", "random": "path_random"}  # what a gain is over
ORDER = ("path_relevance", *CONTROLS.values())  # best first, as a small trial had it
GAP = "_gap"
ALL = "path_all"
SELECTORS = ["path_relevance", "path_gap", "path_beam", "path_forward_backward", *CONTROLS.values(),
             *(name + GAP for name in CONTROLS.values()), ALL]  # fmt: skip
GAINS = [f"over_{kind}{end}" for kind in CONTROLS for end in ("", "_low", "_high", "_pairs")]
FACTS = ["category", "higher_is_better", "lower_bound", "upper_bound", "causal"]
COLUMNS = ["dataset", "model", "layer", "share", "metric", *FACTS, "method", "control", "kept",
           "mean", "low", "high", "n", "undefined", *GAINS, "images", "left_out", "seeds"]  # fmt: skip
ALONE = {*CONTROLS.values(), *(name + GAP for name in CONTROLS.values()), ALL}


def named(stored: pd.DataFrame) -> pd.DataFrame:
    """Return the scores of stored paths with what differs between variants in the selectors' names, layers and all."""
    if lacking := [name for name in ("layer", "kept") if name not in stored]:
        raise ValueError(f"A table of paths needs the scores of benchmark=paths; {' and '.join(lacking)} is missing")
    return collect.labelled(stored, layers=True)


def table(scores: pd.DataFrame, lines: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return one row per data set, model, place, metric and selector.

    A place is the whole path (`layer` is empty), a layer alone in order of depth, or the whole path with a `share` of
    each layer's channels, from `lines`, the curves of the sweep; not of selectors that choose their own size, and of
    controls of that size. `kept` is the mean share of channels that were kept.
    """
    lines = curves(scores) if lines is None else lines
    lines = lines[~lines.method.map(stem).str.endswith(GAP)] if len(lines) else lines
    known = facts(scores)
    parts = []
    for (dataset, model), cells in scores.groupby(["dataset", "model"], sort=False):
        cells = cells[cells.image != ""]
        if cells.empty:
            continue
        images, left_out = common_images(cells)
        ours = lines[(lines.dataset == dataset) & (lines.model == model)] if len(lines) else lines
        rows = [_rows(cells, "layer", "score", ["", *depth(cells)], images, known)]
        rows += [_rows(ours, "fraction", "value", sorted(ours.fraction.unique()), images, known)] if len(ours) else []
        found = pd.concat([rows[0].rename(columns={"place": "layer"}), *(r.rename(columns={"place": "share"})
                           for r in rows[1:])], ignore_index=True)  # fmt: skip
        found["layer"] = found.layer.fillna("")
        kept = cells[cells.image.isin(images)].groupby(["layer", "method"]).kept.mean().rename("kept")
        found = found.join(kept, on=["layer", "method"])
        found.loc[found.get("share", pd.Series(np.nan, found.index)).notna(), "kept"] = np.nan
        seeds = found.method.map(cells.groupby("method").seed.nunique())
        parts.append(found.assign(dataset=dataset, model=model, left_out=left_out, seeds=seeds, images=len(images)))
    if not parts:
        raise ValueError("A table of paths needs a selector that applies to a model; none of the sweep's did")
    return pd.concat(parts, ignore_index=True).reindex(columns=COLUMNS)


def facts(scores: pd.DataFrame) -> pd.DataFrame:
    """Return what the scores say of each metric; bounds that they do not have are infinite."""
    known = scores.drop_duplicates("metric").set_index("metric")
    bounds = {"lower_bound": -np.inf, "upper_bound": np.inf}
    known = known.assign(**{name: known.get(name, bound) for name, bound in bounds.items()})
    return known.assign(causal=known.protocol.map(is_causal))[FACTS]


def is_causal(protocol: str) -> bool:
    """Return whether a metric runs the network without the rest: it compares logits, or fills what is not kept."""
    settings = dict(part.split("=", 1) for part in protocol.split() if "=" in part)
    return settings.get("of") == "logits" or settings.get("fill", "None") != "None"


def whole(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of whole paths as the cells have kept them."""
    return rows[(rows.layer == "") & rows.share.isna()].drop(columns=["layer", "share"])


def layers(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of single layers, by depth."""
    return rows[rows.layer != ""].drop(columns="share")


def shares(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of whole paths at every share."""
    return rows[rows.share.notna()].drop(columns=["layer", "kept"])


def curves(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the curves of the collected cells, empty where nothing was collected from folders."""
    return collect.curves(scores) if "folder" in scores else pd.DataFrame()


def depth(cells: pd.DataFrame) -> list[str]:
    """Return the layers of a model from the image to the logits: the order of the rows of one image."""
    by_layer = cells[cells.layer != ""]
    first = by_layer[["method", "seed", "image", "metric"]].drop_duplicates().head(1)
    return by_layer.merge(first).layer.drop_duplicates().tolist()


def ordered(methods: Iterable[str]) -> list[str]:
    """Return selectors in the order of tables and figures: controls last."""
    place = {name: k for k, name in enumerate(SELECTORS)}
    return sorted(dict.fromkeys(methods), key=lambda method: (place.get(stem(method), 3.5), method))


def stem(method: str) -> str:
    return method.partition(" [")[0]


def is_control(method: str) -> bool:
    return stem(method) in ALONE


def rival(method: str, kind: str, known: Iterable[str]) -> str | None:
    """Return which control a selector is compared with; a variant with its own where there is one."""
    name, bracket, setting = method.partition(" [")
    control = CONTROLS[kind] + GAP * name.endswith(GAP)
    if name == ALL or name.removesuffix(GAP) in (CONTROLS[kind], CONTROLS["random"]):
        return None
    return next((other for other in (control + bracket + setting, control) if other in known), None)


def missing(methods: Iterable[str]) -> Iterator[str]:
    """Yield a sentence for each difference that the sweep lacks a control for."""
    methods = ordered(methods)
    for kind, control in CONTROLS.items():
        for suffix in ("", GAP):
            asked = [m for m in methods if stem(m).endswith(GAP) == bool(suffix) and not is_control(m)]
            if lacking := [m for m in asked if rival(m, kind, methods) is None]:
                yield f"{', '.join(lacking)}: no difference to {control}{suffix}, which this model has no scores of"


def _rows(
    cells: pd.DataFrame, key: str, value: str, places: list, images: list[str], known: pd.DataFrame
) -> pd.DataFrame:
    """Compare selectors at every place and metric; `key` says where a row of `cells` belongs."""
    cells = cells[cells.image.isin(images)]
    cells = cells.assign(value=cells[value].where(np.isfinite(cells[value])))
    names = ["place", "metric", "method"]
    values = cells.rename(columns={key: "place"}).groupby(["image", *names])["value"].mean().unstack(names)
    metrics, methods = cells.metric.unique(), ordered(cells.method)
    order = [key for key in product(places, metrics, methods) if key in values]
    values = values.reindex(index=images, columns=pd.MultiIndex.from_tuples(order, names=names))
    mine = known.reindex(values.columns.get_level_values("metric"))
    bounded = (mine.lower_bound == 0) & (mine.upper_bound == 1)
    rows = compared(values, mine.higher_is_better.astype(bool).to_numpy(), bounded.to_numpy()).reset_index()
    return rows.drop(columns="higher_is_better").join(known, on="metric").assign(control=rows.method.map(is_control))


def compared(values: pd.DataFrame, higher_is_better: np.ndarray, bounded: np.ndarray) -> pd.DataFrame:
    """Return mean, interval and gains over the controls of every column (place, metric, method) of images.

    Scores `bounded` by 0 and 1 that are all 0 or 1 are hits.
    """
    array, keys = values.to_numpy(float), [*values.columns]
    where = {key: k for k, key in enumerate(keys)}
    defined = ~np.isnan(array)
    n = defined.sum(0)

    def drawn(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        means = statistics.resampled(columns, values.index.tolist(), RESAMPLES, SEED)
        return means[0], statistics.interval(means, (~np.isnan(columns)).sum(0))

    mean, ends = drawn(array)
    hits = bounded & (n >= FEWEST) & (~defined | (array == 0) | (array == 1)).all(0)
    ends[:, hits] = statistics.wilson(mean[hits], n[hits])
    rows = pd.DataFrame({"mean": mean, "low": ends[0], "high": ends[1], "n": n}, index=values.columns)
    rows = rows.assign(undefined=len(array) - n, higher_is_better=higher_is_better)
    rivals: dict[tuple, set[str]] = {}
    for place, metric, method in keys:
        rivals.setdefault((place, metric), set()).add(method)
    sign = np.where(higher_is_better, 1, -1)
    for kind in CONTROLS:
        pairs = [(k, where[(*key[:2], other)]) for k, key in enumerate(keys)
                 if (other := rival(key[2], kind, rivals[key[:2]]))]  # fmt: skip
        ours, theirs = np.array(pairs, dtype=int).reshape(-1, 2).T
        gap = sign[ours] * statistics.differences(array[:, ours], array[:, theirs])
        found, span = drawn(gap) if len(ours) else (np.empty(0), np.empty((2, 0)))
        for name, column in {"": found, "_low": span[0], "_high": span[1], "_pairs": (~np.isnan(gap)).sum(0)}.items():
            rows[f"over_{kind}{name}"] = pd.Series(column, index=rows.index[ours], dtype=float)
    return rows
