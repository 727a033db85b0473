"""Read what the cells of a sweep have written: one long table of scores, and the curves and galleries beside it."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

CELL = ["dataset", "model", "method", "variant", "seed"]
NEEDED = [*CELL, "group", "image", "metric", "category", "protocol", "version", "higher_is_better", "score"]
RANKING = ["dataset", "model", "metric"]
METRIC = re.compile(r"^(?:metric\.([^.=]+)\.)?((?(1).+|baseline=.+))$")  # an override of one metric, or of all


def collect(sweep: Path | str) -> pd.DataFrame:
    """Return every score under `sweep`, one row per cell, image and metric; `folder` says where it was found."""
    return labelled(stored(sweep))


def labelled(scores: pd.DataFrame, layers: bool = False) -> pd.DataFrame:
    """Return stored scores that may be ranked: what differs between variants becomes part of names.

    Parts of `variant` that all rows share are dropped, and so are single layers of paths but for `layers`.
    """
    scores = scores[scores.layer == ""].copy() if "layer" in scores and not layers else scores.copy()
    _label(scores)
    _refuse_mixtures(scores)
    return scores


def stored(sweep: Path | str) -> pd.DataFrame:
    """Return every score under `sweep` as the cells have it, whatever their variants."""
    files = list(_finished(Path(sweep), "scores.parquet"))
    if not files:
        raise FileNotFoundError(f"{sweep} needs at least one finished cell; no scores.parquet was found in it")
    scores = pd.concat([_read(file).assign(folder=str(file.parent)) for file in files], ignore_index=True)
    for column in {"variant", "layer"} & {*scores}:
        scores[column] = scores[column].fillna("")
    _refuse_duplicates(scores)
    return scores


def curves(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the curves of the collected cells, one row per cell, image, metric and fraction."""
    found = []
    for cell in _cells(scores):
        if (file := Path(cell.folder) / "curves.parquet").exists():
            names = {"dataset": cell.dataset, "model": cell.model, "method": cell.method, "group": cell.group}
            lines = pd.read_parquet(file, partitioning=None)
            found += [lines.assign(**names)] if len(lines) else []
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame()


def galleries(scores: pd.DataFrame) -> dict[str, dict[str, np.ndarray]]:
    """Return each method's stored images and maps, methods before controls; the lowest seed where there are several."""
    found: dict[str, dict[str, np.ndarray]] = {}
    cells = sorted(_cells(scores), key=lambda cell: (cell.group == "control", cell.seed))
    for cell in cells:
        if cell.method not in found and (file := Path(cell.folder) / "gallery.npz").exists():
            with np.load(file) as stored:
                found |= {cell.method: dict(stored)} if "maps" in stored else {}
    return found


def common(stored: dict[str, dict[str, np.ndarray]]) -> list[str]:
    """Return the images that all methods have stored."""
    sets = [set(gallery["image"]) for gallery in stored.values()]
    return [image for gallery in [*stored.values()][:1] for image in gallery["image"] if all(image in s for s in sets)]


def _finished(sweep: Path, name: str) -> Iterator[Path]:
    """Yield the files called `name`, leaving out hidden and temporary folders."""
    if not sweep.is_dir():
        raise FileNotFoundError(f"{sweep} needs to be the folder of a sweep; there is no such folder")
    for file in sorted(sweep.rglob(name)):
        if not any(part.startswith((".", "tmp")) or ".tmp" in part for part in file.relative_to(sweep).parts):
            yield file


def _read(file: Path) -> pd.DataFrame:
    """Read one cell; `partitioning=None`, or a folder called `steps=8` would become a column."""
    try:
        cell = pd.read_parquet(file, partitioning=None)
    except (OSError, ValueError) as error:
        raise ValueError(f"{file} needs to be a readable score table; {str(error).splitlines()[0]}") from error
    if lacking := [column for column in NEEDED if column not in cell]:
        raise ValueError(f"{file} needs the columns {', '.join(NEEDED)}; {', '.join(lacking)} is missing")
    return cell


def _cells(scores: pd.DataFrame) -> list:
    return list(scores.drop_duplicates("folder").itertuples())


def _refuse_duplicates(scores: pd.DataFrame) -> None:
    one = [*CELL, "image", "metric", *({"layer"} & {*scores})]
    if (twice := scores.duplicated(one)).any():
        row = scores[twice].iloc[0]
        same = (scores[one] == row[one]).all(axis=1)
        folders = " and ".join(scores[same].folder.unique())
        cell = f"{row.dataset} / {row.model} / {row.method}, seed {row.seed}"
        raise ValueError(f"A sweep needs each cell once; {cell} has scores twice, in {folders}")


def _refuse_mixtures(scores: pd.DataFrame) -> None:
    """Refuse to rank numbers against each other that do not mean the same."""
    for column, ranking in (("weights", RANKING[:2]), ("protocol", RANKING), ("version", RANKING)):
        if column not in scores:
            continue
        known = scores[scores[column].notna() & (scores[column] != "") & (scores.image != "")]
        values = known.drop_duplicates([*ranking, column])
        if (mixed := values.duplicated(ranking, keep=False)).any():
            key = values.loc[mixed.idxmax(), ranking]
            several = values[(values[ranking] == key).all(axis=1)]
            named = " and ".join(f"{row[column]} ({row.method})" for _, row in several.iterrows())
            raise ValueError(f"A ranking needs one {column} for {' / '.join(key)}; {named} were found")


def _label(scores: pd.DataFrame) -> None:
    """Write what is left of a variant into names: `smooth_grad [samples=8]`, `aopc [baseline=blur]`.

    Settings of metrics make other metrics, where the protocol says so; all else makes other methods.
    """
    parts = {variant: re.split(r",(?![^\[\(\{]*[\]\)\}])", variant) for variant in scores.variant.unique()}
    shared = set.intersection(*map(set, parts.values()))
    rest = {variant: [part for part in every if part and part not in shared] for variant, every in parts.items()}
    of_metrics = {variant: [part for part in every if METRIC.match(part)] for variant, every in rest.items()}
    several = scores.groupby("metric").protocol.nunique() > 1
    for (variant, metric), rows in scores.groupby(["variant", "metric"]).groups.items():
        own = [short for part in of_metrics[variant] if (short := METRIC.sub(r"\2", part)) and
               METRIC.match(part)[1] in (None, metric)]  # fmt: skip
        if own and several[metric]:
            scores.loc[rows, "metric"] = f"{metric} [{', '.join(own)}]"
    rest = {variant: [part for part in every if not METRIC.match(part)] for variant, every in rest.items()}
    short = {variant: [re.sub(r"^(method|budget)\.", "", part) for part in every] for variant, every in rest.items()}
    if len(set(map(tuple, short.values()))) < len(set(map(tuple, rest.values()))):
        short = rest  # method.samples=8 and budget.samples=8 are not the same
    label = {variant: f" [{', '.join(every)}]" if every else "" for variant, every in short.items()}
    scores["method"] = scores.method.astype(str) + scores.variant.map(label).astype(str)
