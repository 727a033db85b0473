"""What the paths of selectors are worth: means, gains over controls that keep as many channels, and their order."""

import json
from collections.abc import Mapping

import numpy as np
import pandas as pd

from results import inference, scores, summary

SIZE = "path_size"  # the metric that holds the share of channels kept
CONTROLS = ("activation", "random")  # a gain is measured over each of them
ORDER = ("relevance", *CONTROLS)  # best first, as a small trial had it
FACTS = ["category", "higher_is_better", "lower_bound", "upper_bound", "causal"]


def whole(cells: pd.DataFrame) -> pd.DataFrame:
    """Return one row per data set, model, metric and selector about whole paths."""
    return _compared(cells, cells[cells.part == ""].assign(place="")).drop(columns="place")


def layers(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the rows about single layers, from the image to the logits: one layer keeps its path, others are whole."""
    rows = cells[cells.part != ""]
    return _compared(cells, rows.assign(place=rows.part.astype(str))).rename(columns={"place": "layer"})


def shares(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the rows about whole paths that keep a share of each layer's channels, of selectors that have a share."""
    lines = scores.curves(cells[cells.metric_stem != SIZE]).rename(columns={"fraction": "place", "value": "score"})
    lines = lines.assign(part="", status="ok").sort_values("place", kind="stable")
    return _compared(cells, lines).rename(columns={"place": "share"})


def is_causal(settings: Mapping[str, object]) -> bool:
    """Return whether a metric runs the network without the rest: it compares logits, or fills what is not kept."""
    return settings.get("of") == "logits" or settings.get("fill") is not None


def rivals(cells: pd.DataFrame, sizes: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Return, by kind of control, the control that each selector is compared with.

    A rival keeps as many channels in every image as the selector does, by `sizes` (images, entries); if there are
    several, it is the one whose settings are most like the selector's. Activation is compared with random, random and
    what keeps everything with nothing.
    """
    entries = cells.drop_duplicates("entry").set_index("entry")
    settings = {entry: set(json.loads(text).items()) for entry, text in entries.settings.items()}
    kinds = entries.entry_stem.astype(str).str.removesuffix("_gap")
    level = {entry: CONTROLS.index(kind) if kind in CONTROLS else -1 for entry, kind in kinds.items()}
    chosen: dict[str, dict[str, str]] = {kind: {} for kind in CONTROLS}
    for k, kind in enumerate(CONTROLS):
        for entry in (entry for entry in sizes if level[entry] < k and sizes[entry].min() < 1):
            equal = [other for other in sizes if level[other] == k and np.allclose(sizes[entry], sizes[other])]
            if equal:
                chosen[kind][entry] = max(equal, key=lambda other: len(settings[entry] & settings[other]))
    return chosen


def _compared(cells: pd.DataFrame, scored: pd.DataFrame) -> pd.DataFrame:
    """Return one row per data set, model, `place` and metric of `scored`, and selector; selectors before controls.

    Gains `over_` a control are positive for the better. `order` says of an `ORDER[0]` in a causal metric whether it is
    better than activation, and activation than random: holds, reversed or undecided.
    """
    text = dict.fromkeys([*scores.TABLE, "entry", "metric"], str)
    cells, scored = (rows[rows.image != ""].astype(text) for rows in (cells, scored))
    tables = [pd.DataFrame(columns=[*scores.TABLE, "place", "metric", "entry"])]
    for (dataset, model), here in scored.groupby(scores.TABLE, sort=False):
        rows = cells[(cells.dataset == dataset) & (cells.model == model)]
        images, left_out = summary.common_images(rows)
        by_place = {place: summary.cubes(some, images) for place, some in here.groupby("place", sort=False)}
        values = pd.concat(by_place, axis=1, names=["place"])
        metrics = rows.drop_duplicates("metric").set_index("metric")
        metrics["causal"] = [is_causal(json.loads(text)) for text in metrics.metric_settings]
        known = metrics.loc[values.columns.get_level_values("metric")]
        higher = known.higher_is_better.to_numpy(bool)
        table = summary.summary(values, higher, ((known.lower_bound == 0) & (known.upper_bound == 1)).to_numpy())
        of_size = rows[(rows.metric_stem == SIZE) & (rows.part == "")]
        sizes = summary.cube(of_size, SIZE, images).dropna(axis=1) if len(of_size) else pd.DataFrame()
        against = rivals(rows, sizes)
        for kind, pairs in against.items():
            columns = {column: (*column[:-1], pairs[column[-1]]) for column in values if column[-1] in pairs}
            gain = summary.gains(values, higher, {own: rival for own, rival in columns.items() if rival in values})
            names = {name: name.replace("gain", f"over_{kind}") for name in gain}
            table = table.join(gain.rename(columns=names | {"pairs": f"over_{kind}_pairs", "rival": kind}))
        table["order"] = _orders(values, known.causal.to_numpy(), higher, rows, against)
        entries = rows.drop_duplicates("entry").set_index("entry")
        about = {"control": entries.group == "control", "stem": entries.entry_stem.astype(str), "size": sizes.mean()}
        about = pd.DataFrame(about | {"seeds": rows.groupby("entry").seed.nunique()})
        about["first"] = about.stem.map({stem: k for k, stem in enumerate(ORDER)}).fillna(len(ORDER))
        table = table.reset_index().join(metrics[FACTS], on="metric").join(about, on="entry")
        about = {"images": len(images), "left_out": left_out, "accuracy": scores.accuracy(rows)}
        table = table.assign(dataset=dataset, model=model, **about)
        tables.append(table.sort_values(["control", "first", "entry"], kind="stable").drop(columns="first"))
    return pd.concat(tables[-1:] if len(tables) == 1 else tables[1:], ignore_index=True)


def _orders(
    values: pd.DataFrame, causal: np.ndarray, higher: np.ndarray, rows: pd.DataFrame, against: dict[str, dict[str, str]]
) -> pd.Series:
    """Return for each column of an `ORDER[0]` whether the order holds; adjusted for the two comparisons."""
    orders = pd.Series("", values.columns)
    compared = causal & (values.columns.get_level_values("place") != 1.0)  # all are the same at a share of 1
    for entry in rows.entry[rows.entry_stem == ORDER[0]].unique():
        middle, last = (against[kind].get(entry) for kind in CONTROLS)
        here = compared & values.columns.get_level_values("entry").isin([entry, middle, last])
        table = inference.verdicts(values.loc[:, here], higher[here], reference=middle).verdict.unstack()
        if {entry, middle, last} <= {*table}:
            holds = (table[entry] == "better") & (table[last] == "worse")
            wrong = (table[entry] == "worse") | (table[last] == "better")
            words = pd.Series(np.select([holds, wrong], ["holds", "reversed"], "undecided"), table.index)
            orders[[(*block, entry) for block in words.index]] = words.to_numpy()
    return orders
