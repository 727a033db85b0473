"""What the paths of selectors are worth: means, gains over controls that keep as many channels, and their order."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
import pandas as pd

from results import inference, scores, summary

SIZE = "path_size"  # the metric that holds the share of channels kept
CONTROLS = ("activation", "random")  # a gain is measured over each of them
ORDER = ("relevance", *CONTROLS)  # best first, as a small trial had it
FACTS = ["category", "higher_is_better", "lower_bound", "upper_bound"]
Places = Callable[[pd.DataFrame], Iterable[tuple[object, pd.DataFrame]]]


def whole(cells: pd.DataFrame) -> pd.DataFrame:
    """Return one row per data set, model, metric and selector about whole paths."""
    return _compared(cells, lambda rows: [("", rows[rows.part == ""])]).drop(columns="place")


def layers(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the rows about single layers, from the image to the logits: one layer keeps its path, others are whole."""

    def places(rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
        yield from ((part, rows[rows.part == part]) for part in rows.part.unique() if part)

    return _compared(cells, places).rename(columns={"place": "layer"})


def shares(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the rows about whole paths that keep a share of each layer's channels, of selectors that have a share."""
    lines = scores.curves(cells[cells.metric_stem != SIZE])
    lines = lines.rename(columns={"value": "score"}).assign(part="", status="ok")

    def places(rows: pd.DataFrame) -> Iterator[tuple[float, pd.DataFrame]]:
        here = (lines[scores.TABLE] == rows[scores.TABLE].iloc[0]).all(axis=1)
        yield from lines[here].groupby("fraction")

    return _compared(cells, places).rename(columns={"place": "share"})


def is_causal(settings: Mapping[str, object]) -> bool:
    """Return whether a metric runs the network without the rest: it compares logits, or fills what is not kept."""
    return settings.get("of") == "logits" or settings.get("fill") is not None


def rivals(cells: pd.DataFrame, images: list[str]) -> dict[str, dict[str, str]]:
    """Return, by kind of control, the control that each selector is compared with.

    A rival keeps as many channels in every image as the selector does; if there are several, it is the one whose
    settings are most like the selector's. Activation is compared with random, random and what keeps everything with
    nothing. Without scores of `path_size` there are no rivals.
    """
    sizes = _sizes(cells, images)
    entries = cells.drop_duplicates("entry").set_index("entry")
    settings = {entry: set(json.loads(text).items()) for entry, text in entries.settings.items()}
    level = {
        entry: CONTROLS.index(kind) if (kind := row.entry_stem.removesuffix("_gap")) in CONTROLS else -1
        for entry, row in entries.iterrows()
    }
    chosen: dict[str, dict[str, str]] = {kind: {} for kind in CONTROLS}
    for k, kind in enumerate(CONTROLS):
        for entry in (entry for entry in sizes if level[entry] < k and sizes[entry].min() < 1):
            equal = [other for other in sizes if level[other] == k and np.allclose(sizes[entry], sizes[other])]
            if equal:
                chosen[kind][entry] = max(equal, key=lambda other: len(settings[entry] & settings[other]))
    return chosen


def _sizes(cells: pd.DataFrame, images: list[str]) -> pd.DataFrame:
    """Return images x entries: the share of channels that each path keeps."""
    rows = cells[(cells.metric_stem == SIZE) & (cells.part == "")]
    return summary.cube(rows, SIZE, images).dropna(axis=1) if len(rows) else pd.DataFrame()


def _compared(cells: pd.DataFrame, places: Places) -> pd.DataFrame:
    """Return one row per data set, model, place, metric and selector; selectors come before controls.

    Gains `over_` a control are positive for the better. `order` says of an `ORDER[0]` in a causal metric whether it is
    better than activation, and activation than random: holds, reversed or undecided.
    """
    tables = []
    for (dataset, model), rows in cells.groupby(scores.TABLE, observed=True, sort=False):
        rows = rows[rows.image != ""]
        rows = rows.assign(**{name: rows[name].astype(str) for name in ("entry", "entry_stem", "metric", "part")})
        by_place = [(place, some) for place, some in places(rows) if len(some)] if len(rows) else []
        if not by_place:
            continue
        images, left_out = summary.common_images(rows)
        values = pd.concat({place: summary.cubes(some, images) for place, some in by_place}, axis=1)
        metrics = rows.drop_duplicates("metric").set_index("metric")
        facts = metrics[FACTS].assign(causal=[is_causal(json.loads(text)) for text in metrics.metric_settings])
        known = facts.reindex(values.columns.get_level_values(1))
        higher = known.higher_is_better.to_numpy(bool)
        hits = ((known.lower_bound == 0) & (known.upper_bound == 1)).to_numpy()
        table = summary.summary(values, higher, hits)
        against = rivals(rows, images)
        for kind, pairs in against.items():
            pairs = {column: (*column[:-1], pairs[column[-1]]) for column in values if column[-1] in pairs}
            pairs = {column: rival for column, rival in pairs.items() if rival in values}
            gain = summary.gains(values, higher, pairs)
            names = {name: name.replace("gain", f"over_{kind}") for name in gain}
            table = table.join(gain.rename(columns=names | {"pairs": f"over_{kind}_pairs", "rival": kind}))
        table["order"] = _orders(values, known.causal.to_numpy(bool), higher, rows, against)
        table = table.rename_axis(["place", "metric", "entry"]).reset_index().join(facts, on="metric")
        entries = rows.drop_duplicates("entry").set_index("entry")
        about = {"control": entries.group == "control", "stem": entries.entry_stem}
        about |= {"size": _sizes(rows, images).mean(), "seeds": rows.groupby("entry").seed.nunique()}
        table = table.assign(**{name: table.entry.map(values) for name, values in about.items()})
        table = table.assign(dataset=dataset, model=model, images=len(images), left_out=left_out)
        first = (table.control * 4 + table.stem.map({stem: k - 3 for k, stem in enumerate(ORDER)}).fillna(0)).to_numpy()
        tables.append(table.iloc[np.lexsort((table.entry, first))])
    columns = ["dataset", "model", "place", "metric", "entry"]
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)
    return table[[*columns, *(name for name in table if name not in columns)]]


def _orders(
    values: pd.DataFrame, causal: np.ndarray, higher: np.ndarray, rows: pd.DataFrame, against: dict[str, dict[str, str]]
) -> pd.Series:
    """Return for each column of an `ORDER[0]` whether the order holds; adjusted for the two comparisons."""
    orders = pd.Series("", values.columns)
    for entry in rows.entry[rows.entry_stem == ORDER[0]].unique():
        middle, last = (against[kind].get(entry) for kind in CONTROLS)
        if middle is None or last is None:
            continue
        here = causal & values.columns.get_level_values(2).isin([entry, middle, last])
        shown = values.columns.get_level_values(0).map(lambda place: place != 1.0)  # all are the same at a share of 1
        here &= np.asarray(shown, dtype=bool)
        table = inference.verdicts(values.loc[:, here], higher[here], reference=middle).verdict.astype(str).unstack()
        if {entry, middle, last} <= {*table}:
            holds = (table[entry] == "better") & (table[last] == "worse")
            wrong = (table[entry] == "worse") | (table[last] == "better")
            words = pd.Series(np.select([holds, wrong], ["holds", "reversed"], "undecided"), table.index)
            orders[[(*block, entry) for block in words.index]] = words.to_numpy()
    return orders
