"""Read what the cells of a sweep have written, and name what differs within the sweep.

    table = labelled(read("outputs/quick"))         # one row per score
    lines, maps = curves(table), galleries(table)   # what the cells keep beside their scores

Strings are pandas categoricals and are never grouped as text: four million rows take a few seconds.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from results.files import finished, joined, opened

TABLE = ["dataset", "model"]  # rows of one table share them, as labels
SETTINGS = ["benchmark", "condition", "data_settings", "model_settings", "settings"]
CELL = [*TABLE, "entry", *SETTINGS, "seed"]
ROW = [*CELL, "image", "part", "metric", "metric_settings"]  # one score
NAMED = "precision"  # the setting of a network that labels name even where all have the same, but for float32
FACTS = ["group", "data", "weights", "version", "category", "higher_is_better", "lower_bound", "upper_bound"]
NEEDED = ["kind", *ROW, *FACTS, "score", "status", "reason"]
CURVE = [*TABLE, "entry", "group", "seed", "image", "metric", "fraction", "value"]


def read(sweep: Path | str, without: Collection[str] = ()) -> pd.DataFrame:
    """Return every score under `sweep`, one row per cell, image, part and metric; `folder` is the cell's.

    Columns that are named in `without` are not read, and a column that one string fills is not unpacked: that saves
    half of the time.
    """
    scores = joined(finished(sweep), NEEDED, without)
    if len(kinds := sorted(scores.kind.unique())) > 1:
        raise ValueError(f"{sweep} needs to hold one kind of benchmark; it holds {' and '.join(kinds)}")
    _refuse_repetition(scores)
    return scores


def labelled(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the scores with labels in place of stems: `rise (masks=200)`, `deletion (baseline=blur)`.

    A label names the settings in which the variants of one stem differ inside one table of the sweep; what differs only
    from table to table, as the layer of a class activation map does between networks, is not named. Settings of the
    data and of the benchmark, and conditions, make other tables: `shapes (target=label)`. So does a precision, which is
    always named where it is not float32. Stems stay in `entry_stem`, `metric_stem`, `model_stem` and `dataset_stem`.
    Scores that must not be compared are refused.
    """
    scores = scores.copy(deep=False)
    number, cells = numbered(scores, [*TABLE, "entry", *SETTINGS, "weights"])
    surroundings = [_surroundings(row) for row in cells.itertuples()]
    always = [NAMED] if {own[NAMED] for own in surroundings} - {"float32"} else []
    cells["dataset"] = _labels(cells, "dataset", surroundings, [], always)
    cells["model"] = _labels(cells, "model", [*map(_precise, cells.model_settings)], ["dataset"])
    cells["entry"] = _labels(cells, "entry", [*map(_unseeded, cells.settings)], TABLE)
    for column in (*TABLE, "entry"):
        _relabel(scores, column, cells[column], number)
    number, metrics = numbered(scores, ["metric", "metric_settings", *TABLE, "version"])
    metrics["metric"] = _labels(metrics, "metric", [*map(_unseeded, metrics.metric_settings)], TABLE)
    _relabel(scores, "metric", metrics.metric, number)
    _refuse(scores, cells, "weights", TABLE)
    _refuse(scores, metrics, "version", ["metric"])
    _refuse(scores, numbered(scores, [*TABLE, "image", "data"])[1], "data", [*TABLE, "image"])
    return scores


def curves(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the curves of the cells of `scores`, for its metrics: one row per cell, image, metric and fraction."""
    stem = "metric_stem" if "metric_stem" in scores else "metric"
    metrics = numbered(scores, [*dict.fromkeys([stem, "metric_settings", "metric"])])[1]
    labels = dict(zip(zip(metrics[stem], metrics.metric_settings, strict=True), metrics.metric, strict=True))
    lines = []
    for cell in _cells(scores):
        if (file := Path(cell.folder) / "curves.parquet").exists() and len(rows := opened(file).read().to_pandas()):
            names = {name: getattr(cell, name) for name in (*TABLE, "entry", "group", "seed")}
            metric = [labels.get(key) for key in zip(rows.metric, rows.metric_settings, strict=True)]
            lines.append(rows.assign(**names, metric=metric).dropna(subset="metric")[CURVE])
    return pd.concat(lines, ignore_index=True) if lines else pd.DataFrame(columns=CURVE)


def galleries(scores: pd.DataFrame) -> dict[str, dict[str, np.ndarray]]:
    """Return the images and maps of each entry, entries before controls; the lowest seed where there are several."""
    galleries: dict[str, dict[str, np.ndarray]] = {}
    for cell in sorted(_cells(scores), key=lambda cell: (cell.group == "control", cell.seed)):
        if cell.entry not in galleries and (file := Path(cell.folder) / "gallery.npz").exists():
            with np.load(file) as arrays:
                galleries |= {cell.entry: dict(arrays)} if arrays.files else {}
    return galleries


def common(galleries: Mapping[str, Mapping[str, np.ndarray]]) -> list[str]:
    """Return the names of the images that are in all galleries."""
    first, *others = [own["image"] for own in galleries.values()] or [[]]
    return [str(image) for image in first if all(image in images for images in others)]


def accuracy(scores: pd.DataFrame) -> float:
    """Return the share of images with a label that one network classifies as labelled; nan where rows do not say."""
    if not {"label", "predicted"} <= {*scores}:
        return float("nan")
    image = scores.image.astype("category").cat
    rows = _first(image.codes.to_numpy(), len(image.categories))
    images = scores[["image", "label", "predicted"]].iloc[rows[rows >= 0]]
    images = images[(images.image != "") & (images.label >= 0)]
    return float((images.label == images.predicted).mean())


def numbered(rows: pd.DataFrame, columns: Sequence[str]) -> tuple[np.ndarray, pd.DataFrame]:
    """Return the number of each row's combination of `columns`, and the combinations in order of appearance."""
    key, size = _keys(rows, columns)
    if size > 4 * len(key):  # a table of all keys would be larger than that of those which occur
        key, seen = pd.factorize(key)
        size = len(seen)
    first = _first(key, size)
    places = np.sort(first[first >= 0])
    number = np.empty(size, dtype=np.intp)
    number[key[places]] = np.arange(len(places))
    return number[key], rows[list(columns)].iloc[places].reset_index(drop=True)


def _first(number: np.ndarray, size: int) -> np.ndarray:
    """Return where each of the numbers below `size` stands first, -1 where it does not."""
    first = np.full(size, -1)
    first[number[::-1]] = np.arange(len(number))[::-1]  # the last write is that of the first row
    return first


def _keys(rows: pd.DataFrame, columns: Sequence[str]) -> tuple[np.ndarray, int]:
    """Return a number for each row, the same for rows that agree in all columns, and a number above all of these."""
    key, size, gaps = np.zeros(len(rows), dtype=np.int64), 1, 0
    for column in columns:
        values = rows[column]
        plain = values.cat.codes if values.dtype == "category" else values
        plain = plain.to_numpy()
        if len(plain) and (plain == plain[0]).all():
            continue
        values = values.astype("category").cat
        kinds = len(values.categories) + 1
        if size * kinds > 2**62:
            key, seen = pd.factorize(key)
            size, gaps = len(seen), 0
        key *= kinds
        key += values.codes.to_numpy()
        size, gaps = size * kinds, gaps * kinds + 1  # the code of a gap is -1, and no key may be
    key += gaps
    return key, size


def _cells(scores: pd.DataFrame) -> Iterable:
    """Return one tuple per cell, with what is the same in all its rows."""
    return numbered(scores, ["folder", *TABLE, "entry", "group", "seed"])[1].itertuples()


def _surroundings(row) -> dict[str, object]:
    """Return what makes another table: settings of the data and of the benchmark, the condition and the precision."""
    data = json.loads(row.data_settings)
    benchmark = {f"benchmark.{name}" if name in data else name: v for name, v in json.loads(row.benchmark).items()}
    precision = {NAMED: json.loads(row.model_settings).get(NAMED, "float32")}
    return ({"condition": row.condition} if row.condition else {}) | data | benchmark | precision


def _precise(settings: str) -> dict[str, object]:
    """Return the settings of a network without the precision: the network is the same in every one."""
    return {name: value for name, value in json.loads(settings).items() if name != NAMED}


def _unseeded(settings: str) -> dict[str, object]:
    """Return settings without the seed: seeds are averaged."""
    return {name: value for name, value in json.loads(settings).items() if name != "seed"}


def _labels(
    rows: pd.DataFrame, column: str, settings: list[dict], context: list[str], always: Collection[str] = ()
) -> list[str]:
    """Return a label per row: the stem, and its settings that differ between variants of the stem in one context.

    Settings of `always` are named even where they do not differ.
    """
    named: dict[str, list[str]] = {stem: [] for stem in rows[column]}
    for _, group in rows.groupby([column, *context], observed=True, sort=False):
        stem, variants = group[column].iloc[0], [settings[row] for row in group.index]
        names = dict.fromkeys(name for variant in variants for name in variant)
        several = (len({json.dumps(own.get(name), sort_keys=True) for own in variants}) > 1 for name in names)
        differ = [name for name, differs in zip(names, several, strict=True) if differs or name in always]
        named[stem] += [name for name in differ if name not in named[stem]]
    labels = []
    for stem, own in zip(rows[column], settings, strict=True):
        values = {name: own[name] for name in named[stem] if name in own}
        shown = [f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in values.items()]
        labels.append(f"{stem} ({', '.join(shown)})" if shown else str(stem))
    return labels


def _relabel(scores: pd.DataFrame, column: str, labels: Sequence[str], number: np.ndarray) -> None:
    scores[f"{column}_stem"] = scores[column]
    scores[column] = pd.Categorical(labels, dict.fromkeys(labels)).take(number)


def _refuse_repetition(scores: pd.DataFrame) -> None:
    keys, _ = _keys(scores, ROW)
    ordered = np.sort(keys)
    if (again := ordered[1:] == ordered[:-1]).any():
        rows = scores[keys == ordered[1:][again][0]]
        row, folders = rows.iloc[0], list(rows.folder.unique())
        score = f"{row.dataset} / {row.model} / {row.entry}, seed {row.seed}, image {row.image!r}, {row.metric}"
        place = f"twice in {folders[0]}" if len(folders) == 1 else f"in {' and in '.join(folders)}"
        raise ValueError(f"A sweep needs each score once, and each image needs its own name; {score} is {place}")


def _refuse(scores: pd.DataFrame, values: pd.DataFrame, column: str, context: list[str]) -> None:
    """Refuse to compare numbers that do not mean the same: two `values` of `column` in one context."""
    values = values[[*context, column]].drop_duplicates()
    values = values[(values != "").all(axis=1)]
    if (several := values.duplicated(context, keep=False)).any():
        place = values.loc[several.idxmax(), context]
        users = []
        for value in values[column][(values[context] == place).all(axis=1)]:
            row = scores[(scores[context] == place).all(axis=1) & (scores[column] == value)].iloc[0]
            users.append(f"{value} ({row.entry or row.model}{f' in {row.folder}' if 'folder' in row else ''})")
        raise ValueError(f"A comparison needs one {column} for {' / '.join(place)}; {' and '.join(users)} were found")
