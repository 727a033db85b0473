"""What a submitted sweep says of itself: each cell against its own config, and all cells against one another."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from hydra.utils import instantiate
from omegaconf import OmegaConf

from benchmarks import rows
from benchmarks.cell import CONFIG, DONE, SCORES, Cell, shown, text
from benchmarks.compute import VARIANT
from entries import scores, stated

OWN = ("benchmarks.", "entries.", "methods.", "models.")  # code that a config may call without being trusted by name
FACTS = ["category", "version", "higher_is_better", "lower_bound", "upper_bound"]


def submission(folder: Path) -> dict:
    """Return what a submission says of itself in submission.yaml; `code` refers to the code that made it."""
    file = folder / "submission.yaml"
    about = yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else None
    if not isinstance(about, dict) or not str(about.get("code") or "").strip():
        raise ValueError(f"{file} needs a line `code: ...` that says where the code of the scores is")
    return about


def checked(folder: Path, table: pd.DataFrame, trusted: Sequence[str]) -> Cell:
    """Return the cell that the config of a folder describes; refuse rows that are not of this cell."""
    cell, done = described(folder, table, trusted), json.loads((folder / DONE).read_text(encoding="utf-8"))
    if done["key"] != cell.key:
        raise ValueError(f"{folder / DONE} has the key {done['key']}; the config beside it makes {cell.key}")
    for column, value in cell.columns().items():
        if len(other := table[column][table[column].astype(str) != str(value)]):
            raise ValueError(f"{folder / SCORES} has {column} {other.iloc[0]}; the config beside it says {value}")
    ran = {(name, text(shown(json.loads(own)))) for name, own, _ in done["complete"]}
    ran |= {*cell.metric_settings().items()}
    metrics = {
        name: stated(instantiate(cell.config["metric"][name], _convert_="all"), scores, name) for name in cell.metrics
    }
    facts = rows.facts(metrics, cell.metric_settings())
    scored = table.astype(dict.fromkeys(VARIANT, str)).groupby(VARIANT)
    for (metric, settings), own in scored:
        where = f"{folder / SCORES}: {metric}"
        if (metric, settings) not in ran:
            with_settings = " and ".join(own for name, own in sorted(ran) if name == metric)
            raise ValueError(f"{where} has the settings {settings}; its cell ran with {with_settings or 'none'}")
        for fact in FACTS if metric in facts.index else ():
            if (own[fact] != facts[fact][metric]).any():
                given, known = own[fact].iloc[0], facts[fact][metric]
                raise ValueError(f"{where} has the {fact} {given}; the metric states {known}")
        sound(own, where)
    if missing := ran - {*scored.groups}:
        raise ValueError(f"{folder / SCORES} lacks scores of {' with '.join(min(missing))}, which its cell computed")
    return cell


def described(folder: Path, table: pd.DataFrame, trusted: Sequence[str]) -> Cell:
    """Return the cell of a config; refuse one that would call other code than that of the project."""
    for file in (CONFIG, DONE):
        if not (folder / file).exists():
            raise ValueError(f"{folder} needs the file {file}; it is missing")
    cfg = OmegaConf.load(folder / CONFIG)
    for name, target in targets(OmegaConf.to_container(cfg, resolve=False)):
        if not target.startswith(tuple(trusted)):
            raise ValueError(
                f"{folder / CONFIG} calls {target} for {name}; --trust {target.partition('.')[0]} allows it"
            )
    first = table.iloc[0]
    choices = {name: str(first[name]) for name in ("condition", "dataset", "model")} | {"benchmark": str(first.kind)}
    choices |= {str(cfg.benchmark.entry): str(first.entry)} if cfg.benchmark.entry else {}
    return Cell.of(cfg, choices, folder)


def targets(node: object, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield the place and the value of every `_target_` in a config; of Hydra's get_method, what it gets."""
    if isinstance(node, dict):
        target = str(node.get("_target_", ""))
        target = str(node.get("path")) if target == "hydra.utils.get_method" else target
        yield from [(name, target)] if target else []
        for key, value in node.items():
            yield from targets(value, f"{name}.{key}".strip("."))
    elif isinstance(node, list):
        for k, value in enumerate(node):
            yield from targets(value, f"{name}.{k}")


def sound(own: pd.DataFrame, where: str) -> None:
    """Refuse scores of one metric that no metric gives."""
    ok = (own.status == "ok").to_numpy()
    score, low, high = (own[name].to_numpy(float) for name in ("score", "lower_bound", "upper_bound"))
    slack = 1e-6 * np.maximum(1, np.abs(score))
    faults = {
        "needs a finite score where the status is ok": ok & ~np.isfinite(score),
        "needs no score where the status is not ok": ~ok & ~np.isnan(score),
        "needs a reason where there is no score": ~ok & (own.reason.astype(str) == "").to_numpy(),
        "needs a score within its bounds": ok & ((score < low - slack) | (score > high + slack)),
    }
    for need, at in faults.items():
        if at.any():
            raise ValueError(f"{where} {need}; image {own.image[at].iloc[0]!r} has {own.score[at].iloc[0]}")


def same(table: pd.DataFrame) -> None:
    """Refuse cells of one data set and network that were not computed on the same images and weights."""
    place = ["condition", "dataset", "data_settings", "benchmark", "model", "model_settings"]
    scored = table[table.image != ""]
    for _, cells in scored.groupby(place, observed=True):
        images = cells.groupby(["folder", "metric"], observed=True).image.agg(frozenset)
        every = frozenset().union(*images)
        for (folder, metric), own in images.items():
            if lacking := every - own:
                raise ValueError(f"{folder}/{SCORES}: {metric} lacks the image {min(lacking)}, which other scores have")
    for column, by in (("data", [*place, "image"]), ("weights", ["model", "model_settings", "data_settings"])):
        values = table[[*by, column]].drop_duplicates()
        values = values[values[column] != ""]
        if (again := values.duplicated(by)).any():
            first = values[again].iloc[0]
            rows_ = table[(table[by] == first[by]).all(axis=1) & (table[column] == first[column])]
            raise ValueError(f"{rows_.folder.iloc[0]}/{SCORES} has other {column} than other cells: {first[column]}")
